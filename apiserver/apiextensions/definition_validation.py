"""Validates CustomResourceDefinitions: names, versions, conversion, and what a version has beside its schema (pure).

What all versions have in common is told of at the paths of upstream's internal form, where it stands only once
(`spec.validation`, `spec.subresources`…).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from apimachinery.objects import names
from apimachinery.objects.field_path import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
    too_many,
)
from apimachinery.objects.metadata import Obj
from apiserver.apiextensions import api_approval, structural_validation
from apiserver.apiextensions.cel_rules import has_rules
from apiserver.apiextensions.crd import is_established, storage_version
from apiserver.registry.json_path import JSONPathError, compile_path

_SPEC: Final = FieldPath("spec")
_COLUMN_TYPES: Final = ("integer", "number", "string", "boolean", "date")
_COLUMN_FORMATS: Final = ("int32", "int64", "float", "double", "byte", "date", "date-time", "password")
_SELECTABLE: Final = ("boolean", "integer", "string")
_MOST_SELECTABLE: Final = 8
_MOST_WARNING: Final = 256
_SIMPLE_PATH: Final = re.compile(r"(\.[A-Za-z_$][\w$-]*|\[(\d+|'[^']*'|\"[^\"]*\")\])+")
# what a version has -> where it stands when all versions have the same
_SCHEMA: Final = ("schema", "openAPIV3Schema")
_SHARED: Final = (
    (_SCHEMA, ("validation", "openAPIV3Schema")),
    (("subresources",), ("subresources",)),
    (("additionalPrinterColumns",), ("additionalPrinterColumns",)),
    (("selectableFields",), ("selectableFields",)),
)


def validate_create(crd: Obj) -> list[FieldError]:
    """Return what is wrong with a new CRD."""
    return [*_definition(crd)]


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    """Return what is wrong with a changed CRD."""
    # What the rules of a schema are is judged once: limits may have changed since.
    known = [_at(version, _SCHEMA) for version in (old.get("spec") or {}).get("versions") or ()]
    out = [*_definition(new, known)]
    before, after = old.get("spec") or {}, new.get("spec") or {}
    fixed = [(_SPEC.child("group"), before.get("group"), after.get("group"))]
    if is_established(old):
        fixed.append((_SPEC.child("scope"), before.get("scope"), after.get("scope")))
        for name in ("kind", "plural"):
            pair = ((before.get("names") or {}).get(name), (after.get("names") or {}).get(name))
            fixed.append((_SPEC.child("names", name), *pair))
    out += [invalid(path, now, "field is immutable") for path, was, now in fixed if was != now]
    return out + list(_stored(new, (old.get("status") or {}).get("storedVersions") or ()))


def validate_status(crd: Obj) -> list[FieldError]:
    """Return what is wrong with a changed status."""
    stored = (crd.get("status") or {}).get("storedVersions") or []
    path = FieldPath("status").child("storedVersions")
    if not stored:
        return [invalid(path, stored, "must have at least one stored version")]
    out = list(_stored(crd, stored))
    if storage_version(crd) not in stored:
        out.append(invalid(path, stored, f"must have the storage version {storage_version(crd)}"))
    return out


def _stored(crd: Obj, stored: Iterable[str]) -> Iterator[FieldError]:
    versions = {version.get("name") for version in (crd.get("spec") or {}).get("versions") or ()}
    for position, name in enumerate(stored):
        if name not in versions:
            where = FieldPath("status").child("storedVersions").index(position)
            yield invalid(where, name, "must appear in spec.versions")


def _definition(crd: Obj, known: Sequence[Obj | None] = ()) -> Iterator[FieldError]:
    spec = crd.get("spec") or {}
    group, own = spec.get("group", ""), spec.get("names") or {}
    name = (crd.get("metadata") or {}).get("name", "")
    if name != f"{own.get('plural', '')}.{group}":
        yield invalid(FieldPath("metadata").child("name"), name, 'must be spec.names.plural+"."+spec.group')
    yield from _approval(crd)
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
    yield from _versions(spec, known)
    yield from _conversion(spec.get("conversion") or {})


def _approval(crd: Obj) -> Iterator[FieldError]:
    state, told = api_approval.state(crd)
    path = FieldPath("metadata").child("annotations").key(api_approval.ANNOTATION)
    if state == "MissingAnnotation":
        yield required(path, told)
    elif state == "InvalidAnnotation":
        yield invalid(path, crd["metadata"]["annotations"][api_approval.ANNOTATION], told)


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
    for field in ("shortNames", "categories"):
        for position, name in enumerate(own.get(field) or ()):
            for problem in names.dns1035_label_problems(name):
                yield invalid(path.child(field).index(position), name, problem)


def _versions(spec: Obj, known: Sequence[Obj | None]) -> Iterator[FieldError]:
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
        yield from _deprecation(version, where)
    for here, together in _SHARED:
        parts = [_at(version, here) for version in versions]
        if here == _SCHEMA:
            yield from _schemas(parts, together, known)
            continue
        if all(part == parts[0] for part in parts[1:]):
            yield from _parts(here, parts[:1], versions, [_SPEC.child(*together)])
        else:
            yield from _parts(here, parts, versions, [path.index(i).child(*here) for i in range(len(parts))])


def _at(version: Obj, fields: tuple[str, ...]) -> Any:
    found: Any = version
    for field in fields:
        found = found.get(field) if isinstance(found, dict) else None
    return found


def _parts(
    here: tuple[str, ...], parts: list[Any], versions: list[Obj], paths: list[FieldPath]
) -> Iterator[FieldError]:
    for part, version, where in zip(parts, versions, paths, strict=False):
        if part is None:
            continue
        if here[0] == "subresources":
            yield from _subresources(part, where)
        elif here[0] == "additionalPrinterColumns":
            yield from _columns(part, where)
        else:
            yield from _selectable_fields(part, _at(version, ("schema", "openAPIV3Schema")) or {}, where)


def _schemas(schemas: list[Obj | None], together: tuple[str, ...], known: Sequence[Obj | None]) -> Iterator[FieldError]:
    if all(schema == schemas[0] for schema in schemas[1:]):
        places = [_SPEC.child(*together)]
    else:
        places = [_SPEC.child("versions").index(position).child(*_SCHEMA) for position in range(len(schemas))]
    for schema, where in zip(schemas, places, strict=False):
        yield from _schema(schema, where, rules=schema not in known)


def _schema(schema: Obj | None, path: FieldPath, *, rules: bool) -> Iterator[FieldError]:
    if schema is None:
        yield required(path, "schemas are required")
        return
    found = list(structural_validation.problems(schema, path))
    yield from found
    if not found and rules and has_rules(schema):
        from apiserver.apiextensions import rule_check

        yield from rule_check.problems(schema, path)


def _deprecation(version: Obj, path: FieldPath) -> Iterator[FieldError]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    where = path.child("deprecationWarning")
    if not version.get("deprecated"):
        yield invalid(where, text, "can only be set for deprecated versions")
    if not text:
        yield invalid(where, text, "must not be an empty string")
    elif len(text) > _MOST_WARNING:
        yield invalid(where, text, f"must be <= {_MOST_WARNING} characters long")
    elif not text.isprintable():
        yield invalid(where, text, "must only contain printable characters")


def _subresources(subresources: Obj, path: FieldPath) -> Iterator[FieldError]:
    scale = subresources.get("scale")
    if scale is None:
        return
    where = path.child("scale")
    for field, starts in (
        ("specReplicasPath", (".spec.",)),
        ("statusReplicasPath", (".status.",)),
        ("labelSelectorPath", (".spec.", ".status.")),
    ):
        value = scale.get(field, "")
        if not value and field == "labelSelectorPath":
            continue
        if not value:
            yield required(where.child(field))
        elif not _is_simple(value) or "[" in value:
            yield invalid(where.child(field), value, "should be a simple json path: no array notation")
        elif not value.startswith(starts):
            told = " or ".join(start.rstrip(".") for start in starts)
            yield invalid(
                where.child(field), value, f"should be a json path under {'either ' if len(starts) > 1 else ''}{told}"
            )


def _is_simple(path: str) -> bool:
    return bool(_SIMPLE_PATH.fullmatch(path))


def _columns(columns: list[Obj], path: FieldPath) -> Iterator[FieldError]:
    for position, column in enumerate(columns):
        where = path.index(position)
        if not column.get("name"):
            yield required(where.child("name"))
        kind, form = column.get("type"), column.get("format")
        if not kind:
            yield required(where.child("type"), f"must be one of {','.join(sorted(_COLUMN_TYPES))}")
        elif kind not in _COLUMN_TYPES:
            yield invalid(where.child("type"), kind, f"must be one of {','.join(sorted(_COLUMN_TYPES))}")
        if form and form not in _COLUMN_FORMATS:
            yield invalid(where.child("format"), form, f"must be one of {','.join(sorted(_COLUMN_FORMATS))}")
        written = column.get("jsonPath", "")
        if not written:
            yield required(where.child("jsonPath"))
            continue
        try:
            compile_path(written)
        except JSONPathError as error:
            yield invalid(where.child("jsonPath"), written, str(error))


def _selectable_fields(fields: list[Obj], schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    if len(fields) > _MOST_SELECTABLE:
        yield too_many(path, len(fields), _MOST_SELECTABLE)
    seen: set[str] = set()
    for position, field in enumerate(fields):
        where, written = path.index(position).child("jsonPath"), field.get("jsonPath", "")
        if not written:
            yield required(where)
            continue
        if not _is_simple(written) or "[" in written:
            yield invalid(where, written, "is an invalid path: does not refer to a valid field")
            continue
        if written.split(".")[1] == "metadata":
            yield invalid(where, written, "must not point to fields in metadata")
        else:
            found: Any = schema
            for name in written.split(".")[1:]:
                found = (found.get("properties") or {}).get(name) if isinstance(found, dict) else None
            if not isinstance(found, dict):
                yield invalid(where, written, "is an invalid path: does not refer to a valid field")
            elif found.get("type") not in _SELECTABLE:
                told = (
                    "must point to a field of type string, boolean or integer. Enum string fields and strings with "
                    "formats are allowed."
                )
                yield invalid(where, written, told)
        if written in seen:
            yield duplicate(where, written)
        seen.add(written)


def _conversion(conversion: Obj) -> Iterator[FieldError]:
    path = _SPEC.child("conversion")
    strategy, webhook = conversion.get("strategy", "None"), conversion.get("webhook")
    if strategy not in ("None", "Webhook"):
        yield not_supported(path.child("strategy"), strategy, ["None", "Webhook"])
    if strategy != "Webhook":
        if webhook:
            yield forbidden(path.child("webhook"), "should not be set when strategy is not set to Webhook")
        return
    webhook = webhook or {}
    client = webhook.get("clientConfig") or {}
    if not client:
        yield required(path.child("webhook", "clientConfig"), "required when strategy is set to Webhook")
    elif bool(client.get("url")) == bool(client.get("service")):
        where = path.child("webhook", "clientConfig")
        yield required(where, "exactly one of url or service is required")
    else:
        yield from _client(client, path.child("webhook", "clientConfig"))
    versions = webhook.get("conversionReviewVersions") or []
    where = path.child("webhook", "conversionReviewVersions")
    if not versions:
        yield required(where)
    elif not {"v1", "v1beta1"} & set(versions):
        yield invalid(where, versions, "must include at least one of v1, v1beta1")
    for position, name in enumerate(versions):
        if name in versions[:position]:
            yield invalid(where.index(position), name, "duplicate version")
        for problem in names.dns1035_label_problems(name):
            yield invalid(where.index(position), name, problem)


def _client(client: Obj, path: FieldPath) -> Iterator[FieldError]:
    service = client.get("service")
    if service is None:
        url = str(client.get("url"))
        if not url.startswith("https://"):
            yield invalid(path.child("url"), url, "'https' is the only allowed URL scheme")
        return
    where = path.child("service")
    for field in ("namespace", "name"):
        if not service.get(field):
            yield required(where.child(field), f"service {field} is required")
    port = service.get("port", 443)
    if not 0 < port < 1 << 16:
        yield invalid(where.child("port"), port, "port is not valid: must be between 1 and 65535, inclusive")
    way = service.get("path")
    if way and not way.startswith("/"):
        yield invalid(where.child("path"), way, "must start with a '/'")
