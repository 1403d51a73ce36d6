"""Metadata: what every object's must obey, and which names each kind allows."""

import json
from collections.abc import Callable
from typing import Any

from apimachinery.objects import names
from apimachinery.objects.field_path import FieldError, FieldPath, forbidden, invalid, required, too_long
from apimachinery.objects.metadata import Obj, finalizers
from apimachinery.resources import lookup_kind

_META = FieldPath("metadata")
_LABELS = _META.child("labels")
_ANNOTATIONS = _META.child("annotations")
_MOST_ANNOTATION_BYTES = 256 * 1024
IMMUTABLE = "field is immutable"


def _any_segment(text: str) -> list[str]:
    return names.path_segment_problems(text)


# Names are DNS subdomains but for these.
_NAMES: dict[str, Callable[[str], list[str]]] = {
    "Namespace": names.dns1123_label_problems,
    "Service": names.dns1035_label_problems,
    "Role": _any_segment,
    "RoleBinding": _any_segment,
    "ClusterRole": _any_segment,
    "ClusterRoleBinding": _any_segment,
    "APIService": _any_segment,
    "IPAddress": _any_segment,
    "CertificateSigningRequest": _any_segment,
}
_STANDARD_FINALIZERS = frozenset(("kubernetes", "orphan", "foregroundDeletion"))


def name_problems(kind: str, name: str, *, prefix: bool = False) -> list[str]:
    """Why a kind does not allow a name; a `prefix` (generateName) may end in `-`."""
    check = _NAMES.get(kind, names.dns1123_subdomain_problems)
    return check(name.rstrip("-") + "a" if prefix and name.endswith("-") else name)


def is_namespaced(api_version: str, kind: str) -> bool | None:
    """Whether a built-in kind is namespaced; None if there is no such kind."""
    try:
        return lookup_kind(api_version, kind).namespaced
    except KeyError:
        return None


def validate_meta(api_version: str, kind: str, obj: Obj) -> list[FieldError]:
    """What is wrong with the metadata of a new object."""
    metadata = obj.get("metadata") or {}
    errors: list[FieldError] = []
    prefix = metadata.get("generateName")
    if prefix:
        errors.extend(
            invalid(_META.child("generateName"), prefix, problem)
            for problem in name_problems(kind, prefix, prefix=True)
        )
    name = metadata.get("name")
    if not name:
        errors.append(required(_META.child("name"), "name or generateName is required"))
    else:
        errors.extend(invalid(_META.child("name"), name, problem) for problem in name_problems(kind, name))
    namespaced = is_namespaced(api_version, kind)
    namespace = metadata.get("namespace")
    if namespaced is True:
        if not namespace:
            errors.append(required(_META.child("namespace")))
        else:
            errors.extend(
                invalid(_META.child("namespace"), namespace, problem)
                for problem in names.dns1123_label_problems(namespace)
            )
    elif namespaced is False and namespace:
        errors.append(forbidden(_META.child("namespace"), "not allowed on this type"))
    errors.extend(_shared(metadata, builtin=namespaced is not None))
    return errors


def validate_labels(labels: Any, path: FieldPath) -> list[FieldError]:
    """What is wrong with labels."""
    errors: list[FieldError] = []
    for key, value in (labels or {}).items():
        errors.extend(invalid(path, key, problem) for problem in names.qualified_name_problems(key))
        errors.extend(invalid(path, value, problem) for problem in names.label_value_problems(value))
    return errors


def validate_annotations(annotations: Any, path: FieldPath) -> list[FieldError]:
    """What is wrong with annotations."""
    errors: list[FieldError] = []
    size = 0
    for key, value in (annotations or {}).items():
        errors.extend(invalid(path, key, problem) for problem in names.qualified_name_problems(key.lower()))
        size += len(key) + len(value)
    if size > _MOST_ANNOTATION_BYTES:
        errors.append(too_long(path, "", _MOST_ANNOTATION_BYTES))
    return errors


def _shared(metadata: Obj, *, builtin: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    if metadata.get("labels"):
        errors.extend(validate_labels(metadata["labels"], _LABELS))
    if metadata.get("annotations"):
        errors.extend(validate_annotations(metadata["annotations"], _ANNOTATIONS))
    if metadata.get("ownerReferences"):
        errors.extend(_owners(metadata["ownerReferences"]))
    if metadata.get("finalizers"):
        errors.extend(_finalizers(metadata["finalizers"], builtin=builtin))
    return errors


def _owners(references: list[Obj]) -> list[FieldError]:
    path = _META.child("ownerReferences")
    errors: list[FieldError] = []
    controllers = []
    for position, reference in enumerate(references):
        here = path.index(position)
        if not reference.get("apiVersion"):
            errors.append(invalid(here.child("apiVersion"), "", "version must not be empty"))
        errors.extend(
            invalid(here.child(field), "", "must not be empty")
            for field in ("kind", "name", "uid")
            if not reference.get(field)
        )
        if reference.get("controller"):
            controllers.append(f"{reference.get('kind')}/{reference.get('name')}")
    if len(controllers) > 1:
        errors.append(
            invalid(
                path,
                references,
                'Only one reference can have Controller set to true. Found "true" in references for '
                + " and ".join(controllers[:2]),
            )
        )
    return errors


def _finalizers(given: list[str], *, builtin: bool) -> list[FieldError]:
    """What is wrong with finalizers; those of custom resources need no domain (their writers are warned)."""
    path = _META.child("finalizers")
    errors: list[FieldError] = []
    for position, finalizer in enumerate(given):
        problems = names.qualified_name_problems(finalizer)
        errors.extend(invalid(path, finalizer, problem) for problem in problems)
        if builtin and not problems and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            told = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid(path.index(position), finalizer, told))
    if "orphan" in given and "foregroundDeletion" in given:
        errors.append(invalid(path, given, "finalizer orphan and foregroundDeletion cannot be both set"))
    return errors


def finalizer_warnings(new: Obj, old: Obj | None) -> list[str]:
    """What the writer of a custom resource is warned of: added finalizers without a domain."""
    added = set(finalizers(new)) - set(finalizers(old or {}))
    return [
        f"{_META.child('finalizers')}: {json.dumps(one, ensure_ascii=False)}: prefer a domain-qualified finalizer name "
        "including a path (/) to avoid accidental conflicts with other finalizer writers"
        for one in sorted(added)
        if "/" not in one and one not in _STANDARD_FINALIZERS
    ]


_FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def validate_meta_update(api_version: str, kind: str, new: Obj, old: Obj) -> list[FieldError]:
    """What is wrong with the metadata of an object that replaces another."""
    fresh, stale = new.get("metadata") or {}, old.get("metadata") or {}
    errors = [
        invalid(_META.child(field), fresh.get(field, ""), IMMUTABLE)
        for field in _FIXED
        if fresh.get(field) != stale.get(field) and not (field.startswith("deletion") and stale.get(field) is None)
    ]
    if stale.get("deletionTimestamp"):
        extra = sorted(set(fresh.get("finalizers") or ()) - set(stale.get("finalizers") or ()))
        if extra:
            errors.append(
                forbidden(
                    _META.child("finalizers"),
                    "no new finalizers can be added if the object is being deleted, found new finalizers "
                    + "[]string{"
                    + ", ".join(f'"{one}"' for one in extra)
                    + "}",
                )
            )
    if (fresh.get("generation") or 0) < (stale.get("generation") or 0):
        errors.append(invalid(_META.child("generation"), fresh.get("generation"), "must not be decremented"))
    if {**fresh, "managedFields": 0, "resourceVersion": 0} != {**stale, "managedFields": 0, "resourceVersion": 0}:
        errors.extend(_shared(fresh, builtin=is_namespaced(api_version, kind) is not None))
    return errors


def validate_immutable(new: Any, old: Any, path: FieldPath) -> list[FieldError]:
    """A field that may not change."""
    return [] if new == old else [invalid(path, new, IMMUTABLE)]
