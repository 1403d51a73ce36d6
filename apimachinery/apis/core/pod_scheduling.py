"""Where a pod may run: validation of tolerations, affinity, topology spread and scheduling gates."""

from typing import Any

from apimachinery.apis.field_rules import Errors, label_selector, obeys, one_of, optional_one_of
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, forbidden, invalid, not_supported, required
from apimachinery.objects.metadata import Obj

_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_NODE_OPERATORS = ("DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_BAD_OPERATOR = "not a valid selector operator"
_MOST_WEIGHT = 100
_TAINT_POLICIES = ("Honor", "Ignore")


def validate(spec: Obj, path: FieldPath) -> Errors:
    """What is wrong with all of it."""
    errors: Errors = []
    if spec.get("tolerations"):
        errors.extend(validate_tolerations(spec["tolerations"], path.child("tolerations")))
    if spec.get("affinity"):
        errors.extend(_affinity(spec["affinity"], path.child("affinity")))
    if spec.get("topologySpreadConstraints"):
        errors.extend(_spread(spec["topologySpreadConstraints"], path.child("topologySpreadConstraints")))
    seen: set[str] = set()
    for position, gate in enumerate(spec.get("schedulingGates") or ()):
        here, name = path.child("schedulingGates").index(position), gate.get("name") or ""
        errors.extend(invalid(here, name, problem) for problem in names.qualified_name_problems(name))
        if name in seen:
            errors.append(duplicate(here, name))
        seen.add(name)
    return errors


def validate_gated(after: Obj, before: Obj) -> Errors:
    """What is wrong with a change to where a gated pod may run: it may only be narrowed."""
    path = FieldPath("spec").child("nodeSelector")
    new, old = after.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    if any(new.get(key) != value for key, value in old.items()):
        return [invalid(path, new, f"only additions to {path} are allowed (no mutations or deletions)")]
    return []


def validate_tolerations(tolerations: list[Obj], path: FieldPath) -> Errors:
    """What is wrong with tolerations."""
    errors: Errors = []
    for position, one in enumerate(tolerations):
        here = path.index(position)
        key, operator, value = one.get("key"), one.get("operator"), one.get("value")
        errors.extend(obeys(key, here.child("key"), names.qualified_name_problems))
        if not key and operator != "Exists":
            told = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.append(invalid(here.child("operator"), operator or "", told))
        if one.get("tolerationSeconds") is not None and one.get("effect") != "NoExecute":
            told = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(invalid(here.child("effect"), one.get("effect") or "", told))
        if operator in (None, "", "Equal"):
            errors.extend(obeys(value, here.child("operator"), names.label_value_problems))
        elif operator == "Exists":
            if value:
                errors.append(invalid(here.child("operator"), one, "value must be empty when `operator` is 'Exists'"))
        else:
            errors.append(not_supported(here.child("operator"), operator, ("Equal", "Exists")))
        if one.get("effect"):
            errors.extend(optional_one_of(one["effect"], here.child("effect"), _EFFECTS))
    return errors


# -- affinity ----------------------------------------------------------------------------------------------------------


def validate_node_terms(terms: Any, path: FieldPath) -> Errors:
    """What is wrong with the terms of a node selector."""
    errors: Errors = []
    for position, term in enumerate(terms or ()):
        errors.extend(_node_term(term, path.index(position)))
    return errors


def _node_term(term: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    for index, row in enumerate(term.get("matchExpressions") or ()):
        errors.extend(_node_expression(row, path.child("matchExpressions").index(index)))
    for index, row in enumerate(term.get("matchFields") or ()):
        errors.extend(_node_field(row, path.child("matchFields").index(index)))
    return errors


def _node_expression(row: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    operator, values = row.get("operator"), row.get("values") or ()
    if operator in ("In", "NotIn") and not values:
        errors.append(required(here.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist") and values:
        told = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        errors.append(forbidden(here.child("values"), told))
    elif operator in ("Gt", "Lt") and len(values) != 1:
        told = "must be specified single value when `operator` is 'Lt' or 'Gt'"
        errors.append(required(here.child("values"), told))
    elif operator not in _NODE_OPERATORS:
        errors.append(invalid(here.child("operator"), operator or "", _BAD_OPERATOR))
    return [*errors, *_label_name(row.get("key"), here.child("key"))]


def _node_field(row: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    operator, values = row.get("operator"), row.get("values") or ()
    if operator not in ("In", "NotIn"):
        errors.append(invalid(here.child("operator"), operator or "", _BAD_OPERATOR))
    elif len(values) != 1:
        told = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(required(here.child("values"), told))
    if row.get("key") != "metadata.name":
        return [*errors, invalid(here.child("key"), row.get("key") or "", "not a valid field selector key")]
    for index, value in enumerate(values):
        where = here.child("values").index(index)
        errors.extend(invalid(where, value, problem) for problem in names.dns1123_subdomain_problems(value))
    return errors


def _label_name(key: str | None, path: FieldPath) -> Errors:
    return [invalid(path, key or "", problem) for problem in names.qualified_name_problems(key or "")]


def _affinity(affinity: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    node = affinity.get("nodeAffinity")
    if node:
        here = path.child("nodeAffinity")
        needed = node.get(_REQUIRED)
        if needed is not None:
            where = here.child(_REQUIRED, "nodeSelectorTerms")
            if not needed.get("nodeSelectorTerms"):
                errors.append(required(where, "must have at least one node selector term"))
            errors.extend(validate_node_terms(needed.get("nodeSelectorTerms"), where))
        for position, one in enumerate(node.get(_PREFERRED) or ()):
            where = here.child(_PREFERRED).index(position)
            errors.extend(_weight(one, where))
            errors.extend(_node_term(one.get("preference") or {}, where.child("preference")))
    for kind in ("podAffinity", "podAntiAffinity"):
        pods = affinity.get(kind)
        if pods:
            errors.extend(_pod_affinity(pods, path.child(kind)))
    return errors


def _weight(one: Obj, path: FieldPath) -> Errors:
    weight = one.get("weight") or 0
    return [] if 1 <= weight <= _MOST_WEIGHT else [invalid(path.child("weight"), weight, "must be in the range 1-100")]


def _pod_affinity(pods: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    for position, term in enumerate(pods.get(_REQUIRED) or ()):
        errors.extend(_pod_term(term, path.child(_REQUIRED).index(position)))
    for position, one in enumerate(pods.get(_PREFERRED) or ()):
        where = path.child(_PREFERRED).index(position)
        errors.extend(_weight(one, where))
        errors.extend(_pod_term(one.get("podAffinityTerm") or {}, where.child("podAffinityTerm")))
    return errors


def _pod_term(term: Obj, path: FieldPath) -> Errors:
    errors = label_selector(term.get("labelSelector"), path.child("labelSelector"))
    errors.extend(label_selector(term.get("namespaceSelector"), path.child("namespaceSelector")))
    for name in term.get("namespaces") or ():
        where = path.child("namespace")
        errors.extend(invalid(where, name, problem) for problem in names.dns1123_label_problems(name))
    if not term.get("topologyKey"):
        errors.append(required(path.child("topologyKey"), "can not be empty"))
    else:
        errors.extend(_label_name(term["topologyKey"], path.child("topologyKey")))
    return errors


# -- topology spread ---------------------------------------------------------------------------------------------------


def _spread(constraints: list[Obj], path: FieldPath) -> Errors:
    errors: Errors = []
    seen: set[tuple[Any, Any]] = set()
    for position, one in enumerate(constraints):
        here = path.index(position)
        pair = (one.get("topologyKey"), one.get("whenUnsatisfiable"))
        errors.extend(_constraint(one, here))
        if pair in seen:
            errors.append(duplicate(here.child("{topologyKey, whenUnsatisfiable}"), f"{{{pair[0]}, {pair[1]}}}"))
        seen.add(pair)
    return errors


def _constraint(one: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    if (one.get("maxSkew") or 0) <= 0:
        errors.append(invalid(here.child("maxSkew"), one.get("maxSkew") or 0, "must be greater than zero"))
    if not one.get("topologyKey"):
        errors.append(required(here.child("topologyKey"), "can not be empty"))
    else:
        errors.extend(_label_name(one["topologyKey"], here.child("topologyKey")))
    when = one.get("whenUnsatisfiable")
    errors.extend(one_of(when, here.child("whenUnsatisfiable"), ("DoNotSchedule", "ScheduleAnyway")))
    domains = one.get("minDomains")
    if domains is not None:
        if domains <= 0:
            errors.append(invalid(here.child("minDomains"), domains, "must be greater than zero"))
        if when != "DoNotSchedule":
            told = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"
            errors.append(invalid(here.child("minDomains"), domains, told))
    for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        errors.extend(optional_one_of(one.get(field), here.child(field), _TAINT_POLICIES))
    if one.get("matchLabelKeys"):
        errors.extend(_match_label_keys(one, here))
    return [*errors, *label_selector(one.get("labelSelector"), here.child("labelSelector"))]


def _match_label_keys(one: Obj, here: FieldPath) -> Errors:
    where, selector = here.child("matchLabelKeys"), one.get("labelSelector")
    if selector is None:
        return [forbidden(where, "must not be specified when labelSelector is not set")]
    told = "exists in both matchLabelKeys and labelSelector"
    errors: Errors = []
    taken = {*(selector.get("matchLabels") or {}), *(row.get("key") for row in selector.get("matchExpressions") or ())}
    for position, key in enumerate(one["matchLabelKeys"]):
        errors.extend(_label_name(key, where.index(position)))
        if key in taken:
            errors.append(invalid(where.index(position), key, told))
    return errors
