"""VolumeBinding: a pod goes where its claims' volumes can be.

Bound claims restrict nodes by their volume's node affinity. Unbound claims of a
`WaitForFirstConsumer` class are matched with an existing volume or left to the
provisioner, once a node is chosen: `plan` says what has to be written, and
`scheduler.binding` writes it before the pod is bound. Unbound claims of an
`Immediate` class keep the pod waiting.
"""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apimachinery.objects import quantity, selectors
from scheduler.framework import SKIP, Plugin, Rejection
from scheduler.node_selector import compile_selector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apimachinery.objects.metadata import Obj
    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

NAME = "VolumeBinding"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
_BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
_UNBOUND = Rejection(NAME, ("pod has unbound immediate PersistentVolumeClaims",), resolvable=False)
_CONFLICT = Rejection(NAME, ("node(s) didn't match PersistentVolume's node affinity",), resolvable=False)
_NO_VOLUME = Rejection(NAME, ("node(s) didn't find available persistent volumes to bind",), resolvable=False)
_LOST_REASON = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
_LOST = Rejection(NAME, (_LOST_REASON,), resolvable=False)


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """What must be written before the pod is bound to its node.

    Attributes:
        bindings: volumes to be reserved, each for a claim.
        provisions: claims for which a provisioner shall make a volume on the node.
    """

    bindings: tuple[tuple[Obj, Obj], ...] = ()
    provisions: tuple[Obj, ...] = ()


@dataclass(slots=True)
class _Claims:
    bound: list[Obj] = field(default_factory=list)
    delayed: list[Obj] = field(default_factory=list)


class VolumeBinding(Plugin):
    """Filters by where volumes are or could be."""

    name = NAME

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> object:
        """Sorts the pod's claims; a missing, lost or unbound immediate one stops the pod."""
        if not pod.claims:
            return SKIP
        claims = _Claims()
        for name in pod.claims:
            claim = snapshot.get("persistentvolumeclaims", f"{pod.namespace}/{name}")
            if claim is None:
                return Rejection(NAME, (f'persistentvolumeclaim "{name}" not found',), resolvable=False)
            if problem := _claim_problem(name, claim):
                return problem
            if _is_bound(claim):
                claims.bound.append(claim)
            elif _is_delayed(claim, snapshot):
                claims.delayed.append(claim)
            else:
                return _UNBOUND
        return claims

    def filter(self, state: Any, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """Bound volumes must be reachable from the node, delayed claims satisfiable on it."""
        for claim in state.bound:
            volume = snapshot.get("persistentvolumes", claim["spec"]["volumeName"])
            if volume is None:
                return _LOST
            if not _reachable(volume, node):
                return _CONFLICT
        return None if plan(state.delayed, node, snapshot) is not None else _NO_VOLUME

    def reserve(self, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> VolumePlan:
        """What to write for the chosen node; empty for nearly every pod."""
        state = self.pre_filter(pod, snapshot)
        if not isinstance(state, _Claims) or not state.delayed:
            return VolumePlan()
        return plan(state.delayed, node, snapshot) or VolumePlan()


def plan(delayed: list[Obj], node: NodeInfo, snapshot: Snapshot) -> VolumePlan | None:
    """Finds a volume or a provisioner for each claim; None when one has neither.

    The smallest volume that fits is taken, small claims first, as upstream does.
    """
    bindings: list[tuple[Obj, Obj]] = []
    provisions: list[Obj] = []
    taken: set[str] = set()
    for claim in sorted(delayed, key=_requested):
        selected = (claim["metadata"].get("annotations") or {}).get("volume.kubernetes.io/selected-node")
        if selected:
            if selected != node.name:
                return None
            provisions.append(claim)
            continue
        fitting = [v for v in _candidates(claim, node, snapshot) if v["metadata"]["name"] not in taken]
        if fitting:
            volume = min(fitting, key=_capacity)
            taken.add(volume["metadata"]["name"])
            bindings.append((volume, claim))
        elif _can_provision(claim, node, snapshot):
            provisions.append(claim)
        else:
            return None
    return VolumePlan(tuple(bindings), tuple(provisions))


def _claim_problem(name: str, claim: Obj) -> Rejection | None:
    if claim["metadata"].get("deletionTimestamp"):
        return Rejection(NAME, (f'persistentvolumeclaim "{name}" is being deleted',), resolvable=False)
    if (claim.get("status") or {}).get("phase") == "Lost":
        volume = claim["spec"].get("volumeName", "")
        reason = f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume}"'
        return Rejection(NAME, (reason,), resolvable=False)
    return None


def _is_bound(claim: Obj) -> bool:
    annotations = claim["metadata"].get("annotations") or {}
    return bool(claim["spec"].get("volumeName")) and _BIND_COMPLETED in annotations


def _storage_class(claim: Obj) -> str:
    annotations = claim["metadata"].get("annotations") or {}
    return str(
        annotations.get("volume.beta.kubernetes.io/storage-class") or claim["spec"].get("storageClassName") or ""
    )


def _is_delayed(claim: Obj, snapshot: Snapshot) -> bool:
    storage_class = snapshot.get("storageclasses", _storage_class(claim))
    return storage_class is not None and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"


def _requested(claim: Obj) -> int:
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return quantity.int_value(requests.get("storage", "0"))


def _capacity(volume: Obj) -> int:
    return quantity.int_value((volume["spec"].get("capacity") or {}).get("storage", "0"))


def _reachable(volume: Obj, node: NodeInfo) -> bool:
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    return required is None or compile_selector(required).matches(node.labels, node.name)


def _candidates(claim: Obj, node: NodeInfo, snapshot: Snapshot) -> Iterator[Obj]:
    """Free volumes (or ones reserved for this claim) that satisfy it on this node."""
    spec, meta = claim["spec"], claim["metadata"]
    selector = selectors.from_label_selector(spec["selector"]) if spec.get("selector") else None
    for volume in snapshot.list("persistentvolumes"):
        volume_spec = volume["spec"]
        reference = volume_spec.get("claimRef")
        if reference and not (
            reference.get("name") == meta["name"]
            and reference.get("namespace") == meta["namespace"]
            and reference.get("uid") in (None, "", meta.get("uid"))
        ):
            continue
        if (
            (volume_spec.get("storageClassName") or "") == _storage_class(claim)
            and (volume_spec.get("volumeMode") or "Filesystem") == (spec.get("volumeMode") or "Filesystem")
            and set(spec.get("accessModes") or ()) <= set(volume_spec.get("accessModes") or ())
            and (reference or (volume.get("status") or {}).get("phase") in (None, "Available", "Pending"))
            and not volume["metadata"].get("deletionTimestamp")
            and _capacity(volume) >= _requested(claim)
            and (selector is None or selector.matches(volume["metadata"].get("labels") or {}))
            and _reachable(volume, node)
        ):
            yield volume


def _can_provision(claim: Obj, node: NodeInfo, snapshot: Snapshot) -> bool:
    storage_class = snapshot.get("storageclasses", _storage_class(claim))
    if storage_class is None or claim["spec"].get("selector"):
        return False
    if storage_class.get("provisioner", NO_PROVISIONER) == NO_PROVISIONER:
        return False
    topologies = storage_class.get("allowedTopologies") or ()
    return not topologies or any(
        all(node.labels.get(e["key"]) in (e.get("values") or ()) for e in term.get("matchLabelExpressions") or ())
        for term in topologies
    )
