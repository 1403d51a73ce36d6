"""Makes `definitions.tsv` and `descriptions.json.xz` from the JSON schemas of the `kubernetes-validate` package.

Run `python -m apimachinery.schema.generate vX.Y.Z` when the API version changes; the server never runs it. A line of
`definitions.tsv` is one definition: its name, the kinds it is (`apps/v1 Deployment`, comma-separated) and its shape
as JSON with short keys, so that a definition costs nothing before it is asked for (`tables` reads it).
"""

import json
import lzma
import sys
from pathlib import Path
from typing import Any

DEFINITIONS = Path(__file__).with_name("definitions.tsv")
DESCRIPTIONS = Path(__file__).with_name("descriptions.json.xz")
_SCALARS = {
    ("string", ""): "s",
    ("string", "byte"): "y",
    ("integer", "int32"): "i",
    ("integer", "int64"): "l",
    ("integer", ""): "l",
    ("boolean", ""): "b",
    ("number", "double"): "n",
    ("number", ""): "n",
    ("object", ""): "o",
}
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
# Types whose JSON form is written by hand upstream, so that their schema says little.
_SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    f"{_META}Time": "time",
    f"{_META}MicroTime": "micro-time",
    f"{_META}FieldsV1": "any",
    f"{_META}Patch": "any",
    f"{_EXTENSIONS}JSON": "any",
    f"{_EXTENSIONS}JSONSchemaPropsOrArray": "any",
    f"{_EXTENSIONS}JSONSchemaPropsOrBool": "any",
    f"{_EXTENSIONS}JSONSchemaPropsOrStringArray": "any",
}
# Defaults that upstream's OpenAPI states and the package's data lacks; apply needs them for the keys of list maps.
_DEFAULTS = {
    "io.k8s.api.core.v1.ContainerPort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.ServicePort": {"protocol": "TCP"},
}
_SHORT_KEYS = {
    "x-kubernetes-list-type": "lt",
    "x-kubernetes-list-map-keys": "lk",
    "x-kubernetes-patch-merge-key": "pk",
    "x-kubernetes-map-type": "mt",
}
_NO_KIND = {"DeleteOptions", "WatchEvent"}  # they are of every group; v1 is enough


def _node(schema: dict[str, Any]) -> Any:
    extra: dict[str, Any] = {short: schema[long] for long, short in _SHORT_KEYS.items() if long in schema}
    if "x-kubernetes-patch-strategy" in schema:
        extra["ps"] = schema["x-kubernetes-patch-strategy"].split(",")
    if "default" in schema:
        extra["d"] = schema["default"]
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2].removeprefix("io.k8s.api.")
        return {"@": name, **extra} if extra else f"@{name}"
    told = schema.get("type", "object")
    kind = next((one for one in told if one != "null"), "object") if isinstance(told, list) else told
    if kind == "array":
        return {"a": _node(schema.get("items", {})), **extra}
    if "additionalProperties" in schema and isinstance(schema["additionalProperties"], dict):
        return {"m": _node(schema["additionalProperties"]), **extra}
    code = _SCALARS.get((kind, schema.get("format", "")), "o")
    return {"c": code, **extra} if extra else code


def _definition(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    if name in _SPECIAL:
        return {"x": _SPECIAL[name]}
    properties = {
        field: _node({**one, "default": _DEFAULTS[name][field]} if field in _DEFAULTS.get(name, {}) else one)
        for field, one in schema.get("properties", {}).items()
    }
    made: dict[str, Any] = {"p": properties}
    if schema.get("required"):
        made["r"] = schema["required"]
    if "x-kubernetes-map-type" in schema:
        made["mt"] = schema["x-kubernetes-map-type"]
    return made


def _kinds(schema: dict[str, Any]) -> str:
    kinds = schema.get("x-kubernetes-group-version-kind", [])
    names = [
        f"{one['group']}/{one['version']} {one['kind']}".removeprefix("/")
        for one in kinds
        if one["kind"] not in _NO_KIND or (one["group"], one["version"]) == ("", "v1")
    ]
    return ",".join(names)


def generate(version: str) -> None:
    """Write both files from the package's data of a version (`v1.36.0`)."""
    import kubernetes_validate

    root = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"{version}-local"
    definitions: dict[str, Any] = json.loads((root / "_definitions.json").read_bytes())["$defs"]
    lines = [
        "\t".join(
            (
                name.removeprefix("io.k8s.api."),
                _kinds(schema),
                json.dumps(_definition(name, schema), separators=(",", ":")),
            )
        )
        for name, schema in sorted(definitions.items())
    ]
    DEFINITIONS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    descriptions = {
        name.removeprefix("io.k8s.api."): {
            "": schema.get("description", ""),
            **{
                field: one["description"] for field, one in schema.get("properties", {}).items() if "description" in one
            },
        }
        for name, schema in sorted(definitions.items())
    }
    text = json.dumps(descriptions, separators=(",", ":"), ensure_ascii=False)
    DESCRIPTIONS.write_bytes(lzma.compress(text.encode()))


if __name__ == "__main__":
    generate(sys.argv[1])
