"""The flow schemas and priority levels every cluster has, as data. Pure.

Upstream calls those that must be there mandatory and the rest suggested; both are kept as they stand here unless an
annotation says that an object belongs to the user.
"""

from __future__ import annotations

from typing import Any, Final

from apimachinery.objects.metadata import Obj

GROUP: Final = "flowcontrol.apiserver.k8s.io"
API_VERSION: Final = f"{GROUP}/v1"
SCHEMAS: Final = f"flowschemas.{GROUP}"
LEVELS: Final = f"prioritylevelconfigurations.{GROUP}"
AUTO_UPDATE: Final = "apf.kubernetes.io/autoupdate-spec"
MANDATORY: Final = frozenset({"exempt", "catch-all"})
CATCH_ALL: Final = "catch-all"

_KUBE_SYSTEM: Final = "kube-system"
_CONTROLLER_MANAGER: Final = "U system:kube-controller-manager"
_EVERYBODY: Final = ("G system:unauthenticated", "G system:authenticated")
_LEASES: Final = (("get", "create", "update"), ("coordination.k8s.io",), ("leases",), False)

# name -> nominal shares, lendable percent, (queues, hand size, queue length limit) or nothing: reject
_LIMITED: Final[dict[str, tuple[int, int, tuple[int, int, int] | None]]] = {
    CATCH_ALL: (5, 0, None),
    "system": (30, 33, (64, 6, 50)),
    "node-high": (40, 25, (64, 6, 50)),
    "leader-election": (10, 0, (16, 4, 50)),
    "workload-high": (40, 50, (128, 6, 50)),
    "workload-low": (100, 90, (128, 6, 50)),
    "global-default": (20, 50, (128, 6, 50)),
}

_Rule = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], bool]
_ALL: Final[_Rule] = (("*",), ("*",), ("*",), True)
_Rules = tuple[_Rule | tuple[str, ...], ...]
_EVERYTHING: Final[_Rules] = (_ALL, ("*",))

# name -> level, precedence, distinguisher, subjects (U user, G group, S service account of kube-system),
# rules: (verbs, groups, resources, cluster scope) of resources, or paths
_SCHEMAS: Final[dict[str, tuple[str, int, str, tuple[str, ...], _Rules]]] = {
    "exempt": ("exempt", 1, "", ("G system:masters",), _EVERYTHING),
    "probes": ("exempt", 2, "", _EVERYBODY, (("get", "/healthz", "/readyz", "/livez"),)),
    "system-leader-election": (
        "leader-election",
        100,
        "ByUser",
        (_CONTROLLER_MANAGER, "U system:kube-scheduler", "S *"),
        (_LEASES,),
    ),
    "endpoint-controller": (
        "workload-high",
        150,
        "ByUser",
        (_CONTROLLER_MANAGER, "S endpoint-controller", "S endpointslicemirroring-controller"),
        ((("get", "create", "update"), ("",), ("endpoints",), False),),
    ),
    "workload-leader-election": ("leader-election", 200, "ByUser", ("S *",), (_LEASES,)),
    "system-node-high": (
        "node-high",
        400,
        "ByUser",
        ("G system:nodes",),
        (
            (("*",), ("",), ("nodes", "nodes/status"), True),
            (("*",), ("coordination.k8s.io",), ("leases",), False),
        ),
    ),
    "system-nodes": ("system", 500, "ByUser", ("G system:nodes",), _EVERYTHING),
    "kube-controller-manager": ("workload-high", 800, "ByNamespace", (_CONTROLLER_MANAGER,), _EVERYTHING),
    "kube-scheduler": ("workload-high", 800, "ByNamespace", ("U system:kube-scheduler",), _EVERYTHING),
    "kube-system-service-accounts": ("workload-high", 900, "ByNamespace", ("S *",), _EVERYTHING),
    "service-accounts": ("workload-low", 9000, "ByUser", ("G system:serviceaccounts",), _EVERYTHING),
    "global-default": ("global-default", 9900, "ByUser", _EVERYBODY, _EVERYTHING),
    CATCH_ALL: (CATCH_ALL, 10000, "ByUser", _EVERYBODY, _EVERYTHING),
}


def _subject(text: str) -> Obj:
    kind, name = text.split(" ", 1)
    if kind == "S":
        return {"kind": "ServiceAccount", "serviceAccount": {"namespace": _KUBE_SYSTEM, "name": name}}
    return {"kind": "User", "user": {"name": name}} if kind == "U" else {"kind": "Group", "group": {"name": name}}


def _rules(subjects: tuple[str, ...], rules: _Rules) -> Obj:
    out: Obj = {"subjects": [_subject(text) for text in subjects]}
    for rule in rules:
        if len(rule) == 4 and isinstance(rule[0], tuple):
            verbs, groups, resources, cluster = rule
            made: dict[str, Any] = {"verbs": list(verbs), "apiGroups": list(groups), "resources": list(resources)}
            if cluster:
                made["clusterScope"] = True
            out.setdefault("resourceRules", []).append({**made, "namespaces": ["*"]})
        else:
            verb, *paths = rule
            out["nonResourceRules"] = [{"verbs": [verb], "nonResourceURLs": paths or ["*"]}]
    return out


def _object(kind: str, name: str, spec: Obj) -> Obj:
    metadata = {"name": name, "annotations": {AUTO_UPDATE: "true"}}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _level(name: str) -> Obj:
    if name == "exempt":
        exempt = {"nominalConcurrencyShares": 0, "lendablePercent": 0}
        return _object("PriorityLevelConfiguration", name, {"type": "Exempt", "exempt": exempt})
    shares, lendable, queuing = _LIMITED[name]
    response: Obj = {"type": "Reject"}
    if queuing is not None:
        queues, hand, length = queuing
        response = {"type": "Queue", "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": length}}
    limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
    return _object("PriorityLevelConfiguration", name, {"type": "Limited", "limited": limited})


def _schema(name: str) -> Obj:
    level, precedence, distinguisher, subjects, rules = _SCHEMAS[name]
    spec: Obj = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence}
    if distinguisher:
        spec["distinguisherMethod"] = {"type": distinguisher}
    return _object("FlowSchema", name, {**spec, "rules": [_rules(subjects, rules)]})


def bootstrap_levels() -> dict[str, Obj]:
    """Return the priority levels by name."""
    return {name: _level(name) for name in ("exempt", *_LIMITED)}


def bootstrap_schemas() -> dict[str, Obj]:
    """Return the flow schemas by name."""
    return {name: _schema(name) for name in _SCHEMAS}


def mended(live: Obj, wanted: Obj) -> Obj | None:
    """Return a stored bootstrap object as it is to be, or None when it is to stay.

    Upstream's rule: mandatory objects are ours; a suggested one is ours if its annotation says "true", the user's if
    it says otherwise, and if there is none, ours as long as nobody has changed it (generation 1).
    """
    metadata = live["metadata"]
    said = (metadata.get("annotations") or {}).get(AUTO_UPDATE)
    ours = metadata["name"] in MANDATORY or said == "true"
    if said not in ("true", "false"):
        ours = ours or metadata.get("generation", 1) == 1
    mark = "true" if ours else "false"
    spec: Obj = wanted["spec"] if ours else live.get("spec") or {}
    exempt = (live.get("spec") or {}).get("exempt")
    if ours and exempt is not None and "exempt" in spec:
        spec = {**spec, "exempt": exempt}  # how much the exempt level lends is for users to say
    if said == mark and spec == (live.get("spec") or {}):
        return None
    annotations = {**(metadata.get("annotations") or {}), AUTO_UPDATE: mark}
    return {**live, "metadata": {**metadata, "annotations": annotations}, "spec": spec}
