"""The shape of every built-in kind, as nodes that are made when a kind is first asked for.

The facts stand in `definitions.tsv` (made by `generate`); reading its index costs about a millisecond, a kind such as
Pod a few more, and what kinds have in common is shared. CRD schemas become the same nodes through `from_openapi`.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("definitions.tsv")
_SCALARS = {
    "s": ("string", ""),
    "y": ("string", "byte"),
    "i": ("integer", "int32"),
    "l": ("integer", "int64"),
    "b": ("boolean", ""),
    "n": ("number", "double"),
    "o": ("object", ""),
}
# Fields whose Go type is a plain bool or int with `omitempty`: a false or 0 in them is not stored. Those of pointer
# type keep it. Upstream's OpenAPI does not tell the two apart.
_PLAIN_BOOLEANS = frozenset(
    [
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "stdin",
        "stdinOnce",
        "tty",
        "readOnly",
        "publishNotReadyAddresses",
        "unschedulable",
        "paused",
        "notReady",
        "default",
        "required",
    ]
)
_PLAIN_INTEGERS = frozenset(
    [
        "nodePort",
        "hostPort",
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
        "minReadySeconds",
        "healthCheckNodePort",
        "observedGeneration",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "fullyLabeledReplicas",
        "currentReplicas",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "active",
        "succeeded",
        "failed",
        "count",
        "generation",
    ]
)
# Fields of type *string, where an empty text is a value of its own.
_POINTER_STRINGS = frozenset(
    [
        "storageClassName",
        "apiGroup",
        "volumeAttributesClassName",
        "ingressClassName",
        "runtimeClassName",
        "name",
        "appProtocol",
        "preemptionPolicy",
        "namespace",
    ]
)

# Fields that are stored when empty, against the rules above.
_KEPT = frozenset(("apps.v1.StatefulSetStatus.availableReplicas", "core.v1.HostPathVolumeSource.type"))


class Schema:
    """The shape of one value.

    Attributes:
        type: `object`, `array`, `string`, `integer`, `number`, `boolean`, or empty for anything.
        properties: The fields of a struct; empty for maps and scalars.
        items: The shape of an array's items.
        additional: The shape of a map's values.
        required: Names that must be there.
        list_type: `atomic`, `set`, `map` or empty.
        list_map_keys: What tells the items of a `map` list apart.
        map_type: `atomic`, `granular` or empty.
        patch_strategy: Of `merge`, `retainKeys`, `replace`.
        patch_merge_key: What strategic merge matches items by.
        int_or_string: An integer or a string.
        preserve_unknown: Fields that are not in `properties` are kept.
        name: The definition's name (`core.v1.PodSpec`); empty for anonymous shapes.
        special: `quantity`, `time`, `micro-time`, `int-or-string`, `any`, `embedded`, or empty.
        drop_zero: An empty value is the same as none, and is not stored.
        openapi: The CRD schema this was made from.
    """

    __slots__ = (
        "additional",
        "decoder",
        "default",
        "drop_zero",
        "enum",
        "format",
        "int_or_string",
        "items",
        "list_map_keys",
        "list_type",
        "map_type",
        "name",
        "nullable",
        "openapi",
        "patch_merge_key",
        "patch_strategy",
        "plain",
        "preserve_unknown",
        "properties",
        "required",
        "special",
        "type",
    )

    def __init__(self, kind: str = "", fmt: str = "") -> None:
        self.type = kind
        self.format = fmt
        self.properties: Mapping[str, Schema] = _EMPTY
        self.items: Schema | None = None
        self.additional: Schema | None = None
        self.required: tuple[str, ...] = ()
        self.list_type = ""
        self.list_map_keys: tuple[str, ...] = ()
        self.map_type = ""
        self.patch_strategy: tuple[str, ...] = ()
        self.patch_merge_key = ""
        self.int_or_string = False
        self.preserve_unknown = False
        self.nullable = False
        self.default: Any = None
        self.enum: tuple[Any, ...] = ()
        self.name = ""
        self.special = ""
        self.drop_zero = False
        self.openapi: dict[str, Any] | None = None
        self.plain: type | None = str if kind == "string" and not fmt else None
        self.decoder: Callable[[Any], Any] | None = None

    def copy(self) -> "Schema":
        """The same shape, to be changed in how it merges."""
        made = Schema()
        for slot in Schema.__slots__:
            setattr(made, slot, getattr(self, slot))
        return made

    @property
    def is_struct(self) -> bool:
        """Whether its fields are known by name."""
        return bool(self.properties) or (self.type == "object" and self.additional is None)

    def __repr__(self) -> str:
        return f"Schema({self.name or self.special or self.type or 'any'})"


_EMPTY: Mapping[str, Schema] = {}
_lines: dict[str, str] = {}
_names_by_kind: dict[tuple[str, str], str] = {}
_made: dict[str, Schema] = {}


def _load() -> None:
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        name, kinds, text = line.split("\t", 2)
        _lines[name] = text
        if kinds:
            for one in kinds.split(","):
                api_version, _, kind = one.rpartition(" ")
                _names_by_kind[api_version, kind] = name


def definition_names() -> list[str]:
    """The names of all definitions."""
    if not _lines:
        _load()
    return list(_lines)


def raw_definition(name: str) -> dict[str, Any]:
    """A definition in the short notation of `definitions.tsv`; `KeyError`."""
    if not _lines:
        _load()
    made: dict[str, Any] = json.loads(_lines[name])
    return made


def kinds_by_definition() -> dict[str, list[tuple[str, str]]]:
    """Definition name to the (apiVersion, kind) pairs it is."""
    if not _lines:
        _load()
    found: dict[str, list[tuple[str, str]]] = {}
    for pair, name in _names_by_kind.items():
        found.setdefault(name, []).append(pair)
    return found


def definition_name(api_version: str, kind: str) -> str:
    """The definition of a kind, or nothing."""
    if not _lines:
        _load()
    return _names_by_kind.get((api_version, kind), "")


def schema_for(api_version: str, kind: str) -> Schema | None:
    """The shape of a built-in kind; None if there is no such kind."""
    name = definition_name(api_version, kind)
    return definition(name) if name else None


def definition(name: str) -> Schema:
    """The shape of a definition; `KeyError`."""
    found = _made.get(name)
    if found is None:
        raw = raw_definition(name)
        if "x" in raw:
            found = _made[name] = _special(raw["x"])
        else:
            found = _made[name] = Schema("object")
            found.name = name
            _fill(found, raw)
    return found


def _special(what: str) -> Schema:
    made = Schema("string" if what in ("time", "micro-time", "quantity") else "")
    made.special = what
    made.plain = None
    if what == "any":
        made.preserve_unknown = True
    elif what == "int-or-string":
        made.int_or_string = True
    elif what != "quantity":
        made.format = "date-time"
    return made


def _fill(schema: Schema, raw: dict[str, Any]) -> None:
    schema.required = required = tuple(raw.get("r", ()))
    schema.map_type = raw.get("mt", "")
    properties: dict[str, Schema] = {}
    for field, one in raw["p"].items():
        kept = field in required or f"{schema.name}.{field}" in _KEPT
        properties[field] = _field(field, _node(one), kept)
    schema.properties = properties


def _field(name: str, node: Schema, kept: bool) -> Schema:  # noqa: FBT001
    if kept or node.special or node.name or node.is_struct:
        return node
    if node.type == "boolean":
        dropped = name in _PLAIN_BOOLEANS
    elif node.type == "integer":
        dropped = name in _PLAIN_INTEGERS
    elif node.type == "string":
        dropped = name not in _POINTER_STRINGS
    else:
        dropped = name != "managedFields" and (node.type == "array" or node.additional is not None)
    if dropped:
        node = _droppable(node)
    return node


def _droppable(node: Schema) -> Schema:
    if node.drop_zero:
        return node
    for code, shared in _SHARED.items():
        if shared is node:
            return _SHARED_DROPPED[code]
    node.drop_zero = True
    return node


def _scalar(code: str) -> Schema:
    return Schema(*_SCALARS[code])


_SHARED = {code: _scalar(code) for code in _SCALARS}
_SHARED_DROPPED = {code: _scalar(code) for code in _SCALARS}
for _node_of in _SHARED_DROPPED.values():
    _node_of.drop_zero = True
_SHARED["o"].preserve_unknown = True


def _node(raw: Any) -> Schema:
    if isinstance(raw, str):
        return definition(raw[1:]) if raw[0] == "@" else _SHARED[raw]
    if "@" in raw:
        made = definition(raw["@"]).copy()
    elif "a" in raw:
        made = Schema("array")
        made.items = _node(raw["a"])
    elif "m" in raw:
        made = Schema("object")
        made.additional = _node(raw["m"])
    else:
        made = _scalar(raw["c"])
    made.list_type = raw.get("lt", made.list_type)
    made.list_map_keys = tuple(raw.get("lk", ()))
    made.patch_strategy = tuple(raw.get("ps", ()))
    made.patch_merge_key = raw.get("pk", "")
    made.map_type = raw.get("mt", made.map_type)
    made.default = raw.get("d")
    return made


def object_meta() -> Schema:
    """The shape of `metadata`."""
    return definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")


def from_openapi(openapi: dict[str, Any] | None, *, root: bool = True) -> Schema:
    """The shape of a custom resource from its CRD's structural schema.

    Args:
        openapi: `openAPIV3Schema`, or a part of it; None keeps everything.
        root: It is a whole object, with `metadata`.
    """
    openapi = openapi or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    made = Schema(openapi.get("type", ""), openapi.get("format", ""))
    made.plain = None
    made.openapi = openapi
    made.nullable = bool(openapi.get("nullable"))
    made.default = openapi.get("default")
    made.enum = tuple(openapi.get("enum", ()))
    made.required = tuple(openapi.get("required", ()))
    made.preserve_unknown = bool(openapi.get("x-kubernetes-preserve-unknown-fields"))
    made.list_type = openapi.get("x-kubernetes-list-type", "")
    made.list_map_keys = tuple(openapi.get("x-kubernetes-list-map-keys", ()))
    made.map_type = openapi.get("x-kubernetes-map-type", "")
    made.int_or_string = bool(openapi.get("x-kubernetes-int-or-string"))
    if made.int_or_string:
        made.special = "int-or-string"
    elif not made.type:
        made.special = "any"
    items = openapi.get("items")
    if isinstance(items, dict):
        made.items = from_openapi(items, root=False)
    additional = openapi.get("additionalProperties")
    if isinstance(additional, dict):
        made.additional = from_openapi(additional, root=False)
    elif additional is True:
        made.additional = from_openapi({"x-kubernetes-preserve-unknown-fields": True}, root=False)
    properties = {name: from_openapi(one, root=False) for name, one in openapi.get("properties", {}).items()}
    if root or openapi.get("x-kubernetes-embedded-resource"):
        properties = {**properties, "apiVersion": Schema("string"), "kind": Schema("string"), "metadata": object_meta()}
    made.properties = properties
    return made
