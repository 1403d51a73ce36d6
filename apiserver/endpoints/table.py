"""Objects as a `Table`, the form in which kubectl gets what it prints."""

import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.objects.times import format_duration, seconds_since
from apimachinery.resources import Resource
from apiserver.registry.json_path import JSONPathError, compile_path
from apiserver.registry.printers import NAME, Column, columns_of

_META_V1 = "meta.k8s.io/v1"


def to_table(
    resource: Resource,
    objs: Iterable[Obj],
    list_meta: Obj,
    *,
    include_object: str = "Metadata",
    crd_columns: Sequence[Obj] | None = None,
    now: datetime.datetime,
    api_version: str = _META_V1,
) -> Obj:
    """Objects as a Table.

    Args:
        resource: Whose objects they are.
        objs: The objects, with apiVersion and kind or without.
        list_meta: `metadata` of the Table.
        include_object: `None`, `Metadata` or `Object`: what each row carries.
        crd_columns: `additionalPrinterColumns` of a custom resource.
        now: The present, for ages.
        api_version: Of the Table and of the metadata in its rows.
    """
    columns = columns_of(resource) if crd_columns is None else custom_columns(crd_columns)
    return {
        "kind": "Table",
        "apiVersion": api_version,
        "metadata": list_meta,
        "columnDefinitions": [column.definition() for column in columns],
        "rows": [_row(obj, columns, resource, include_object, now, api_version) for obj in objs],
    }


def _row(
    obj: Obj,
    columns: Sequence[Column],
    resource: Resource,
    include_object: str,
    now: datetime.datetime,
    api_version: str,
) -> Obj:
    row: Obj = {"cells": [column.cell(obj, now) for column in columns]}
    conditions = _conditions(obj) if resource.kind in ("Pod", "Job") and not resource.group.count(".") else None
    if conditions:
        row["conditions"] = conditions
    if include_object == "Object":
        row["object"] = obj if "kind" in obj else {"kind": resource.kind, "apiVersion": resource.api_version, **obj}
    elif include_object != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": api_version,
            "metadata": obj.get("metadata") or {},
        }
    return row


def _conditions(obj: Obj) -> list[Obj]:
    status = obj.get("status") or {}
    phase = status.get("phase")
    if phase in ("Succeeded", "Failed"):
        message = f"The pod has {'completed successfully' if phase == 'Succeeded' else 'failed'}."
        return [{"type": "Completed", "status": "True", "reason": phase, "message": message}]
    return []


def custom_columns(specs: Sequence[Obj]) -> list[Column]:
    """The columns of a custom resource; Name and Age where it names none."""
    if not specs:
        specs = [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]
    return [NAME, *(_custom_column(spec) for spec in specs)]


def _custom_column(spec: Obj) -> Column:
    kind = spec.get("type", "string")
    find = _finder(spec.get("jsonPath", ""))

    def cell(obj: Obj, now: datetime.datetime) -> Any:
        values = find(obj)
        return _custom_cell(values, kind, now) if values else None

    return Column(
        spec.get("name", ""),
        cell,
        kind=kind,
        form=spec.get("format", ""),
        description=spec.get("description")
        or f"Custom resource definition column (in JSONPath format): {spec.get('jsonPath', '')}",
        priority=spec.get("priority", 0),
    )


def _finder(path: str) -> Callable[[Obj], list[Any]]:
    try:
        return compile_path(path)
    except JSONPathError:
        return lambda _obj: []  # a path that can't be read prints nothing, as upstream


def _custom_cell(values: list[Any], kind: str, now: datetime.datetime) -> Any:
    value = values[0]
    if kind == "date":
        try:
            return format_duration(seconds_since(value, now))
        except (ValueError, TypeError):
            return "<invalid>"
    if kind == "integer":
        return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if kind == "number":
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    return " ".join(_shown(one) for one in values)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
