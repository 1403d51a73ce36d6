"""Validates CustomResourceDefinitions: names, versions, and that schemas are structural (pure).

Structural means: a type at every level that is named, nothing under the logical junctors but values, so that pruning
and defaulting know what each field is (KEP-2337's rules, worded as upstream).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from apimachinery.objects import names
from apimachinery.objects.field_path import FieldError, FieldPath, forbidden, invalid, not_supported, required
from apimachinery.objects.metadata import Obj
from apiserver.apiextensions import rule_check, validation
from apiserver.apiextensions.crd import is_established

_SPEC: Final = FieldPath("spec")
_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_LIST_TYPES: Final = ("atomic", "map", "set")
_MAP_TYPES: Final = ("atomic", "granular")
_JUNCTORS: Final = ("allOf", "anyOf", "oneOf")
# What must stand outside of the logical junctors.
_ONLY_OUTSIDE: Final = ("description", "default", "nullable", "type", "additionalProperties")


def validate_create(crd: Obj) -> list[FieldError]:
    """Return what is wrong with a new CRD."""
    return [*_definition(crd)]


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    """Return what is wrong with a changed CRD."""
    out = [*_definition(new)]
    before, after = old.get("spec") or {}, new.get("spec") or {}
    fixed = [(_SPEC.child("group"), before.get("group"), after.get("group"))]
    if is_established(old):
        fixed.append((_SPEC.child("scope"), before.get("scope"), after.get("scope")))
        for name in ("kind", "plural"):
            pair = ((before.get("names") or {}).get(name), (after.get("names") or {}).get(name))
            fixed.append((_SPEC.child("names", name), *pair))
    out += [invalid(path, now, "field is immutable") for path, was, now in fixed if was != now]
    versions = {version.get("name") for version in after.get("versions") or ()}
    stored = FieldPath("status").child("storedVersions")
    for position, name in enumerate((old.get("status") or {}).get("storedVersions") or ()):
        if name not in versions:
            out.append(invalid(stored.index(position), name, "must appear in spec.versions"))
    return out


def _definition(crd: Obj) -> Iterator[FieldError]:
    spec = crd.get("spec") or {}
    group, own = spec.get("group", ""), spec.get("names") or {}
    name = (crd.get("metadata") or {}).get("name", "")
    if name != f"{own.get('plural', '')}.{group}":
        yield invalid(FieldPath("metadata").child("name"), name, 'must be spec.names.plural+"."+spec.group')
    if not group:
        yield required(_SPEC.child("group"))
    else:
        for problem in names.dns1123_subdomain_problems(group):
            yield invalid(_SPEC.child("group"), group, problem)
        if "." not in group:
            yield invalid(_SPEC.child("group"), group, "should be a domain with at least one dot")
    if not spec.get("scope"):
        yield required(_SPEC.child("scope"))
    elif spec["scope"] not in ("Cluster", "Namespaced"):
        yield not_supported(_SPEC.child("scope"), spec["scope"], ["Cluster", "Namespaced"])
    yield from _names(own)
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        yield invalid(_SPEC.child("preserveUnknownFields"), value=True, detail=detail)
    yield from _versions(spec)
    yield from _conversion(spec.get("conversion") or {})


def _names(own: Obj) -> Iterator[FieldError]:
    path = _SPEC.child("names")
    for field in ("plural", "singular", "kind", "listKind"):
        value = own.get(field, "")
        if not value:
            yield required(path.child(field))
            continue
        for problem in names.dns1035_label_problems(value.lower()):
            mixed = "may have mixed case, but should otherwise match: " if field in ("kind", "listKind") else ""
            yield invalid(path.child(field), value, mixed + problem)
        if field in ("plural", "singular") and value != value.lower():
            for problem in names.dns1035_label_problems(value):
                yield invalid(path.child(field), value, problem)
    if own.get("kind") and own.get("kind") == own.get("listKind"):
        yield invalid(path.child("listKind"), own["listKind"], "kind and listKind may not be the same")
    for position, short in enumerate(own.get("shortNames") or ()):
        for problem in names.dns1035_label_problems(short):
            yield invalid(path.child("shortNames").index(position), short, problem)


def _versions(spec: Obj) -> Iterator[FieldError]:
    path = _SPEC.child("versions")
    versions = spec.get("versions") or []
    if sum(1 for version in versions if version.get("storage")) != 1:
        yield invalid(path, versions or None, "must have exactly one version marked as storage version")
    seen = [version.get("name") for version in versions]
    if len(set(seen)) != len(seen):
        yield invalid(path, versions, "must contain unique version names")
    for position, version in enumerate(versions):
        where = path.index(position)
        for problem in names.dns1035_label_problems(version.get("name", "")):
            yield invalid(where.child("name"), version.get("name", ""), problem)
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        at = where.child("schema", "openAPIV3Schema")
        if schema is None:
            yield required(at, "schemas are required")
            continue
        yield from _root(schema, at)
        yield from rule_check.problems(schema, at)
        yield from _subresources(version, where)


def _subresources(version: Obj, where: FieldPath) -> Iterator[FieldError]:
    scale = (version.get("subresources") or {}).get("scale")
    if scale is not None:
        path = where.child("subresources", "scale")
        for field, start in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
            value = scale.get(field, "")
            if not value:
                yield required(path.child(field))
            elif not value.startswith(start):
                yield invalid(path.child(field), value, f"should be a json path under {start[:-1]}")
    for position, column in enumerate(version.get("additionalPrinterColumns") or ()):
        path = where.child("additionalPrinterColumns").index(position)
        for field in ("name", "jsonPath"):
            if not column.get(field):
                yield required(path.child(field))
        if column.get("type") not in ("integer", "number", "string", "boolean", "date"):
            detail = "must be one of boolean,date,integer,number,string"
            yield invalid(path.child("type"), column.get("type", ""), detail)


def _conversion(conversion: Obj) -> Iterator[FieldError]:
    path = _SPEC.child("conversion")
    strategy = conversion.get("strategy", "None")
    if strategy not in ("None", "Webhook"):
        yield not_supported(path.child("strategy"), strategy, ["None", "Webhook"])
    if strategy == "Webhook":
        webhook = conversion.get("webhook") or {}
        if not webhook.get("clientConfig"):
            yield required(path.child("webhook", "clientConfig"), "required when strategy is set to Webhook")
        if not webhook.get("conversionReviewVersions"):
            yield required(path.child("webhook", "conversionReviewVersions"))


def _root(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    kind = schema.get("type")
    if not kind:
        yield required(path.child("type"), "must not be empty at the root")
    elif kind != "object":
        yield invalid(path.child("type"), kind, "must be object at the root")
    if schema.get("nullable"):
        yield forbidden(path.child("nullable"), "nullable cannot be true at the root")
    for name in ("apiVersion", "kind"):
        inner = ((schema.get("properties") or {}).get(name) or {}).get("type", "string")
        if inner != "string":
            yield invalid(path.child("properties").key(name).child("type"), inner, "must be string")
    yield from _level(schema, path)


def _open(schema: Obj) -> bool:
    return bool(schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-int-or-string"))


def _typed(schema: Any, path: FieldPath, what: str) -> Iterator[FieldError]:
    if not isinstance(schema, dict):
        return
    if not schema.get("type") and not _open(schema):
        yield required(path.child("type"), f"must not be empty for specified {what}")
    yield from _level(schema, path)


def _level(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    kind = schema.get("type")
    if kind and kind not in _TYPES:
        yield not_supported(path.child("type"), kind, list(_TYPES))
    properties, additional = schema.get("properties"), schema.get("additionalProperties")
    if properties and isinstance(additional, dict):
        detail = "must not be used when properties is set: additionalProperties and properties are mutual exclusive"
        yield forbidden(path.child("additionalProperties"), detail)
    if additional is False:
        yield forbidden(path.child("additionalProperties"), "additionalProperties cannot be set to false")
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(path.child("uniqueItems"), detail)
    if schema.get("$ref"):
        yield forbidden(path.child("$ref"), "$ref is not supported")
    if kind == "array":
        if schema.get("items") is None:
            yield required(path.child("items"), "must be specified")
        yield from _lists(schema, path)
    if schema.get("x-kubernetes-map-type") not in (None, *_MAP_TYPES):
        yield not_supported(path.child("x-kubernetes-map-type"), schema["x-kubernetes-map-type"], list(_MAP_TYPES))
    for name, part in (properties or {}).items():
        yield from _typed(part, path.child("properties").key(name), "object fields")
    yield from _typed(additional, path.child("additionalProperties"), "object fields")
    yield from _typed(schema.get("items"), path.child("items"), "array items")
    yield from _junctors(schema, path)
    if "default" in schema:
        yield from _default(schema, path)


def _lists(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    kind = schema.get("x-kubernetes-list-type")
    if kind is None:
        return
    if kind not in _LIST_TYPES:
        yield not_supported(path.child("x-kubernetes-list-type"), kind, list(_LIST_TYPES))
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if kind != "map":
        return
    where = path.child("x-kubernetes-list-map-keys")
    if not keys:
        yield required(where, "must not be empty if x-kubernetes-list-type is map")
    items = schema.get("items") or {}
    properties, needed = items.get("properties") or {}, items.get("required") or ()
    for position, key in enumerate(keys):
        if key not in properties:
            yield invalid(where.index(position), key, "entries must all be names of item properties")
        elif key not in needed and "default" not in properties[key]:
            yield required(
                path.child("items").child("properties").key(key).child("default"),
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            )


def _junctors(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    parts = [(path.child(j).index(i), part) for j in _JUNCTORS for i, part in enumerate(schema.get(j) or ())]
    if schema.get("not"):
        parts.append((path.child("not"), schema["not"]))
    for where, part in parts:
        for field in _ONLY_OUTSIDE:
            # int-or-string is written as anyOf of two types.
            if field in part and not (field == "type" and schema.get("x-kubernetes-int-or-string")):
                yield forbidden(where.child(field), "must be empty to be structural")


def _default(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    value = schema["default"]
    if value is None and not schema.get("nullable"):
        yield invalid(path.child("default"), "null", "must not be null")
        return
    for problem in validation.validate(value, schema, FieldPath("default")):
        yield FieldError(problem.type, f"{path}.{problem.field}", problem.bad_value, problem.detail)
