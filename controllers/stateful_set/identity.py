"""Who a StatefulSet's pod is: its ordinal, its name, the labels, volumes and host name that follow (pure)."""

import re

from apimachinery.objects.metadata import Obj, labels, metadata, name, namespace
from apimachinery.objects.owner_references import new_controller_ref
from controllers.controller_revision import POD_HASH

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
_NUMBERED = re.compile(r"^(.*)-([0-9]+)$", re.DOTALL)


def parent_and_ordinal(pod_name: str) -> tuple[str, int]:
    """The set's name and the ordinal in a pod's name; ("", -1) where it is not of that form."""
    found = _NUMBERED.match(pod_name)
    return (found[1], int(found[2])) if found else ("", -1)


def ordinal(pod: Obj) -> int:
    """A pod's ordinal, or -1."""
    return parent_and_ordinal(name(pod))[1]


def is_member(live: Obj, pod: Obj) -> bool:
    """Whether a pod's name is one that the set gives."""
    return parent_and_ordinal(name(pod))[0] == name(live)


def start(live: Obj) -> int:
    """The first ordinal."""
    return int((live["spec"].get("ordinals") or {}).get("start") or 0)


def replicas(live: Obj) -> int:
    """How many pods are wanted."""
    return int(live["spec"].get("replicas", 1))


def ordinals(live: Obj) -> range:
    """The ordinals that are wanted."""
    return range(start(live), start(live) + replicas(live))


def pod_name(live: Obj, number: int) -> str:
    """The name of the pod with an ordinal."""
    return f"{name(live)}-{number}"


def revision_of(pod: Obj) -> str:
    """The name of the revision that a pod was made from."""
    return labels(pod).get(POD_HASH, "")


def claim_names(live: Obj, number: int) -> dict[str, str]:
    """Names of the claims of one ordinal, by their templates' names."""
    templates = live["spec"].get("volumeClaimTemplates") or ()
    return {name(one): f"{name(one)}-{pod_name(live, number)}" for one in templates}


def identity_labels(live: Obj, number: int) -> dict[str, str]:
    """The labels that tell one pod from its siblings."""
    return {POD_NAME: pod_name(live, number), POD_INDEX: str(number)}


def volumes(live: Obj, number: int, given: list[Obj]) -> list[Obj]:
    """A pod's volumes: those of the claim templates, in place of given ones of the same name."""
    names = claim_names(live, number)
    claimed = [
        {"name": volume, "persistentVolumeClaim": {"claimName": claim_name}} for volume, claim_name in names.items()
    ]
    return [*claimed, *(one for one in given if one.get("name") not in names)]


def new_pod(live: Obj, number: int, revision: str) -> Obj:
    """The pod with an ordinal.

    Args:
        live: The set at the revision; has apiVersion and kind.
        number: The ordinal.
        revision: The revision's name.
    """
    template = live["spec"]["template"]
    meta = template.get("metadata") or {}
    kept = {key: value for key, value in meta.items() if key in ("annotations", "finalizers") and value}
    spec = {**(template.get("spec") or {}), "hostname": pod_name(live, number)}
    if live["spec"].get("serviceName"):
        spec["subdomain"] = live["spec"]["serviceName"]
    mounted = volumes(live, number, spec.get("volumes") or [])
    if mounted:
        spec["volumes"] = mounted
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **kept,
            "name": pod_name(live, number),
            "namespace": namespace(live),
            "labels": {**(meta.get("labels") or {}), **identity_labels(live, number), POD_HASH: revision},
            "ownerReferences": [new_controller_ref(live, live["apiVersion"], live["kind"])],
        },
        "spec": spec,
    }


def missing_labels(live: Obj, pod: Obj) -> dict[str, str]:
    """Labels of its identity that a pod (an adopted one, say) lacks."""
    has = metadata(pod).get("labels") or {}
    return {key: value for key, value in identity_labels(live, ordinal(pod)).items() if has.get(key) != value}
