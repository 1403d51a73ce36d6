"""OpenAPI documents: `/openapi/v3` per group version with its index, and `/openapi/v2` as a whole.

Pure builders, called when a document is first asked for; the routes keep what they make. Built-in definitions come
from the generated tables, their descriptions from a compressed file that is read only here. A custom resource is given
as (identity, `openAPIV3Schema`).
"""

import copy
import hashlib
import json
import lzma
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource
from apimachinery.schema import tables
from apiserver.endpoints.openapi_paths import paths_of
from component.version import KUBERNETES_VERSION

CustomResources = Sequence[tuple[Resource, Obj | None]]
V2_ROOT = "#/definitions/"
V3_ROOT = "#/components/schemas/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ALWAYS = tuple(f"{META}{name}" for name in ("DeleteOptions", "Status", "Patch", "WatchEvent", "APIResourceList"))
_SCALARS = {
    "s": {"type": "string"},
    "y": {"type": "string", "format": "byte"},
    "i": {"type": "integer", "format": "int32"},
    "l": {"type": "integer", "format": "int64"},
    "b": {"type": "boolean"},
    "n": {"type": "number", "format": "double"},
    "o": {"type": "object"},
}
_LONG_KEYS = {
    "lt": "x-kubernetes-list-type",
    "lk": "x-kubernetes-list-map-keys",
    "pk": "x-kubernetes-patch-merge-key",
    "mt": "x-kubernetes-map-type",
    "d": "default",
}
_SPECIAL: dict[str, tuple[Obj, Obj]] = {  # of v2 and v3
    "quantity": ({"type": "string"}, {"oneOf": [{"type": "string"}, {"type": "number"}]}),
    "int-or-string": (
        {"type": "string", "format": "int-or-string"},
        {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"},
    ),
    "time": ({"type": "string", "format": "date-time"},) * 2,
    "micro-time": ({"type": "string", "format": "date-time"},) * 2,
}
_METADATA_TOLD = (
    "Standard object's metadata. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
_UNTYPED = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."


def full_name(name: str) -> str:
    """The name of a definition in documents."""
    return name if name.startswith("io.k8s.") else f"io.k8s.api.{name}"


def _short_name(name: str) -> str:
    return name.removeprefix("io.k8s.api.")


def custom_name(resource: Resource) -> str:
    """The definition of a custom resource: `com.example.stable.v1.CronTab`."""
    return ".".join((*reversed(resource.group.split(".")), resource.version, resource.kind))


def _descriptions() -> dict[str, dict[str, str]]:
    from apimachinery.schema.generate import DESCRIPTIONS

    made: dict[str, dict[str, str]] = json.loads(lzma.decompress(DESCRIPTIONS.read_bytes()))
    return made


class _Definitions:
    """Turns definitions and what they refer to into one form of OpenAPI."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._v3 = root == V3_ROOT
        self._descriptions = _descriptions()
        self._kinds = tables.kinds_by_definition()
        self.made: dict[str, Obj] = {}
        self._wanted: list[str] = []

    def add(self, *names: str) -> None:
        """Make definitions, by short or full name, with all they refer to."""
        self._wanted.extend(_short_name(name) for name in names)
        while self._wanted:
            name = self._wanted.pop()
            if full_name(name) not in self.made:
                self.made[full_name(name)] = self._definition(name)

    def _definition(self, name: str) -> Obj:
        raw = tables.raw_definition(name)
        told = self._descriptions.get(name, {})
        made: Obj = {}
        if told.get(""):
            made["description"] = told[""]
        if "x" in raw:
            untyped: Obj = {} if name.startswith(_UNTYPED) else {"type": "object"}
            return {**made, **(_SPECIAL[raw["x"]][self._v3] if raw["x"] in _SPECIAL else untyped)}
        made["type"] = "object"
        if raw["p"]:
            made["properties"] = {
                field: self._node(one, told.get(field, "")) for field, one in sorted(raw["p"].items())
            }
        if "r" in raw:
            made["required"] = raw["r"]
        if "mt" in raw:
            made["x-kubernetes-map-type"] = raw["mt"]
        kinds = self._kinds.get(name)
        if kinds:
            made["x-kubernetes-group-version-kind"] = [_gvk(api_version, kind) for api_version, kind in sorted(kinds)]
        return made

    def _node(self, raw: Any, description: str = "") -> Obj:
        if isinstance(raw, str):
            made = self.reference(raw[1:], described=bool(description)) if raw[0] == "@" else dict(_SCALARS[raw])
        else:
            if "@" in raw:
                made = self.reference(raw["@"], described=True)
            elif "a" in raw:
                made = {"type": "array", "items": self._node(raw["a"])}
            elif "m" in raw:
                made = {"type": "object", "additionalProperties": self._node(raw["m"])}
            else:
                made = dict(_SCALARS[raw["c"]])
            made.update({long: raw[short] for short, long in _LONG_KEYS.items() if short in raw})
            if "ps" in raw:
                made["x-kubernetes-patch-strategy"] = ",".join(raw["ps"])
        if description:
            made["description"] = description
        return made

    def reference(self, name: str, *, described: bool = False) -> Obj:
        """A reference to a definition, which will be there."""
        self._wanted.append(_short_name(name))
        reference = {"$ref": self._root + full_name(name)}
        # In OpenAPI 3.0 a reference may have no siblings.
        return {"allOf": [reference], "default": {}} if self._v3 and described else reference


def _gvk(api_version: str, kind: str) -> Obj:
    group, _, version = api_version.rpartition("/")
    return {"group": group, "kind": kind, "version": version}


def _definition_of(resource: Resource) -> str:
    return full_name(tables.definition_name(resource.api_version, resource.kind))


def _custom_definitions(resource: Resource, schema: Obj | None, made: _Definitions, root: str) -> dict[str, Obj]:
    name = custom_name(resource)
    v2 = root == V2_ROOT
    shape: Obj = copy.deepcopy(schema) if schema else {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    loose = bool(shape.get("x-kubernetes-preserve-unknown-fields"))
    _complete_embedded(shape, _object_fields(made, "ObjectMeta"), v2=v2)
    if v2:
        # Upstream publishes no more than this of an object that keeps whatever it is given.
        shape = {"type": "object"} if loose else _without_v3(shape)
    if not (v2 and loose):
        shape["type"] = "object"
        shape["properties"] = {**(shape.get("properties") or {}), **_object_fields(made, "ObjectMeta")}
    gvk = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    shape["x-kubernetes-group-version-kind"] = [gvk]
    items = {"type": "array", "items": {"$ref": root + name}, "description": f"List of {resource.plural}."}
    listed = {
        "type": "object",
        "description": f"{resource.kind}List is a list of {resource.kind}",
        "required": ["items"],
        "properties": {**_object_fields(made, "ListMeta"), "items": items},
        "x-kubernetes-group-version-kind": [{**gvk, "kind": resource.list_kind}],
    }
    return {name: shape, f"{name}List": listed}


def _complete_embedded(schema: Obj, fields: dict[str, Obj], *, v2: bool) -> None:
    """Give whole objects inside of others what they have by nature, in place."""
    below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for part in below:
        if isinstance(part, dict):
            _complete_embedded(part, fields, v2=v2)
    if not schema.get("x-kubernetes-embedded-resource") or (v2 and schema.get("x-kubernetes-preserve-unknown-fields")):
        return
    schema["properties"] = {**(schema.get("properties") or {}), **fields}
    needed = schema.get("required") or []
    schema["required"] = [*needed, *(name for name in ("kind", "apiVersion") if name not in needed)]


def _object_fields(made: _Definitions, meta: str) -> dict[str, Obj]:
    told = _descriptions_of("core.v1.ConfigMap")
    fields: dict[str, Obj] = {
        "apiVersion": {"type": "string", "description": told["apiVersion"]},
        "kind": {"type": "string", "description": told["kind"]},
        "metadata": {**made.reference(f"{META}{meta}", described=True), "description": _METADATA_TOLD},
    }
    made.add()
    return fields


@lru_cache(maxsize=4)
def _descriptions_of(name: str) -> dict[str, str]:
    return _descriptions()[name]


_NOT_IN_V2 = ("allOf", "anyOf", "oneOf", "not", "nullable")
_SHAPE = ("type", "properties", "items", "additionalProperties", "required")


def _without_v3(schema: Obj) -> Obj:
    """A custom schema as OpenAPI v2 can have it."""
    made = {key: value for key, value in schema.items() if key not in _NOT_IN_V2}
    if made.get("x-kubernetes-preserve-unknown-fields") or schema.get("nullable"):
        for key in _SHAPE:
            made.pop(key, None)
    properties = made.get("properties")
    if properties is not None:
        made["properties"] = {name: _without_v3(one) for name, one in properties.items()}
        needed = [name for name in made.pop("required", ()) if not (properties.get(name) or {}).get("nullable")]
        if needed:
            made["required"] = needed
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _without_v3(made[key])
    return made


def _info() -> Obj:
    return {"title": "Kubernetes", "version": KUBERNETES_VERSION}


def _dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _served(resources: Iterable[Resource]) -> Iterator[Resource]:
    return (one for one in resources if tables.definition_name(one.api_version, one.kind))


def openapi_v3(group: str, version: str, resources: Iterable[Resource], custom: CustomResources = ()) -> bytes:
    """The document of one group version.

    Args:
        group: The group; empty for the core.
        version: Its version.
        resources: The built-in resources; others than the group version's are passed over.
        custom: The custom resources, likewise.
    """
    made = _Definitions(V3_ROOT)
    extra: dict[str, Obj] = {}
    paths: dict[str, Obj] = {}
    made.add(*_ALWAYS)
    for resource in _served(resources):
        if (resource.group, resource.version) == (group, version):
            name = _definition_of(resource)
            made.add(name, *_listed(resource), *_subresource_kinds(resource))
            paths.update(paths_of(resource, V3_ROOT + name, V3_ROOT, v3=True))
    for resource, schema in custom:
        if (resource.group, resource.version) == (group, version):
            extra.update(_custom_definitions(resource, schema, made, V3_ROOT))
            made.add(*_subresource_kinds(resource))
            paths.update(paths_of(resource, V3_ROOT + custom_name(resource), V3_ROOT, v3=True, custom=True))
    return _dumps(
        {
            "openapi": "3.0.0",
            "info": _info(),
            "paths": dict(sorted(paths.items())),
            "components": {"schemas": dict(sorted({**made.made, **extra}.items()))},
        }
    )


def openapi_v2(resources: Iterable[Resource], custom: CustomResources = ()) -> bytes:
    """The document of everything."""
    made = _Definitions(V2_ROOT)
    extra: dict[str, Obj] = {}
    paths: dict[str, Obj] = {}
    made.add(*_ALWAYS)
    for resource in _served(resources):
        name = _definition_of(resource)
        made.add(name, *_listed(resource), *_subresource_kinds(resource))
        paths.update(paths_of(resource, V2_ROOT + name, V2_ROOT, v3=False))
    for resource, schema in custom:
        extra.update(_custom_definitions(resource, schema, made, V2_ROOT))
        made.add(*_subresource_kinds(resource))
        paths.update(paths_of(resource, V2_ROOT + custom_name(resource), V2_ROOT, v3=False, custom=True))
    return _dumps(
        {
            "swagger": "2.0",
            "info": _info(),
            "paths": dict(sorted(paths.items())),
            "definitions": dict(sorted({**made.made, **extra}.items())),
        }
    )


def _listed(resource: Resource) -> tuple[str, ...]:
    name = tables.definition_name(resource.api_version, resource.list_kind)
    return (name,) if name else ()


def _subresource_kinds(resource: Resource) -> list[str]:
    found = []
    if "scale" in resource.subresources:
        found.append("autoscaling.v1.Scale")
    if "eviction" in resource.subresources:
        found.append("policy.v1.Eviction")
    if "token" in resource.subresources:
        found.append("authentication.v1.TokenRequest")
    return found


def openapi_hash(body: bytes) -> str:
    """What changes when a document does, for `?hash=` and ETag."""
    return hashlib.sha512(body).hexdigest()[:64].upper()


def group_version_path(group: str, version: str) -> str:
    """`api/v1` or `apis/<group>/<version>`."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def openapi_v3_index(resources: Iterable[Resource], custom: CustomResources = ()) -> Obj:
    """`/openapi/v3`: a link for each group version, whose hash is found without making the document."""
    parts: dict[str, list[str]] = {}
    for resource in _served(resources):
        path = group_version_path(resource.group, resource.version)
        parts.setdefault(path, [KUBERNETES_VERSION]).append(repr(resource))
    for resource, schema in custom:
        path = group_version_path(resource.group, resource.version)
        parts.setdefault(path, []).append(repr(resource) + json.dumps(schema, sort_keys=True))
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={openapi_hash(''.join(texts).encode())}"}
            for path, texts in sorted(parts.items())
        }
    }
