"""The strategy of one served version of a CRD: how its objects are pruned, defaulted, validated and converted."""

from __future__ import annotations

import json
from typing import Any

from apimachinery.apis.object_meta import finalizer_warnings, validate_meta, validate_meta_update
from apimachinery.errors import BadRequest, MethodNotAllowed
from apimachinery.objects.field_path import FieldError
from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource
from apimachinery.schema.decode import DecodeError, decode_value
from apimachinery.schema.tables import from_openapi, object_meta
from apimachinery.schema.validate import unknown_fields
from apiserver.admission.cel import CompileError
from apiserver.apiextensions import cel_rules, structural, validation
from apiserver.apiextensions import crd as definitions
from apiserver.apiextensions.conversion import Converts, SameShape
from apiserver.registry.generic import only_status
from apiserver.registry.strategy import Call, Strategy, Subresource, metadata_fields
from apiserver.storage.cache.entry import Entry


def _meaning(obj: Obj, *, with_status: bool) -> Obj:
    skipped = ("apiVersion", "kind", "metadata") if with_status else ("apiVersion", "kind", "metadata", "status")
    return {key: value for key, value in obj.items() if key not in skipped}


def _selectable_fields(version: Obj) -> dict[str, str]:
    return {field["jsonPath"].lstrip("."): field["jsonPath"] for field in version.get("selectableFields") or ()}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _warned(new: Obj, old: Obj | None, call: Call, problems: list[FieldError]) -> list[FieldError]:
    """Warn the writer of an object that is right, and return what is wrong with it."""
    if not problems:
        call.warnings.extend(finalizer_warnings(new, old))
    return problems


class VersionHandler:
    """One served version."""

    def __init__(self, crd: Obj, version: Obj, converts: Converts) -> None:
        self._crd = crd
        self._version = version
        self._converts = converts
        self.resource: Resource = definitions.resource(crd, version)
        self._openapi: Obj | None = (version.get("schema") or {}).get("openAPIV3Schema")
        self._schema = from_openapi(self._openapi)
        self._node = structural.compile_schema(self._openapi)
        self._rules: cel_rules.RuleNode | None = None
        self._rules_compiled = False
        self._status = (version.get("subresources") or {}).get("status") is not None
        self._scale: Obj | None = (version.get("subresources") or {}).get("scale")
        self._columns: list[Obj] | None = version.get("additionalPrinterColumns")
        self._fields = _selectable_fields(version)
        self._all_fields = {
            f"{crd['spec']['group']}/{one['name']}": _selectable_fields(one) for one in definitions.served_versions(crd)
        }
        group = crd["spec"]["group"]
        self._storage = f"{group}/{definitions.storage_version(crd)}"

    def strategy(self) -> Strategy:
        """Return the hooks."""
        single = len(self._crd["spec"]["versions"]) == 1
        aged = int(self._crd["metadata"].get("generation") or 1) > 1
        # What was stored before a default was added gets it on reading; without defaults reading changes nothing.
        plain = single and not (aged and self._node.some_default)
        return Strategy(
            schema=self._schema,
            decode=self._decode,
            unknown_fields=self._unknown,
            apply_defaults=self._defaults,
            prepare_create=self._prepare_create,
            prepare_update=self._prepare_update,
            validate_create=self._validate_create,
            validate_update=self._validate_update,
            subresources={"status": Subresource(self._prepare_status, self._validate_status)} if self._status else {},
            selectable_fields=self._selectable if any(self._all_fields.values()) else metadata_fields,
            field_names=frozenset({"metadata.name", "metadata.namespace", *self._fields}),
            to_storage=None if single else self._to_storage,
            from_storage=None if plain else self._from_storage,
            fields_ready=self._fields_ready if self._fields and not isinstance(self._converts, SameShape) else None,
            columns=self._columns if self._columns is not None else _AGE,
            scale=self._scale,
            named_items=True,
            unconditional_update=False,
            returns_object=False,
            deprecation=definitions.deprecation(self._crd, self._version),
        )

    @property
    def rules(self) -> cel_rules.RuleNode | None:
        """The CEL rules, compiled when first needed."""
        if not self._rules_compiled:
            self._rules = cel_rules.compile_rules(self._openapi)
            self._rules_compiled = True
        return self._rules

    # -- shape -----------------------------------------------------------------------------------------------------

    def _decode(self, obj: Obj) -> Obj:
        for field, kind in (("metadata", dict), ("apiVersion", str), ("kind", str)):
            if field in obj and not isinstance(obj[field], kind):
                wanted = "object" if kind is dict else "string"
                raise BadRequest(f"unable to decode: {field} must be of type {wanted}")
        try:
            decode_value(obj.get("metadata") or {}, object_meta())
        except DecodeError as error:
            name, version = self.resource.kind, self.resource.version
            text = f'{name} in version "{version}" cannot be handled as a {name}: {error.text}'
            raise BadRequest(text) from error
        pruned: Obj = structural.prune(obj, self._node)
        return pruned

    def _unknown(self, obj: Obj) -> list[str]:
        return unknown_fields(obj, self._schema)

    def _defaults(self, obj: Obj) -> None:
        structural.default(obj, self._node)

    def _prepare_create(self, obj: Obj, call: Call) -> None:
        if definitions.is_terminating(self._crd):
            raise MethodNotAllowed("create not allowed while custom resource definition is terminating")
        del call
        structural.prune(obj, self._node)
        if self._status:
            obj.pop("status", None)
        obj["metadata"]["generation"] = 1

    def _prepare_update(self, new: Obj, old: Obj, call: Call) -> None:
        del call
        structural.prune(new, self._node)
        if self._status:
            if "status" in old:
                new["status"] = old["status"]
            else:
                new.pop("status", None)
        generation = int(old["metadata"].get("generation") or 1)
        both = not self._status
        changed = _meaning(new, with_status=both) != _meaning(old, with_status=both)
        new["metadata"]["generation"] = generation + 1 if changed else generation

    def _prepare_status(self, new: Obj, old: Obj, call: Call) -> None:
        structural.prune(new, self._node)
        only_status(new, old, call)
        # Of the metadata only managedFields changes with the status.
        kept = {key: new["metadata"][key] for key in ("managedFields", "resourceVersion") if key in new["metadata"]}
        new["metadata"] = {**old["metadata"], **kept}

    # -- judgement -------------------------------------------------------------------------------------------------

    def _problems(self, new: Obj, old: Obj | None, call: Call) -> list[FieldError]:
        problems = validation.validate_root(new, self._openapi, old)
        if problems:
            # Rules may rely on the shape, so they wait until it is right.
            return problems
        try:
            rules = self.rules
        except CompileError as error:
            # Stored by a server that could read them.
            return [FieldError("FieldValueInvalid", "<nil>", "object", f"rule compile error: {error}")]
        found = cel_rules.check(new, old, rules)
        call.warnings.extend(found.warnings)
        return found.errors

    def _validate_create(self, obj: Obj, call: Call) -> list[FieldError]:
        own = self.resource
        return _warned(obj, None, call, validate_meta(own.api_version, own.kind, obj) + self._problems(obj, None, call))

    def _validate_update(self, new: Obj, old: Obj, call: Call) -> list[FieldError]:
        own = self.resource
        problems = validate_meta_update(own.api_version, own.kind, new, old) + self._problems(new, old, call)
        return _warned(new, old, call, problems)

    def _validate_status(self, new: Obj, old: Obj, call: Call) -> list[FieldError]:
        return self._problems(new, old, call)

    # -- versions --------------------------------------------------------------------------------------------------

    def _selectable(self, obj: Obj) -> dict[str, str]:
        # What is found is kept with the stored object, whichever version it is found for.
        found = metadata_fields(obj)
        for fields in self._all_fields.values():
            found.update({name: _shown(structural.at(obj, path)) for name, path in fields.items()})
        return found

    async def _fields_ready(self, entries: list[Entry]) -> None:
        """Find the fields of each version in that version's shape."""
        waiting = [entry for entry in entries if not entry.fields_known]
        if not waiting:
            return
        found = [metadata_fields(entry.parse()) for entry in waiting]
        for api_version, fields in self._all_fields.items():
            if fields:
                converted = await self._converts.convert([entry.parse() for entry in waiting], api_version)
                for values, obj in zip(found, converted, strict=True):
                    values.update({name: _shown(structural.at(obj, path)) for name, path in fields.items()})
        for entry, values in zip(waiting, found, strict=True):
            entry.fields(lambda _, values=values: values)

    async def _to_storage(self, obj: Obj) -> Obj:
        return (await self._converts.convert([obj], self._storage))[0]

    async def _from_storage(self, objs: list[Obj]) -> list[Obj]:
        converted = await self._converts.convert(objs, self.resource.api_version)
        for obj in converted:
            structural.prune(obj, self._node)
            structural.default(obj, self._node)
        return converted


_AGE: list[Obj] = [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]
