"""Role, ClusterRole, RoleBinding, ClusterRoleBinding."""

from apimachinery.apis.field_rules import Errors
from apimachinery.objects.field_path import FieldPath, invalid, not_supported, required
from apimachinery.objects.metadata import Obj

GROUP = "rbac.authorization.k8s.io"


def apply_defaults(obj: Obj) -> None:
    """Fill in a role or binding, in place."""
    if "roleRef" in obj:
        if not obj["roleRef"].get("apiGroup"):
            obj["roleRef"]["apiGroup"] = GROUP
        for subject in obj.get("subjects") or ():
            if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = GROUP
    elif str(obj.get("kind", "")).endswith("Role"):
        obj.setdefault("rules", None)


def validate(obj: Obj) -> Errors:
    """What is wrong with a role or binding."""
    return _binding(obj) if str(obj.get("kind", "")).endswith("Binding") else _role(obj)


def _role(obj: Obj) -> Errors:
    errors: Errors = []
    cluster = obj.get("kind") == "ClusterRole"
    for position, rule in enumerate(obj.get("rules") or ()):
        here = FieldPath("rules").index(position)
        if not rule.get("verbs"):
            errors.append(required(here.child("verbs"), "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            if not cluster:
                told = "namespaced rules cannot apply to non-resource URLs"
                errors.append(invalid(here.child("nonResourceURLs"), rule["nonResourceURLs"], told))
            if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
                told = "rules cannot apply to both regular resources and non-resource URLs"
                errors.append(invalid(here.child("nonResourceURLs"), rule["nonResourceURLs"], told))
            continue
        if not rule.get("apiGroups"):
            errors.append(required(here.child("apiGroups"), "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            errors.append(required(here.child("resources"), "resource rules must supply at least one resource"))
    return errors


def _binding(obj: Obj) -> Errors:
    errors: Errors = []
    reference = obj.get("roleRef") or {}
    here = FieldPath("roleRef")
    if reference.get("apiGroup") != GROUP:
        errors.append(not_supported(here.child("apiGroup"), reference.get("apiGroup") or "", (GROUP,)))
    kinds = ("ClusterRole",) if obj.get("kind") == "ClusterRoleBinding" else ("ClusterRole", "Role")
    if reference.get("kind") not in kinds:
        errors.append(not_supported(here.child("kind"), reference.get("kind") or "", kinds))
    if not reference.get("name"):
        errors.append(required(here.child("name")))
    for position, subject in enumerate(obj.get("subjects") or ()):
        errors.extend(_subject(subject, FieldPath("subjects").index(position)))
    return errors


def _subject(subject: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    if not subject.get("name"):
        errors.append(required(here.child("name")))
    kind = subject.get("kind")
    if kind == "ServiceAccount":
        if subject.get("apiGroup"):
            errors.append(not_supported(here.child("apiGroup"), subject["apiGroup"], ("",)))
        if not subject.get("namespace"):
            errors.append(required(here.child("namespace")))
    elif kind in ("User", "Group"):
        if subject.get("apiGroup") != GROUP:
            errors.append(not_supported(here.child("apiGroup"), subject.get("apiGroup") or "", (GROUP,)))
    else:
        errors.append(not_supported(here.child("kind"), kind or "", ("Group", "ServiceAccount", "User")))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a role or binding that replaces another."""
    errors = validate(new)
    if new.get("roleRef") != old.get("roleRef"):
        errors.append(invalid(FieldPath("roleRef"), new.get("roleRef"), "cannot change roleRef"))
    return errors
