"""On which nodes a DaemonSet's pods belong: node selector, affinity and taints (pure).

The scheduler binds the pods; each is bound to its node in advance by an affinity to the node's name.
"""

from dataclasses import dataclass

from apimachinery.objects.metadata import Obj, labels, name
from apimachinery.objects.selectors import from_label_selector
from apimachinery.objects.taints import first_untolerated

_NODE_NAME = "metadata.name"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_TOLERATED_ON_HOST_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")


@dataclass(frozen=True, slots=True)
class Placement:
    """Whether a node is for a daemon.

    Attributes:
        run: A pod should be made there.
        stay: A pod that is there already may go on.
    """

    run: bool
    stay: bool


def tolerations(spec: Obj) -> list[Obj]:
    """A daemon pod's tolerations: those of its spec and of all troubles of nodes that daemons are to outlive."""
    added = [*_TOLERATED, *([_TOLERATED_ON_HOST_NETWORK] if spec.get("hostNetwork") else [])]
    ours = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in added]
    kept = [one for one in spec.get("tolerations") or () if _identity(one) not in {_identity(own) for own in ours}]
    return [*kept, *ours]


def _identity(toleration: Obj) -> tuple[str, ...]:
    return tuple(toleration.get(field) or "" for field in ("key", "effect", "operator", "value"))


def node_affinity(affinity: Obj | None, node_name: str) -> Obj:
    """An affinity that requires one node, and nothing else of nodes; the rest of it stays."""
    term = {"matchFields": [{"key": _NODE_NAME, "operator": "In", "values": [node_name]}]}
    of_nodes = {**((affinity or {}).get("nodeAffinity") or {}), _REQUIRED: {"nodeSelectorTerms": [term]}}
    return {**(affinity or {}), "nodeAffinity": of_nodes}


def target_node(pod: Obj) -> str:
    """The node that a daemon pod runs on, or is to run on; empty where it names none."""
    spec = pod.get("spec") or {}
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for row in term.get("matchFields") or ():
            if row.get("key") == _NODE_NAME and row.get("operator") == "In" and len(row.get("values") or ()) == 1:
                return str(row["values"][0])
    return ""


def place(template: Obj, node: Obj) -> Placement:
    """Whether a node is for the pods of a template.

    Args:
        template: The PodTemplateSpec.
        node: The node.
    """
    spec = template.get("spec") or {}
    if spec.get("nodeName") not in (None, "", name(node)) or not _selects(spec, node):
        return Placement(run=False, stay=False)
    taints, tolerated = (node.get("spec") or {}).get("taints") or (), tolerations(spec)
    if first_untolerated(taints, tolerated, ("NoSchedule", "NoExecute")) is None:
        return Placement(run=True, stay=True)
    return Placement(run=False, stay=first_untolerated(taints, tolerated, ("NoExecute",)) is None)


def _selects(spec: Obj, node: Obj) -> bool:
    shown = labels(node)
    if any(shown.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED)
    return required is None or any(_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def _term(term: Obj, node: Obj) -> bool:
    by_label, by_field = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not by_label and not by_field:
        return False
    return from_label_selector({"matchExpressions": by_label}).matches(labels(node)) and from_label_selector(
        {"matchExpressions": by_field}
    ).matches({_NODE_NAME: name(node)})
