"""Endpoints of Services with a selector: the older form of EndpointSlices, one object per Service."""

from apimachinery import errors
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects import selectors
from apimachinery.objects.metadata import Obj, annotations, is_deleting, labels, metadata, name, namespace
from apimachinery.objects.pods import is_ready, is_terminal
from controllers.context import Context
from controllers.endpoint_slice import BATCH_SECONDS, HEADLESS, PortKey, resolve_ports
from controllers.pace import Pace

_MOST_ADDRESSES = 1000
_MANAGED_BY = "endpoints.kubernetes.io/managed-by"
_MANAGER = "endpoint-controller"


def subsets(service: Obj, pods: list[Obj]) -> list[Obj]:
    """The subsets: one per distinct set of ports, addresses sorted."""
    groups: dict[PortKey, tuple[list[Obj], list[Obj]]] = {}
    everything = bool(service["spec"].get("publishNotReadyAddresses"))
    family6 = (service["spec"].get("ipFamilies") or ["IPv4"])[0] == "IPv6"
    for pod in pods:
        address = next(
            (
                row["ip"]
                for row in (pod.get("status") or {}).get("podIPs") or ()
                if row.get("ip") and (":" in row["ip"]) is family6
            ),
            "",
        )
        if not address or is_terminal(pod) or (is_deleting(pod) and not everything):
            continue
        row: Obj = {
            "ip": address,
            "nodeName": pod["spec"].get("nodeName", ""),
            "targetRef": {
                "kind": "Pod",
                "namespace": namespace(pod),
                "name": name(pod),
                "uid": metadata(pod).get("uid", ""),
            },
        }
        spec = pod["spec"]
        if spec.get("hostname") and spec.get("subdomain") == name(service):
            row["hostname"] = spec["hostname"]
        good, bad = groups.setdefault(resolve_ports(service, pod), ([], []))
        (good if everything or is_ready(pod) else bad).append(row)
    found = []
    for ports, (good, bad) in sorted(groups.items()):
        if not ports and service["spec"].get("ports"):
            continue
        subset: Obj = {}
        for field, rows in (("addresses", good), ("notReadyAddresses", bad)):
            if rows:
                subset[field] = sorted(rows, key=lambda row: row["ip"])[:_MOST_ADDRESSES]
        if ports:
            subset["ports"] = [
                {
                    **({"name": port_name} if port_name else {}),
                    "port": number,
                    "protocol": protocol,
                    **({"appProtocol": application} if application else {}),
                }
                for port_name, protocol, number, application in ports
            ]
        found.append(subset)
    return found


def wanted_labels(service: Obj) -> dict[str, str]:
    """The labels of a Service's Endpoints."""
    made = {**labels(service), _MANAGED_BY: _MANAGER}
    if service["spec"].get("clusterIP") == "None":
        made[HEADLESS] = ""
    return made


def new(context: Context) -> Controller:
    """Wire the controller."""
    client = context.client
    services = context.informers.informer("services")
    pods = context.informers.informer("pods")
    endpoints = context.informers.informer("endpoints")

    pace = Pace(BATCH_SECONDS)

    async def reconcile(key: str) -> Result | None:
        service = services.store.get_key(key)
        live = endpoints.store.get_key(key)
        if service is None:
            pace.forget(key)
            if live is not None and labels(live).get(_MANAGED_BY) == _MANAGER:
                space, _, own = key.partition("/")
                try:
                    await client.delete("endpoints", own, space)
                except errors.NotFound:
                    return None
            return None
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return None
        wait = pace.wait(key, context.clock.monotonic())
        if wait:
            return Result(requeue_after=wait)
        selector = selectors.from_map(service["spec"]["selector"])
        chosen = [pod for pod in pods.store.list(namespace(service)) if selector.matches(labels(pod))]
        rows = subsets(service, chosen)
        wanted = wanted_labels(service)
        if live is None:
            made: Obj = {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": {"name": name(service), "namespace": namespace(service), "labels": wanted},
            }
            if rows:
                made["subsets"] = rows
            try:
                await client.create("endpoints", made)
            except errors.AlreadyExists:
                return None
        elif (live.get("subsets") or []) != rows or labels(live) != wanted:
            meta = {**metadata(live), "labels": wanted, "annotations": annotations(live)}
            await client.update("endpoints", {**live, "metadata": meta, "subsets": rows})
        else:
            return None
        pace.wrote(key, context.clock.monotonic())
        return None

    def of_pod(pod: Obj) -> list[str]:
        return [
            f"{namespace(one)}/{name(one)}"
            for one in services.store.list(namespace(pod))
            if selectors.from_map(one["spec"].get("selector")).matches(labels(pod))
        ]

    controller = Controller("endpoint-controller", reconcile, workers=5)
    controller.watch(services)
    controller.watch(pods, of_pod)
    controller.watch(endpoints)
    return controller
