"""APIService."""

from apimachinery.apis.field_rules import Errors
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in an APIService, in place."""
    service = obj.setdefault("spec", {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
    obj.setdefault("status", {})


_SPEC = FieldPath("spec")
_MOST_GROUP_PRIORITY, _MOST_VERSION_PRIORITY = 20000, 1000


def validate(obj: Obj) -> Errors:
    """What is wrong with an APIService."""
    spec = obj.get("spec") or {}
    name = (obj.get("metadata") or {}).get("name") or ""
    group, version = spec.get("group") or "", spec.get("version") or ""
    errors: Errors = []
    if name != f"{version}.{group}":
        told = f'must be `spec.version+"."+spec.group`: "{version}.{group}"'
        errors.append(invalid(FieldPath("metadata.name"), name, told))
    if not version:
        errors.append(required(_SPEC.child("version")))
    for field, most in (
        ("groupPriorityMinimum", _MOST_GROUP_PRIORITY),
        ("versionPriority", _MOST_VERSION_PRIORITY),
    ):
        if not 0 < (spec.get(field) or 0) <= most:
            told = f"must be positive and less than {most}"
            errors.append(invalid(_SPEC.child(field), spec.get(field) or 0, told))
    service = spec.get("service")
    if service is None:
        return errors
    errors.extend(required(_SPEC.child("service", field)) for field in ("namespace", "name") if not service.get(field))
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        told = "may not be true if caBundle is present"
        errors.append(invalid(_SPEC.child("insecureSkipTLSVerify"), spec["insecureSkipTLSVerify"], told))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with an APIService that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)
