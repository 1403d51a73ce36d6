"""PersistentVolumeClaim."""

from apimachinery.apis.core.persistent_volume import access_modes
from apimachinery.apis.field_rules import Errors, label_selector, obeys, optional_one_of, positive_quantity
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, required
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import QuantityError, parse_quantity


def apply_spec_defaults(spec: Obj) -> None:
    """Fill in a claim's specification, in place."""
    spec.setdefault("volumeMode", "Filesystem")
    spec.setdefault("resources", {})
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source and not reference:
        spec["dataSourceRef"] = dict(source)
    elif reference and not source and not reference.get("namespace"):
        spec["dataSource"] = {key: value for key, value in reference.items() if key != "namespace"}


def apply_defaults(obj: Obj) -> None:
    """Fill in a PersistentVolumeClaim, in place."""
    apply_spec_defaults(obj.setdefault("spec", {}))
    if not obj.setdefault("status", {}).get("phase"):
        obj["status"]["phase"] = "Pending"


_SPEC = FieldPath("spec")
_CLASS = "volume.beta.kubernetes.io/storage-class"
_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def validate_spec(spec: Obj, path: FieldPath = _SPEC) -> Errors:
    """What is wrong with a claim's specification."""
    errors = access_modes(spec.get("accessModes") or [], path.child("accessModes"))
    errors.extend(label_selector(spec.get("selector"), path.child("selector")))
    here = path.child("resources").key("storage")
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None:
        errors.append(required(here))
    else:
        errors.extend(positive_quantity(size, here))
    errors.extend(obeys(spec.get("storageClassName"), path.child("storageClassName"), names.dns1123_subdomain_problems))
    errors.extend(optional_one_of(spec.get("volumeMode"), path.child("volumeMode"), ("Block", "Filesystem")))
    attributes = spec.get("volumeAttributesClassName")
    errors.extend(obeys(attributes, path.child("volumeAttributesClassName"), names.dns1123_subdomain_problems))
    for field in ("dataSource", "dataSourceRef"):
        if spec.get(field) is not None:
            errors.extend(_source(spec[field], path.child(field)))
    return errors


def _source(source: Obj, path: FieldPath) -> Errors:
    errors: Errors = [required(path.child(field)) for field in ("name", "kind") if not source.get(field)]
    if not source.get("apiGroup") and source.get("kind") != "PersistentVolumeClaim":
        told = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        errors.append(invalid(path, source.get("kind") or "", told))
    return errors


def validate(obj: Obj) -> Errors:
    """What is wrong with a PersistentVolumeClaim."""
    return validate_spec(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a claim that replaces another: it may be bound, grow, and get a class."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if after == before:
        return []
    errors = validate(new)
    allowed = dict(after)
    if not before.get("volumeName"):
        allowed.pop("volumeName", None)
    if before.get("storageClassName") is None:
        allowed.pop("storageClassName", None)
    bound = (old.get("status") or {}).get("phase") == "Bound"
    if bound:
        allowed["resources"] = before.get("resources")
        allowed.pop("volumeAttributesClassName", None)
        before = {key: value for key, value in before.items() if key != "volumeAttributesClassName"}
    if allowed != before:
        errors.append(forbidden(_SPEC, _FIXED))
    elif bound:
        errors.extend(_shrunk(new, old))
    return errors


def _shrunk(new: Obj, old: Obj) -> Errors:
    wanted = ((new["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    had = ((old["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    try:
        smaller = wanted is not None and had is not None and parse_quantity(wanted) < parse_quantity(had)
    except QuantityError:
        return []
    here = _SPEC.child("resources", "requests", "storage")
    return [forbidden(here, "field can not be less than previous value")] if smaller else []


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a claim."""
    if _CLASS not in ((obj.get("metadata") or {}).get("annotations") or {}):
        return []
    here = FieldPath("metadata.annotations").key(_CLASS)
    return [f'{here}: deprecated since v1.8; use "storageClassName" attribute instead']
