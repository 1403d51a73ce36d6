"""Pods: status is the kubelet's, deletion waits for it, and only a few subresources may touch the spec."""

from __future__ import annotations

from dataclasses import replace

from apimachinery.apis.core.pod import validate_ephemeral_update, validate_resize
from apimachinery.objects.field_path import FieldError
from apimachinery.objects.metadata import Obj
from apimachinery.objects.pods import qos_class
from apiserver.registry import generic
from apiserver.registry.strategy import Call, Strategy, Subresource

_DEFAULT_GRACE = 30


def _create(obj: Obj, call: Call) -> None:
    del call
    obj["metadata"]["generation"] = 1
    spec = obj.setdefault("spec", {})
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj)}
    if spec.get("schedulingGates"):
        condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
        obj["status"]["conditions"] = [
            {**condition, "message": "Scheduling is blocked due to non-empty scheduling gates"}
        ]


def _update(new: Obj, old: Obj, call: Call) -> None:
    generic.keep_status(new, old, call)
    generic.raise_generation(new, old)


def _status(new: Obj, old: Obj, call: Call) -> None:
    generic.only_status(new, old, call)
    status = new.get("status")
    before = old.get("status") or {}
    if isinstance(status, dict):
        if before.get("qosClass"):
            status["qosClass"] = before["qosClass"]
        _settle_addresses(status)


def _settle_addresses(status: Obj) -> None:
    """The one address is the first of all; where they contradict each other, the one counts."""
    address, addresses = status.get("podIP"), status.get("podIPs") or []
    if address and (not addresses or addresses[0].get("ip") != address):
        status["podIPs"] = [{"ip": address}]
    elif addresses and not address:
        status["podIP"] = addresses[0].get("ip")


def _ephemeral_containers(new: Obj, old: Obj, call: Call) -> None:
    """Take over only the ephemeral containers."""
    del call
    added = (new.get("spec") or {}).get("ephemeralContainers")
    new["spec"] = {key: value for key, value in old["spec"].items() if key != "ephemeralContainers"}
    if added:
        new["spec"]["ephemeralContainers"] = added
    _as_before(new, old)
    generic.raise_generation(new, old)


def _bound(new: Obj, old: Obj, call: Call) -> None:
    """A binding changes spec.nodeName and conditions, which `pod_binding` has done; it is no new generation."""
    del call
    generation = old["metadata"].get("generation")
    if generation is not None:
        new["metadata"]["generation"] = generation


def _as_before(new: Obj, old: Obj) -> None:
    new["status"] = old.get("status") or {}
    for key in ("labels", "annotations", "ownerReferences", "finalizers"):
        if key in old["metadata"]:
            new["metadata"][key] = old["metadata"][key]
        else:
            new["metadata"].pop(key, None)


def _resize(new: Obj, old: Obj, call: Call) -> None:
    """Take over only the resources (and resize policies) of containers that are there."""
    del call
    spec = dict(old["spec"])
    for kind in ("containers", "initContainers"):
        wanted = {one.get("name"): one for one in (new.get("spec") or {}).get(kind) or []}
        if kind in spec:
            spec[kind] = [_resized(one, wanted.get(one["name"])) for one in spec[kind]]
    wanted_resources = (new.get("spec") or {}).get("resources")
    if wanted_resources is not None and "resources" in spec:
        spec["resources"] = wanted_resources
    new["spec"] = spec
    _as_before(new, old)
    generic.raise_generation(new, old)


def _resized(container: Obj, wanted: Obj | None) -> Obj:
    if wanted is None:
        return container
    result = dict(container)
    for key in ("resources", "resizePolicy"):
        if key in wanted:
            result[key] = wanted[key]
    return result


def _grace(obj: Obj, call: Call) -> int | None:
    """Return how long the kubelet may take: nothing for a pod no kubelet has, or that is over."""
    period = call.options.get("gracePeriodSeconds")
    if period is None:
        period = (obj.get("spec") or {}).get("terminationGracePeriodSeconds")
        period = _DEFAULT_GRACE if period is None else period
    if not (obj.get("spec") or {}).get("nodeName"):
        return 0
    if (obj.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        return 0
    return 1 if period < 0 else int(period)


def _fields(obj: Obj) -> dict[str, str]:
    metadata, spec, status = obj.get("metadata") or {}, obj.get("spec") or {}, obj.get("status") or {}
    return {
        "metadata.name": metadata.get("name", ""),
        "metadata.namespace": metadata.get("namespace", ""),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.restartPolicy": spec.get("restartPolicy", ""),
        "spec.schedulerName": spec.get("schedulerName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": status.get("phase", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.nominatedNodeName": status.get("nominatedNodeName", ""),
    }


def strategy(base: Strategy) -> Strategy:
    """Return the strategy of pods."""
    return replace(
        base,
        prepare_create=_create,
        prepare_update=_update,
        selectable_fields=_fields,
        field_names=frozenset(_fields({})),
        grace=_grace,
        subresources={
            "status": Subresource(prepare=_status),
            "ephemeralcontainers": Subresource(prepare=_ephemeral_containers, validate=_ephemeral_errors),
            "binding": Subresource(prepare=_bound, validate=_no_checks),
            "resize": Subresource(prepare=_resize, validate=_resize_errors),
        },
    )


def _no_checks(new: Obj, old: Obj, call: Call) -> list[FieldError]:  # what may change is decided by the preparation
    del new, old, call
    return []


def _ephemeral_errors(new: Obj, old: Obj, call: Call) -> list[FieldError]:
    del call
    return validate_ephemeral_update(new, old)


def _resize_errors(new: Obj, old: Obj, call: Call) -> list[FieldError]:
    del call
    return validate_resize(new, old)
