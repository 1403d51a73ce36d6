"""Revisions of a Deployment: which ReplicaSet is new, which are old, how they are named and numbered."""

import hashlib
import json

from apimachinery.objects.metadata import Obj, annotations, labels, metadata, name, namespace, number_in
from apimachinery.objects.names import safe_encode
from apimachinery.objects.owner_references import new_controller_ref

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX = "deployment.kubernetes.io/max-replicas"
HASH = "pod-template-hash"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_OURS = {REVISION, REVISION_HISTORY, DESIRED, MAX, _LAST_APPLIED}


def template_hash(template: Obj, collisions: int = 0) -> str:
    """A short hash of a pod template, stable for equal templates."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":")) + (str(collisions) if collisions else "")
    return safe_encode(str(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")))


def without_hash(template: Obj) -> Obj:
    """A template as the Deployment has it, without the label that tells revisions apart."""
    meta = dict(template.get("metadata") or {})
    kept = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    meta.pop("labels", None)
    meta.pop("creationTimestamp", None)
    if kept:
        meta["labels"] = kept
    return {**template, "metadata": meta}


def revision(obj: Obj) -> int:
    """The number of an object's revision; 0 where it has none."""
    return number_in(obj, REVISION)


def find_new(deployment: Obj, sets: list[Obj]) -> Obj | None:
    """The oldest ReplicaSet with the Deployment's present template, or None."""
    wanted = without_hash(deployment["spec"]["template"])
    same = [one for one in sets if without_hash(one["spec"]["template"]) == wanted]
    return min(same, key=_age, default=None)


def _age(obj: Obj) -> tuple[str, str]:
    return (metadata(obj).get("creationTimestamp") or "", name(obj))


def oldest_first(sets: list[Obj]) -> list[Obj]:
    """ReplicaSets by age."""
    return sorted(sets, key=_age)


def new_replica_set(deployment: Obj, number: int, replicas: int, most: int) -> Obj:
    """The ReplicaSet of the present template."""
    template = deployment["spec"]["template"]
    digest = template_hash(template, (deployment.get("status") or {}).get("collisionCount") or 0)
    meta = {
        **(template.get("metadata") or {}),
        "labels": {**((template.get("metadata") or {}).get("labels") or {}), HASH: digest},
    }
    selector = deployment["spec"].get("selector") or {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name(deployment)}-{digest}",
            "namespace": namespace(deployment),
            "labels": dict(meta["labels"]),
            "annotations": {**inherited(deployment), REVISION: str(number), **sizes(deployment, most)},
            "ownerReferences": [new_controller_ref(deployment, "apps/v1", "Deployment")],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": deployment["spec"].get("minReadySeconds") or 0,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH: digest}},
            "template": {**template, "metadata": meta},
        },
    }


def inherited(deployment: Obj) -> dict[str, str]:
    """The annotations that a ReplicaSet takes over from its Deployment."""
    return {key: value for key, value in annotations(deployment).items() if key not in _OURS}


def sizes(deployment: Obj, most: int) -> dict[str, str]:
    """The annotations that proportional scaling needs."""
    return {DESIRED: str(deployment["spec"].get("replicas", 1)), MAX: str(most)}


def hash_label(obj: Obj) -> str:
    """The value of a ReplicaSet's hash label."""
    return labels(obj).get(HASH, "")
