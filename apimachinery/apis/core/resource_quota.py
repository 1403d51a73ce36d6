"""ResourceQuota."""

from apimachinery.apis.field_rules import Errors, quantity
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, invalid, not_supported
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a ResourceQuota, in place."""
    obj.setdefault("spec", {})
    obj.setdefault("status", {})


_SPEC = FieldPath("spec")
_SCOPES = (
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
)
_PLAIN = frozenset(
    [
        "cpu",
        "memory",
        "ephemeral-storage",
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "storage",
        "persistentvolumeclaims",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "services.nodeports",
        "services.loadbalancers",
    ]
)


def validate(obj: Obj) -> Errors:
    """What is wrong with a ResourceQuota."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    for name, amount in (spec.get("hard") or {}).items():
        here = _SPEC.child("hard").key(name)
        errors.extend(invalid(here, name, problem) for problem in names.qualified_name_problems(name))
        if "/" not in name and name not in _PLAIN and "hugepages-" not in name:
            errors.append(invalid(here, name, "must be a standard resource for quota"))
        errors.extend(quantity(amount, here))
    errors.extend(
        not_supported(_SPEC.child("scopes"), scope, _SCOPES)
        for scope in spec.get("scopes") or ()
        if scope not in _SCOPES
    )
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a ResourceQuota that replaces another."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if after == before:
        return []
    errors = validate(new)
    if sorted(after.get("scopes") or ()) != sorted(before.get("scopes") or ()):
        errors.append(invalid(_SPEC.child("scopes"), after.get("scopes"), "field is immutable"))
    return errors
