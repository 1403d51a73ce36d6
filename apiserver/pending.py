"""Parts that others are about to land; each import goes away with its part."""

from __future__ import annotations

from typing import Any

try:
    from apimachinery.apis.registry import apply_defaults, validate_create, validate_update
except ImportError:

    def apply_defaults(api_version: str, kind: str, obj: Any) -> None: ...
    def validate_create(api_version: str, kind: str, obj: Any) -> list[Any]:
        return []
    def validate_update(api_version: str, kind: str, new: Any, old: Any) -> list[Any]:
        return []


try:
    from apiserver.apply.managed_fields import track
except ImportError:

    def track(old: Any, new: Any, **_: Any) -> Any:
        return new


try:
    from apiserver.apply.merge import apply
except ImportError:

    def apply(live: Any, applied: Any, *, schema: Any, **_: Any) -> Any:
        from apimachinery.patches import strategic_merge

        return strategic_merge.apply(live or {}, applied, schema)


try:
    from apiserver.endpoints.table import to_table
except ImportError:

    def to_table(resource: Any, objs: Any, list_meta: Any, **_: Any) -> Any:
        rows = [{"cells": [o["metadata"]["name"]], "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": o["metadata"]}} for o in objs]
        return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_meta, "columnDefinitions": [{"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}], "rows": rows}


class NoAggregator:
    def __init__(self, *_: Any) -> None: ...
    def match(self, path: str) -> None:
        return None
    def groups(self) -> list[Any]:
        return []
    async def run(self) -> None: ...
    async def handle(self, *_: Any) -> None: ...


try:
    from apiserver.aggregator.proxy import Aggregator
except ImportError:
    Aggregator = NoAggregator

try:
    from apiserver.apiextensions.establish import Establisher
except ImportError:
    Establisher = NoAggregator
