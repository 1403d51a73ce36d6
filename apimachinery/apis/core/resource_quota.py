"""ResourceQuota."""

from typing import Any

from apimachinery.apis.field_rules import Errors, quantity
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, invalid, not_supported, required
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import parse_quantity


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
_BARE = frozenset(("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "CrossNamespacePodAffinity"))
_BARE_RULE = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
_CONFLICTING = (frozenset(("Terminating", "NotTerminating")), frozenset(("BestEffort", "NotBestEffort")))
_COUNTED = frozenset(
    (
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    )
)
_FITTING = {"BestEffort": frozenset(("pods",))}
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
        errors.extend(_amount(name, amount, here))
    errors.extend(
        not_supported(_SPEC.child("scopes"), scope, _SCOPES)
        for scope in spec.get("scopes") or ()
        if scope not in _SCOPES
    )
    return [*errors, *_scopes(spec)]


def _amount(name: str, amount: Any, here: FieldPath) -> Errors:
    errors = quantity(amount, here)
    counted = name.startswith("count/") or name in _COUNTED
    if not errors and counted and parse_quantity(amount) % 1:
        errors.append(invalid(here, str(amount), "must be an integer"))
    return errors


def _scopes(spec: Obj) -> Errors:
    """What is wrong with scopes that exclude each other, or that don't fit what is limited."""
    errors: Errors = []
    here, scopes = _SPEC.child("scopes"), spec.get("scopes") or []
    for scope in scopes:
        fitting = _FITTING.get(scope)
        if fitting is not None and any(name not in fitting for name in spec.get("hard") or {}):
            errors.append(invalid(here, scopes, "unsupported scope applied to resource"))
    errors.extend(invalid(here, scopes, "conflicting scopes") for pair in _CONFLICTING if pair <= set(scopes))
    where = _SPEC.child("scopeSelector", "matchExpressions")
    for position, row in enumerate((spec.get("scopeSelector") or {}).get("matchExpressions") or ()):
        errors.extend(_expression(row, where.index(position)))
    return errors


def _expression(row: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    scope, operator, values = row.get("scopeName"), row.get("operator"), row.get("values") or []
    if scope not in _SCOPES:
        errors.append(not_supported(here.child("scopeName"), scope, _SCOPES))
    if scope in _BARE and operator != "Exists":
        errors.append(invalid(here.child("operator"), operator, _BARE_RULE))
    if operator in ("In", "NotIn"):
        if not values:
            told = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            errors.append(required(here.child("values"), told))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            told = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            errors.append(invalid(here.child("values"), values, told))
    else:
        errors.append(invalid(here.child("operator"), operator, "not a valid selector operator"))
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
