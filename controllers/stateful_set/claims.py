"""The claims of a StatefulSet's pods: made from templates, kept or deleted as the retention policy says (pure)."""

from apimachinery.objects.metadata import Obj, is_deleting, name, namespace, uid
from apimachinery.objects.owner_references import controller_of, new_controller_ref, owners
from controllers.stateful_set.identity import claim_names, ordinal, ordinals


def new_claim(live: Obj, template: Obj, number: int) -> Obj:
    """The claim of one ordinal from one template; the set's selector labels are added.

    Args:
        live: The set.
        template: One of its volumeClaimTemplates.
        number: The ordinal.
    """
    meta = template.get("metadata") or {}
    kept = {key: value for key, value in meta.items() if key in ("annotations", "finalizers") and value}
    selected = (live["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            **kept,
            "name": claim_names(live, number)[name(template)],
            "namespace": namespace(live),
            "labels": {**(meta.get("labels") or {}), **selected},
        },
        "spec": template.get("spec") or {},
    }


def _policy(live: Obj, when: str) -> bool:
    return bool((live["spec"].get("persistentVolumeClaimRetentionPolicy") or {}).get(when) == "Delete")


def wanted_owner(live: Obj, pod: Obj) -> Obj | None:
    """Who must take the claims of a pod along when it goes: the set, the pod (when it is scaled away), or nobody."""
    if _policy(live, "whenScaled") and ordinal(pod) not in ordinals(live):
        return new_controller_ref(pod, "v1", "Pod") if uid(pod) else None
    if _policy(live, "whenDeleted"):
        return new_controller_ref(live, live["apiVersion"], live["kind"])
    return None


def owner_references(live: Obj, pod: Obj, claim: Obj) -> list[Obj]:
    """The owner references that a claim should have; those of others stay.

    Args:
        live: The set.
        pod: The pod with the claim's ordinal; lacks a uid while it is not made.
        claim: The claim.
    """
    ours = {uid(live), uid(pod)} - {""}
    others = [one for one in owners(claim) if one.get("uid") not in ours]
    owner = wanted_owner(live, pod)
    foreign = any(one.get("controller") for one in others)
    return [*others, owner] if owner is not None and not foreign else others


def is_stale(claim: Obj, pod_name: str, live_pod_uid: str) -> bool:
    """Whether a claim goes with an earlier pod of the same name: a new pod must wait until it has gone."""
    if is_deleting(claim):
        return True
    reference = controller_of(claim)
    return (
        reference is not None
        and reference.get("kind") == "Pod"
        and reference.get("name") == pod_name
        and reference.get("uid") != live_pod_uid
    )
