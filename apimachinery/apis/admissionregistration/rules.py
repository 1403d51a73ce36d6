"""What webhooks and policies are for: rules, selectors, match conditions."""

from apimachinery.apis.field_rules import Errors, label_selector, one_of
from apimachinery.objects.field_path import FieldPath, duplicate, invalid, not_supported, required, too_many
from apimachinery.objects.metadata import Obj

_OPERATIONS = ("*", "CREATE", "UPDATE", "DELETE", "CONNECT")
_MOST_CONDITIONS = 64


def rule_problems(rule: Obj, here: FieldPath) -> Errors:
    """What is wrong with one rule."""
    errors: Errors = []
    operations = rule.get("operations") or []
    if not operations:
        errors.append(required(here.child("operations")))
    errors.extend(
        not_supported(here.child("operations").index(position), one, _OPERATIONS)
        for position, one in enumerate(operations)
        if one not in _OPERATIONS
    )
    errors.extend(
        required(here.child(field)) for field in ("apiGroups", "apiVersions", "resources") if not rule.get(field)
    )
    for field in ("operations", "apiGroups", "apiVersions"):
        values = rule.get(field) or ()
        if "*" in values and len(values) > 1:
            told = f"if '*' is present, must not specify other {'operations' if field == 'operations' else 'values'}"
            errors.append(invalid(here.child(field), values, told))
    return errors


def selector_problems(match: Obj, here: FieldPath) -> Errors:
    """What is wrong with selectors and the match policy."""
    errors: Errors = []
    for field in ("namespaceSelector", "objectSelector"):
        errors.extend(label_selector(match.get(field), here.child(field)))
    if "matchPolicy" in match:
        errors.extend(one_of(match["matchPolicy"], here.child("matchPolicy"), ("Equivalent", "Exact")))
    return errors


def condition_problems(match: Obj, here: FieldPath) -> Errors:
    """What is wrong with match conditions."""
    errors: Errors = []
    conditions = match.get("matchConditions") or ()
    if len(conditions) > _MOST_CONDITIONS:
        errors.append(too_many(here.child("matchConditions"), len(conditions), _MOST_CONDITIONS))
    seen: set[str] = set()
    for position, condition in enumerate(conditions):
        where = here.child("matchConditions").index(position)
        name = condition.get("name") or ""
        if not name:
            errors.append(required(where.child("name")))
        elif name in seen:
            errors.append(duplicate(where.child("name"), name))
        seen.add(name)
        if not (condition.get("expression") or "").strip():
            errors.append(required(where.child("expression")))
    return errors
