"""EndpointSlices of Services with a selector: pure planning of slices, and the shell that writes them.

Ports are resolved per pod, so a Service has one set of slices per distinct set of ports; a slice holds at most 100
endpoints. What need not change is left as it is (KEP-752).
"""

from typing import Any

from apimachinery import errors
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects import selectors
from apimachinery.objects.metadata import Obj, annotations, is_deleting, labels, metadata, name, namespace
from apimachinery.objects.owner_references import new_controller_ref
from apimachinery.objects.pods import is_ready, is_terminal
from controllers.context import Context
from controllers.pace import Pace

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
BATCH_SECONDS = 0.1
_MOST_ENDPOINTS = 100
_NOT_COPIED = {SERVICE_NAME, MANAGED_BY, HEADLESS}
_ANNOTATIONS_NOT_COPIED = {TRIGGER_TIME, "kubectl.kubernetes.io/last-applied-configuration"}

PortKey = tuple[tuple[str, str, int, str], ...]


def resolve_ports(service: Obj, pod: Obj) -> PortKey:
    """A Service's ports as they are in a pod: (name, protocol, number, appProtocol), without unknown names."""
    found = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort", port["port"])
        protocol = port.get("protocol", "TCP")
        number = target if isinstance(target, int) else _named_port(pod, target, protocol)
        if number:
            found.append((port.get("name") or "", protocol, number, port.get("appProtocol") or ""))
    return tuple(found)


def _named_port(pod: Obj, wanted: str, protocol: str) -> int:
    spec = pod.get("spec") or {}
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            if port.get("name") == wanted and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return 0


def endpoint(service: Obj, pod: Obj, addresses: list[str], node: Obj | None) -> Obj:
    """A pod as an endpoint."""
    terminating = is_deleting(pod)
    serving = is_ready(pod)
    made: Obj = {
        "addresses": addresses,
        "conditions": {
            "ready": bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": namespace(pod),
            "name": name(pod),
            "uid": metadata(pod).get("uid", ""),
        },
        "nodeName": pod["spec"].get("nodeName", ""),
    }
    zone = labels(node or {}).get("topology.kubernetes.io/zone")
    if zone:
        made["zone"] = zone
    spec = pod["spec"]
    if spec.get("hostname") and spec.get("subdomain") == name(service):
        made["hostname"] = spec["hostname"]
    hints = _hints(service["spec"].get("trafficDistribution"), made)
    if hints:
        made["hints"] = hints
    return made


def _hints(distribution: str | None, made: Obj) -> Obj:
    """For whom an endpoint is, where the Service's traffic is to stay near (KEP-3015)."""
    hints: Obj = {}
    if made["conditions"]["ready"] and distribution:
        if made.get("zone"):
            hints["forZones"] = [{"name": made["zone"]}]
        if distribution == "PreferSameNode" and made["nodeName"]:
            hints["forNodes"] = [{"name": made["nodeName"]}]
    return hints


def wanted_endpoints(service: Obj, pods: list[Obj], nodes: dict[str, Obj]) -> dict[tuple[str, PortKey], list[Obj]]:
    """Endpoints by address family and ports. A family of the Service without endpoints has an empty entry."""
    families = service["spec"].get("ipFamilies") or ["IPv4"]
    found: dict[tuple[str, PortKey], list[Obj]] = {}
    tolerate = bool(service["spec"].get("publishNotReadyAddresses"))
    for pod in pods:
        addresses = [row.get("ip", "") for row in (pod.get("status") or {}).get("podIPs") or ()]
        if is_terminal(pod) or not pod["spec"].get("nodeName") or not addresses:
            continue
        if is_deleting(pod) and not is_ready(pod) and not tolerate and not _may_linger(pod):
            continue
        ports = resolve_ports(service, pod)
        if not ports and service["spec"].get("ports"):
            continue
        for family in families:
            own = [address for address in addresses if (":" in address) is (family == "IPv6")]
            if own:
                made = endpoint(service, pod, own[:1], nodes.get(pod["spec"]["nodeName"]))
                found.setdefault((family, ports), []).append(made)
    for family in families:
        if not any(key[0] == family for key in found):
            found[(family, ())] = []
    return found


def _may_linger(pod: Obj) -> bool:
    # A terminating pod stays in its slices (serving=false) until it is gone, as upstream keeps it.
    return bool((pod.get("status") or {}).get("podIPs"))


def port_objects(ports: PortKey) -> list[Obj]:
    """The ports of a slice."""
    return [
        {
            "name": port_name,
            "protocol": protocol,
            "port": number,
            **({"appProtocol": application} if application else {}),
        }
        for port_name, protocol, number, application in ports
    ]


def slice_labels(service: Obj) -> dict[str, str]:
    """The labels of a Service's slices."""
    made = {key: value for key, value in labels(service).items() if key not in _NOT_COPIED}
    made[SERVICE_NAME] = name(service)
    made[MANAGED_BY] = MANAGER
    if service["spec"].get("clusterIP") == "None":
        made[HEADLESS] = ""
    return made


def _same_ports(one: Obj, wanted: list[Obj]) -> bool:
    def key(row: Obj) -> tuple[Any, ...]:
        return (row.get("name") or "", row.get("protocol") or "TCP", row.get("port"), row.get("appProtocol"))

    return sorted(map(key, one.get("ports") or ()), key=str) == sorted(map(key, wanted), key=str)


def _identity(row: Obj) -> tuple[str, str]:
    return ((row.get("targetRef") or {}).get("uid", ""), (row.get("addresses") or [""])[0])


def _distribute(slices: list[Obj], endpoints: list[Obj]) -> tuple[list[list[Obj]], list[Obj]]:
    """The endpoints of each slice, and those that find no room."""
    left = {_identity(row): row for row in endpoints}
    held = [
        [left.pop(_identity(row)) for row in one.get("endpoints") or () if _identity(row) in left] for one in slices
    ]
    # Slices that change anyway take what is new first.
    unchanged = [mine == (one.get("endpoints") or []) for mine, one in zip(held, slices, strict=True)]
    for position in sorted(range(len(held)), key=unchanged.__getitem__):
        held[position] += [left.pop(key) for key in list(left)[: _MOST_ENDPOINTS - len(held[position])]]
    return held, list(left.values())


def plan(
    service: Obj, pods: list[Obj], nodes: dict[str, Obj], slices: list[Obj]
) -> tuple[list[Obj], list[Obj], list[Obj]]:
    """What to write: (slices to create, to update, to delete)."""
    create: list[Obj] = []
    update: list[Obj] = []
    kept: set[str] = set()
    wanted_labels = slice_labels(service)
    copied = {key: value for key, value in annotations(service).items() if key not in _ANNOTATIONS_NOT_COPIED}
    for (family, ports), endpoints in wanted_endpoints(service, pods, nodes).items():
        rows = port_objects(ports)
        own = [
            one
            for one in slices
            if one.get("addressType") == family and _same_ports(one, rows) and not is_deleting(one)
        ]
        held, rest = _distribute(own, endpoints)
        for position, (one, mine) in enumerate(zip(own, held, strict=True)):
            if not mine and (position > 0 or endpoints):
                continue
            kept.add(name(one))
            labelled = labels(one) == wanted_labels
            noted = all(annotations(one).get(key) == value for key, value in copied.items())
            if mine != (one.get("endpoints") or []) or not labelled or not noted:
                meta = {**metadata(one), "labels": wanted_labels, "annotations": {**annotations(one), **copied}}
                update.append({**one, "metadata": meta, "endpoints": mine})
        if not rest and any(name(one) in kept for one in own):
            continue
        chunks = [rest[start : start + _MOST_ENDPOINTS] for start in range(0, len(rest), _MOST_ENDPOINTS)] or [[]]
        create += [_new_slice(service, family, rows, chunk, wanted_labels, copied) for chunk in chunks]
    delete = [one for one in slices if name(one) not in kept]
    return create, update, delete


def _new_slice(
    service: Obj, family: str, ports: list[Obj], endpoints: list[Obj], wanted: dict[str, str], copied: dict[str, str]
) -> Obj:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{name(service)}-"[:58],
            "namespace": namespace(service),
            "labels": wanted,
            **({"annotations": copied} if copied else {}),
            "ownerReferences": [new_controller_ref(service, "v1", "Service")],
        },
        "addressType": family,
        "ports": ports,
        "endpoints": endpoints,
    }


def new(context: Context) -> Controller:
    """Wire the controller."""
    client = context.client
    services = context.informers.informer("services")
    pods = context.informers.informer("pods")
    slices = context.informers.informer("endpointslices.discovery.k8s.io")
    nodes = context.informers.informer("nodes")
    slices.add_index("service", lambda one: [f"{namespace(one)}/{labels(one).get(SERVICE_NAME, '')}"])

    pace = Pace(BATCH_SECONDS)

    async def reconcile(key: str) -> Result | None:
        service = services.store.get_key(key)
        wait = pace.wait(key, context.clock.monotonic())
        if wait and service is not None:
            return Result(requeue_after=wait)
        own = [one for one in slices.store.by_index("service", key) if labels(one).get(MANAGED_BY) == MANAGER]
        if service is None or not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            pace.forget(key)
            for one in own if service is None else ():
                await _delete(one)
            return None
        if is_deleting(service):
            return None
        selector = selectors.from_map(service["spec"]["selector"])
        chosen = [pod for pod in pods.store.list(namespace(service)) if selector.matches(labels(pod))]
        by_name = {name(node): node for node in nodes.store.list()}
        create, update, delete = plan(service, chosen, by_name, own)
        for one in create:
            slices.store.put(await client.create("endpointslices.discovery.k8s.io", one))
        for one in update:
            await client.update("endpointslices.discovery.k8s.io", one)
        for one in delete:
            await _delete(one)
        if create or update or delete:
            pace.wrote(key, context.clock.monotonic())
        return None

    async def _delete(one: Obj) -> None:
        try:
            await client.delete("endpointslices.discovery.k8s.io", name(one), namespace(one))
        except errors.NotFound:
            return

    def of_pod(pod: Obj) -> list[str]:
        return [
            f"{namespace(one)}/{name(one)}"
            for one in services.store.list(namespace(pod))
            if selectors.from_map(one["spec"].get("selector")).matches(labels(pod))
        ]

    def of_slice(one: Obj) -> tuple[str, ...]:
        if labels(one).get(MANAGED_BY) != MANAGER or not labels(one).get(SERVICE_NAME):
            return ()
        return (f"{namespace(one)}/{labels(one)[SERVICE_NAME]}",)

    controller = Controller("endpointslice-controller", reconcile, workers=5)
    controller.watch(services)
    controller.watch(pods, of_pod)
    controller.watch(slices, of_slice)
    controller.follow(nodes)
    return controller
