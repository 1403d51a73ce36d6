"""The cells of printed columns that are more than a field: functions of an object and the present."""

import datetime
from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.objects.times import format_duration, seconds_since
from apiserver.registry.column_makers import Cell, value_at

_NONE = "<none>"
_UNKNOWN = "<unknown>"
_UNSET = "<unset>"
_MOST_SHOWN = 3


def _number(obj: Obj, path: str) -> int:
    return int(value_at(obj, path) or 0)


def deployment_ready(obj: Obj, now: datetime.datetime) -> str:
    """`ready/desired`."""
    del now
    return f"{_number(obj, 'status.readyReplicas')}/{_number(obj, 'spec.replicas')}"


def controller_reference(obj: Obj, now: datetime.datetime) -> str:
    """The controlling owner, as `daemonset.apps/name`."""
    del now
    for owner in value_at(obj, "metadata.ownerReferences") or ():
        if owner.get("controller"):
            group = owner.get("apiVersion", "").rpartition("/")[0]
            kind = owner.get("kind", "").lower()
            return f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"
    return _NONE


def _has_condition(obj: Obj, kind: str) -> bool:
    conditions = value_at(obj, "status.conditions") or ()
    return any(one.get("type") == kind and one.get("status") == "True" for one in conditions)


def job_status(obj: Obj, now: datetime.datetime) -> str:
    """How a job is doing."""
    del now
    if _has_condition(obj, "Complete"):
        return "Complete"
    if _has_condition(obj, "Failed"):
        return "Failed"
    if value_at(obj, "metadata.deletionTimestamp"):
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if _has_condition(obj, kind):
            return kind
    return "Running"


def job_completions(obj: Obj, now: datetime.datetime) -> str:
    """`succeeded/wanted`."""
    del now
    done = _number(obj, "status.succeeded")
    wanted = value_at(obj, "spec.completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = value_at(obj, "spec.parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def job_duration(obj: Obj, now: datetime.datetime) -> str:
    """How long it has run."""
    started = value_at(obj, "status.startTime")
    if not started:
        return ""
    ended = value_at(obj, "status.completionTime")
    if not ended:
        for one in value_at(obj, "status.conditions") or ():
            if one.get("type") == "Failed" and one.get("status") == "True":
                ended = one.get("lastTransitionTime")
    seconds = seconds_since(started, now) - (seconds_since(ended, now) if ended else 0)
    return format_duration(seconds)


def cluster_ip(obj: Obj, now: datetime.datetime) -> str:
    """A Service's first address."""
    del now
    addresses = value_at(obj, "spec.clusterIPs")
    return str((addresses[0] if addresses else value_at(obj, "spec.clusterIP")) or _NONE)


def load_balancer_addresses(obj: Obj, now: datetime.datetime) -> str:
    """What a load balancer listens at."""
    del now
    rows = value_at(obj, "status.loadBalancer.ingress") or ()
    return ",".join(one.get("ip") or one.get("hostname") or "" for one in rows)


def external_ip(obj: Obj, now: datetime.datetime) -> str:
    """How a Service is reached from outside."""
    spec = obj.get("spec") or {}
    kind = spec.get("type")
    listed = list(spec.get("externalIPs") or ())
    if kind == "ExternalName":
        return str(spec.get("externalName") or "")
    if kind == "LoadBalancer":
        balanced = load_balancer_addresses(obj, now)
        return ",".join(([balanced] if balanced else []) + listed) or "<pending>"
    return ",".join(listed) or _NONE


def service_ports(obj: Obj, now: datetime.datetime) -> str:
    """`80:30080/TCP,…`."""
    del now
    rows = []
    for port in value_at(obj, "spec.ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        rows.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(rows) or _NONE


def _shortened(rows: list[str], most: int = _MOST_SHOWN, separator: str = ",") -> str:
    if len(rows) > most:
        return f"{separator.join(rows[:most])} + {len(rows) - most} more..."
    return separator.join(rows)


def endpoint_addresses(obj: Obj, now: datetime.datetime) -> str:
    """`10.0.0.1:80,…`."""
    del now
    rows: list[str] = []
    for subset in obj.get("subsets") or ():
        addresses = [one.get("ip", "") for one in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        if not ports:
            rows.extend(addresses)
        for port in ports:
            rows.extend(
                f"[{address}]:{port.get('port')}" if ":" in address else f"{address}:{port.get('port')}"
                for address in addresses
            )
    return _shortened(rows) or _NONE


def slice_ports(obj: Obj, now: datetime.datetime) -> str:
    """The ports of an EndpointSlice."""
    del now
    rows = [
        str(port["port"]) if port.get("port") is not None else (port.get("name") or "*")
        for port in obj.get("ports") or ()
    ]
    return _shortened(rows) or _UNSET


def slice_endpoints(obj: Obj, now: datetime.datetime) -> str:
    """The addresses of an EndpointSlice."""
    del now
    rows = [address for one in obj.get("endpoints") or () for address in one.get("addresses") or ()]
    return _shortened(rows) or _UNSET


def node_status(obj: Obj, now: datetime.datetime) -> str:
    """`Ready`, `NotReady`, `Unknown`; and whether it takes pods."""
    del now
    told = "Unknown"
    for one in value_at(obj, "status.conditions") or ():
        if one.get("type") == "Ready":
            told = "Ready" if one.get("status") == "True" else "NotReady"
    return f"{told},SchedulingDisabled" if value_at(obj, "spec.unschedulable") else told


def node_roles(obj: Obj, now: datetime.datetime) -> str:
    """The roles its labels tell."""
    del now
    prefix = "node-role.kubernetes.io/"
    labels = value_at(obj, "metadata.labels") or {}
    roles = {key.removeprefix(prefix) for key in labels if key.startswith(prefix)} - {""}
    if labels.get("kubernetes.io/role"):
        roles.add(labels["kubernetes.io/role"])
    return ",".join(sorted(roles)) or _NONE


def node_address(kind: str) -> Cell:
    """An address of a node."""

    def cell(obj: Obj, now: datetime.datetime) -> str:
        del now
        for one in value_at(obj, "status.addresses") or ():
            if one.get("type") == kind:
                return str(one.get("address"))
        return _NONE

    return cell


def _event_object(obj: Obj) -> Obj:
    return obj.get("involvedObject") or obj.get("regarding") or {}


def _event_count(obj: Obj) -> int:
    series = obj.get("series") or {}
    return int(series.get("count") or obj.get("count") or obj.get("deprecatedCount") or 1)


def _event_first(obj: Obj) -> Any:
    return obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or obj.get("eventTime")


def event_first_seen(obj: Obj, now: datetime.datetime) -> str:
    """When it happened first."""
    first = _event_first(obj)
    return format_duration(seconds_since(first, now)) if first else _UNKNOWN


def event_last_seen(obj: Obj, now: datetime.datetime) -> str:
    """When it happened last."""
    last = (obj.get("series") or {}).get("lastObservedTime")
    last = last or obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp") or _event_first(obj)
    return format_duration(seconds_since(last, now)) if last else _UNKNOWN


def event_object(obj: Obj, now: datetime.datetime) -> str:
    """What it is about, as `pod/name`."""
    del now
    about = _event_object(obj)
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def event_subobject(obj: Obj, now: datetime.datetime) -> str:
    """Which part it is about."""
    del now
    return str(_event_object(obj).get("fieldPath") or "")


def event_source(obj: Obj, now: datetime.datetime) -> str:
    """Who told."""
    del now
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    component = source.get("component") or obj.get("reportingComponent") or obj.get("reportingController") or ""
    host = source.get("host") or obj.get("reportingInstance")
    return f"{component}, {host}" if host and host != component else str(component)


def event_message(obj: Obj, now: datetime.datetime) -> str:
    """What is told."""
    del now
    return str(obj.get("message") or obj.get("note") or "").strip()


def event_count(obj: Obj, now: datetime.datetime) -> int:
    """How often it happened."""
    del now
    return _event_count(obj)


_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def access_modes(path: str) -> Cell:
    """`RWO,ROX,…`."""

    def cell(obj: Obj, now: datetime.datetime) -> str:
        del now
        given = set(value_at(obj, path) or ())
        return ",".join(short for mode, short in _MODES.items() if mode in given)

    return cell


def volume_phase(obj: Obj, now: datetime.datetime) -> str:
    """The phase of a volume or claim."""
    del now
    if value_at(obj, "metadata.deletionTimestamp"):
        return "Terminating"
    return str(value_at(obj, "status.phase") or "")


def volume_claim(obj: Obj, now: datetime.datetime) -> str:
    """The claim of a volume, as `namespace/name`."""
    del now
    claim = value_at(obj, "spec.claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def storage_class(path: str) -> Cell:
    """The class of a volume or claim."""

    def cell(obj: Obj, now: datetime.datetime) -> str:
        del now
        old = (value_at(obj, "metadata.annotations") or {}).get("volume.beta.kubernetes.io/storage-class")
        return str(old or value_at(obj, path) or "")

    return cell


def claim_capacity(obj: Obj, now: datetime.datetime) -> str:
    """The size of a bound claim."""
    del now
    return str(value_at(obj, "status.capacity.storage") or "") if value_at(obj, "spec.volumeName") else ""


def claim_modes(obj: Obj, now: datetime.datetime) -> str:
    """The access modes of a bound claim."""
    return str(access_modes("status.accessModes")(obj, now)) if value_at(obj, "spec.volumeName") else ""


def component_status(obj: Obj, now: datetime.datetime) -> str:
    """Whether a component is healthy."""
    del now
    for one in obj.get("conditions") or ():
        if one.get("type") == "Healthy":
            return "Healthy" if one.get("status") == "True" else "Unhealthy"
    return "Unknown"


def component_message(field: str) -> Cell:
    """What a component's health check says."""

    def cell(obj: Obj, now: datetime.datetime) -> str:
        del now
        return next(
            (str(one.get(field) or "") for one in obj.get("conditions") or () if one.get("type") == "Healthy"), ""
        )

    return cell


def quota(*, limits: bool) -> Cell:
    """`cpu: 1/2, …` of a quota."""

    def cell(obj: Obj, now: datetime.datetime) -> str:
        del now
        hard, used = value_at(obj, "status.hard") or {}, value_at(obj, "status.used") or {}
        names = sorted(name for name in hard if name.startswith("limits.") == limits)
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return cell


def ingress_class(obj: Obj, now: datetime.datetime) -> str:
    """The class of an Ingress."""
    del now
    old = (value_at(obj, "metadata.annotations") or {}).get("kubernetes.io/ingress.class")
    return str(value_at(obj, "spec.ingressClassName") or old or _NONE)


def ingress_hosts(obj: Obj, now: datetime.datetime) -> str:
    """The hosts of an Ingress."""
    del now
    hosts = [one["host"] for one in value_at(obj, "spec.rules") or () if one.get("host")]
    return _shortened(hosts) or "*"


def ingress_ports(obj: Obj, now: datetime.datetime) -> str:
    """80, and 443 with TLS."""
    del now
    return "80, 443" if value_at(obj, "spec.tls") else "80"


def ingress_parameters(obj: Obj, now: datetime.datetime) -> str:
    """The parameters of an IngressClass."""
    del now
    given = value_at(obj, "spec.parameters")
    if not given:
        return _NONE
    group = f".{given['apiGroup']}" if given.get("apiGroup") else ""
    return f"{given.get('kind', '')}{group}/{given.get('name', '')}"


def address_parent(obj: Obj, now: datetime.datetime) -> str:
    """What an IPAddress belongs to."""
    del now
    parent = value_at(obj, "spec.parentRef") or {}
    parts = (parent.get("group"), parent.get("resource"), parent.get("namespace"), parent.get("name"))
    return "/".join(part for part in parts if part)


def scale_target(obj: Obj, now: datetime.datetime) -> str:
    """What an autoscaler scales."""
    del now
    target = value_at(obj, "spec.scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


_METRIC_KEYS = {
    "Resource": "resource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
    "ContainerResource": "containerResource",
}


def autoscaler_targets(obj: Obj, now: datetime.datetime) -> str:
    """`cpu: 12%/80%, …`."""
    del now
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if "targetCPUUtilizationPercentage" in spec:
        have = status.get("currentCPUUtilizationPercentage")
        return f"cpu: {_UNKNOWN if have is None else f'{have}%'}/{spec['targetCPUUtilizationPercentage']}%"
    current = status.get("currentMetrics") or []
    rows = [
        _metric(metric, current[position] if position < len(current) else {})
        for position, metric in enumerate(spec.get("metrics") or ())
    ]
    return _shortened(rows, 2, ", ") or _NONE


def _metric(metric: Obj, current: Obj) -> str:
    key = _METRIC_KEYS.get(metric.get("type", ""), "")
    wanted, have = metric.get(key) or {}, (current.get(key) or {}).get("current") or {}
    target = wanted.get("target") or {}
    name = f"{wanted['name']}: " if "name" in wanted else ""
    if "averageUtilization" in target:
        told = have.get("averageUtilization")
        return f"{name}{_UNKNOWN if told is None else f'{told}%'}/{target['averageUtilization']}%"
    if "averageValue" in target:
        suffix = " (avg)" if key in ("object", "external") else ""
        return f"{name}{have.get('averageValue', _UNKNOWN)}/{target['averageValue']}{suffix}"
    return f"{name}{have.get('value', _UNKNOWN)}/{target.get('value', '')}"


def role_reference(obj: Obj, now: datetime.datetime) -> str:
    """The role of a binding."""
    del now
    reference = obj.get("roleRef") or {}
    return f"{reference.get('kind', '')}/{reference.get('name', '')}"


def subjects(kind: str) -> Cell:
    """The subjects of a binding, of one kind."""

    def cell(obj: Obj, now: datetime.datetime) -> str:
        del now
        return ", ".join(
            f"{one.get('namespace', '')}/{one.get('name', '')}" if kind == "ServiceAccount" else one.get("name", "")
            for one in obj.get("subjects") or ()
            if one.get("kind") == kind
        )

    return cell


def requested_duration(obj: Obj, now: datetime.datetime) -> str:
    """For how long a certificate is wanted."""
    del now
    seconds = value_at(obj, "spec.expirationSeconds")
    return format_duration(seconds) if seconds else _NONE


def signing_condition(obj: Obj, now: datetime.datetime) -> str:
    """What became of a signing request."""
    del now
    kinds = {one.get("type") for one in value_at(obj, "status.conditions") or ()}
    told = "Denied" if "Denied" in kinds else ("Approved" if "Approved" in kinds else "Pending")
    if "Failed" in kinds:
        told += ",Failed"
    return f"{told},Issued" if value_at(obj, "status.certificate") else told


def token_audiences(obj: Obj, now: datetime.datetime) -> str:
    """The audiences a CSI driver wants tokens for."""
    del now
    return ",".join(one.get("audience", "") for one in value_at(obj, "spec.tokenRequests") or ()) or _UNSET


def storage_class_name(obj: Obj, now: datetime.datetime) -> str:
    """The name, and whether it is the default."""
    del now
    annotations = value_at(obj, "metadata.annotations") or {}
    name = str(value_at(obj, "metadata.name") or "")
    for prefix in ("", "beta."):
        if annotations.get(f"storageclass.{prefix}kubernetes.io/is-default-class") == "true":
            return f"{name} (default)"
    return name


def parameter_kind(obj: Obj, now: datetime.datetime) -> str:
    """The kind of a policy's parameters."""
    del now
    kind = value_at(obj, "spec.paramKind")
    return f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else _UNSET


def parameter_reference(obj: Obj, now: datetime.datetime) -> str:
    """The parameters of a policy binding."""
    del now
    reference = value_at(obj, "spec.paramRef")
    if not reference:
        return _UNSET
    namespace = reference.get("namespace")
    return f"{namespace}/{reference.get('name', '')}" if namespace else str(reference.get("name") or "*")


def missing_priority_level(obj: Obj, now: datetime.datetime) -> str:
    """Whether a flow schema's priority level is gone."""
    del now
    for one in value_at(obj, "status.conditions") or ():
        if one.get("type") == "Dangling":
            return str(one.get("status"))
    return "?"


def api_service_backend(obj: Obj, now: datetime.datetime) -> str:
    """Where an API is served."""
    del now
    service = value_at(obj, "spec.service")
    return f"{service.get('namespace')}/{service.get('name')}" if service else "Local"


def api_service_available(obj: Obj, now: datetime.datetime) -> str:
    """Whether an API is served."""
    del now
    for one in value_at(obj, "status.conditions") or ():
        if one.get("type") == "Available":
            told = str(one.get("status"))
            return told if told == "True" else f"{told} ({one.get('reason', '')})"
    return "Unknown"


def claim_state(obj: Obj, now: datetime.datetime) -> str:
    """How far a resource claim has come."""
    del now
    states = []
    if value_at(obj, "metadata.deletionTimestamp"):
        states.append("deleted")
    if value_at(obj, "status.allocation"):
        states.append("allocated")
        if value_at(obj, "status.reservedFor"):
            states.append("reserved")
    else:
        states.append("pending")
    return ",".join(states)
