"""Checks a ValidatingAdmissionPolicy's expressions against the kinds it names (pure).

A policy is for kinds, and their schemas tell what `object` has. What is found wrong is told in the policy's status and
changes nothing about its enforcement. Rules with wildcards name no kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from apimachinery.objects.field_path import FieldPath
from apimachinery.objects.metadata import Obj
from apimachinery.resources import RESOURCES, Resource
from apimachinery.schema.tables import Schema, object_meta, schema_for
from apiserver.admission import cel_authorizer, cel_compiler, cel_environment
from apiserver.admission.cel import CompileError
from apiserver.apiextensions.cel_rules import escape
from apiserver.apiextensions.rule_types import Types, spelt

_MOST_KINDS: Final = 10
_ANYTHING: Final[Obj] = {"x-kubernetes-int-or-string": True}
_UNTYPED: Final = ("request", "params", "namespaceObject", "variables")
# special shapes of built-in kinds -> what they are in an object
_SPECIAL: Final[dict[str, Obj]] = {
    "quantity": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "micro-time": {"type": "string", "format": "date-time"},
}
FindCrd = Callable[[str], Obj | None]


def warnings(policy: Obj, find_crd: FindCrd) -> list[Obj]:
    """Return `status.typeChecking.expressionWarnings`.

    Args:
        policy: the ValidatingAdmissionPolicy.
        find_crd: gives the CustomResourceDefinition of a group resource.
    """
    environments = list(_environments(policy, find_crd))
    if not environments:
        return []
    out: list[Obj] = []
    for index, row in enumerate((policy.get("spec") or {}).get("validations") or ()):
        path = FieldPath("spec").child("validations").index(index)
        for name in ("expression", "messageExpression"):
            source = row.get(name, "")
            told = [text for kind, environment in environments for text in _told(kind, environment, source)]
            if told:
                out.append({"fieldRef": str(path.child(name)), "warning": "\n".join(told)})
    return out


def _told(kind: str, environment: Any, source: str) -> Iterator[str]:
    if not source.strip():
        return
    try:
        cel_compiler.check(environment, source)
    except CompileError as error:
        yield f"{kind}: {error}"


def _environments(policy: Obj, find_crd: FindCrd) -> Iterator[tuple[str, Any]]:
    for resource in _kinds(policy, find_crd)[:_MOST_KINDS]:
        schema = _schema(resource, find_crd)
        if schema is None:
            continue
        types = Types(schema, escape)
        if types.root is None:
            continue
        declared: dict[str, Any] = dict.fromkeys(_UNTYPED, cel_environment.native().Type.DYN)
        declared |= dict.fromkeys(("object", "oldObject"), cel_environment.type_of(spelt(types.root)))
        declared["authorizer"] = cel_environment.type_of(cel_authorizer.AUTHORIZER)
        declared["authorizer.requestResource"] = cel_environment.type_of(cel_authorizer.RESOURCE)
        yield f"{resource.api_version}, Kind={resource.kind}", cel_environment.checking(declared, types.pool())


def _kinds(policy: Obj, find_crd: FindCrd) -> list[Resource]:
    constraints = (policy.get("spec") or {}).get("matchConstraints") or {}
    found: dict[str, Resource] = {}
    for rule in constraints.get("resourceRules") or ():
        for group in rule.get("apiGroups") or ():
            for version in rule.get("apiVersions") or ():
                for plural in rule.get("resources") or ():
                    resource = _resource(group, version, plural, find_crd)
                    if resource is not None:
                        found[f"{resource.api_version}/{resource.kind}"] = resource
    return [found[key] for key in sorted(found)]


def _resource(group: str, version: str, plural: str, find_crd: FindCrd) -> Resource | None:
    if "*" in (group, version) or "*" in plural or "/" in plural:
        return None
    for resource in RESOURCES:
        if (resource.group, resource.version, resource.plural) == (group, version, plural):
            return resource
    crd = find_crd(f"{plural}.{group}")
    if crd is None:
        return None
    from apiserver.apiextensions import crd as definitions

    served = next((one for one in definitions.served_versions(crd) if one["name"] == version), None)
    return definitions.resource(crd, served) if served is not None else None


def _schema(resource: Resource, find_crd: FindCrd) -> Obj | None:
    built_in = schema_for(resource.api_version, resource.kind)
    if built_in is not None:
        return _inline(built_in, ())
    versions = ((find_crd(resource.group_resource) or {}).get("spec") or {}).get("versions") or ()
    version: Obj = next((one for one in versions if one["name"] == resource.version), {})
    schema: Obj | None = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is None:
        return None
    own = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": _inline(object_meta(), ())}
    return {**schema, "type": "object", "properties": {**(schema.get("properties") or {}), **own}}


def _inline(schema: Schema, above: tuple[str, ...]) -> Obj:
    """Return a built-in shape as an OpenAPI schema without references; what contains itself is anything."""
    if schema.special:
        return _SPECIAL.get(schema.special, _ANYTHING)
    if schema.int_or_string or not schema.type or (schema.name and schema.name in above):
        return _ANYTHING
    out: Obj = {"type": schema.type}
    if schema.format:
        out["format"] = schema.format
    within = (*above, schema.name) if schema.name else above
    if schema.properties:
        out["properties"] = {name: _inline(part, within) for name, part in schema.properties.items()}
    if schema.items is not None:
        out["items"] = _inline(schema.items, within)
    if schema.additional is not None:
        out["additionalProperties"] = _inline(schema.additional, within)
    return out
