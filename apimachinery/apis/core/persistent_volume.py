"""PersistentVolume."""

from apimachinery.apis.core import pod_scheduling, volume
from apimachinery.apis.field_rules import Errors, obeys, one_of, optional_one_of, positive_quantity
from apimachinery.apis.object_meta import IMMUTABLE
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, not_supported, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a PersistentVolume, in place."""
    spec = obj.setdefault("spec", {})
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    spec.setdefault("volumeMode", "Filesystem")
    for field in ("hostPath", "iscsi", "rbd", "azureDisk"):
        if field in spec:
            volume.apply_defaults({field: spec[field]})
    if not obj.setdefault("status", {}).get("phase"):
        obj["status"]["phase"] = "Pending"


_SPEC = FieldPath("spec")
MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_NOT_SOURCES = frozenset(
    (
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    )
)


def access_modes(modes: list[str], path: FieldPath) -> Errors:
    """What is wrong with access modes."""
    if not modes:
        return [required(path)]
    errors = [not_supported(path, mode, MODES) for mode in modes if mode not in MODES]
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        errors.append(forbidden(path, "may not use ReadWriteOncePod with other access modes"))
    return errors


def _sources(spec: Obj) -> Obj:
    return {field: value for field, value in spec.items() if field not in _NOT_SOURCES}


def validate(obj: Obj) -> Errors:
    """What is wrong with a PersistentVolume."""
    spec = obj.get("spec") or {}
    errors = access_modes(spec.get("accessModes") or [], _SPEC.child("accessModes"))
    capacity = spec.get("capacity") or {}
    if not capacity:
        errors.append(required(_SPEC.child("capacity")))
    elif set(capacity) != {"storage"}:
        errors.append(not_supported(_SPEC.child("capacity"), capacity, ("storage",)))
    else:
        errors.extend(positive_quantity(capacity["storage"], _SPEC.child("capacity").key("storage")))
    errors.extend(
        one_of(
            spec.get("persistentVolumeReclaimPolicy"),
            _SPEC.child("persistentVolumeReclaimPolicy"),
            ("Delete", "Recycle", "Retain"),
        )
    )
    errors.extend(optional_one_of(spec.get("volumeMode"), _SPEC.child("volumeMode"), ("Block", "Filesystem")))
    given = list(_sources(spec))
    if not given:
        errors.append(required(_SPEC, "must specify a volume type"))
    errors.extend(forbidden(_SPEC.child(kind), "may not specify more than 1 volume type") for kind in given[1:])
    for kind in given:
        errors.extend(volume.validate_source(kind, spec[kind], _SPEC.child(kind)))
    if "csi" in spec and not spec["csi"].get("volumeHandle"):
        errors.append(required(_SPEC.child("csi", "volumeHandle")))
    if (spec.get("hostPath") or {}).get("path") == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        told = "may not be 'recycle' for a hostPath mount of '/'"
        errors.append(forbidden(_SPEC.child("persistentVolumeReclaimPolicy"), told))
    errors.extend(
        obeys(spec.get("storageClassName"), _SPEC.child("storageClassName"), names.dns1123_subdomain_problems)
    )
    needed = (spec.get("nodeAffinity") or {}).get("required")
    if spec.get("nodeAffinity") and needed is None:
        errors.append(required(_SPEC.child("nodeAffinity", "required"), "must specify required node constraints"))
    elif needed is not None:
        terms, here = needed.get("nodeSelectorTerms"), _SPEC.child("nodeAffinity", "required", "nodeSelectorTerms")
        if not terms:
            errors.append(required(here, "must have at least one node selector term"))
        errors.extend(pod_scheduling.validate_node_terms(terms, here))
    if "local" in spec:
        if not spec["local"].get("path"):
            errors.append(required(_SPEC.child("local", "path")))
        if not spec.get("nodeAffinity"):
            errors.append(required(_SPEC.child("nodeAffinity"), "Local volume requires node affinity"))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a PersistentVolume that replaces another: its source stays."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if after == before:
        return []
    errors = validate(new)
    if _sources(after) != _sources(before):
        told = "spec.persistentvolumesource is immutable after creation"
        errors.append(forbidden(_SPEC.child("persistentvolumesource"), told))
    if after.get("volumeMode") != before.get("volumeMode"):
        errors.append(invalid(FieldPath("volumeMode"), after.get("volumeMode"), IMMUTABLE))
    if before.get("nodeAffinity") and after.get("nodeAffinity") != before["nodeAffinity"]:
        errors.append(invalid(FieldPath("nodeAffinity"), after.get("nodeAffinity"), IMMUTABLE))
    return errors


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a PersistentVolume."""
    if (obj.get("spec") or {}).get("persistentVolumeReclaimPolicy") != "Recycle":
        return []
    told = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
    return [f"spec.persistentVolumeReclaimPolicy: {told}"]
