"""Whatever decodes can be defaulted, validated, printed, applied and tracked: wrong values are told, never raised."""

import copy
import datetime
import json
import random

import pytest

from apimachinery.apis.registry import apply_defaults, validate_create, validate_update, warnings
from apimachinery.errors import APIError, BadRequest
from apimachinery.patches import strategic_merge
from apimachinery.resources import RESOURCES
from apimachinery.schema.decode import decode
from apimachinery.schema.tables import Schema, schema_for
from apimachinery.schema.validate import unknown_fields
from apiserver.apply.managed_fields import track
from apiserver.apply.merge import apply
from apiserver.endpoints.table import to_table

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
WORDS = (
    "",
    "a",
    "A b",
    "a.b/c",
    "x" * 300,
    "10.0.0.1",
    "80%",
    "None",
    "ClusterIP",
    "é\u0000",
    "1",
    "*/5 * * * *",
    "Localhost",
)
NUMBERS = (0, 1, -1, 80, 70000, 2**31 - 1, -(2**31))
SPECIAL = {
    "quantity": ("1", "500m", "-1", "1Gi", "0", 3, 1e300),
    "time": ("2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    "micro-time": ("2026-01-01T00:00:00.000001Z",),
    "int-or-string": (0, -5, 80, "80%", "http", ""),
    "any": ({}, {"a": 1}, "x", 1, [], None, {"type": "object"}),
}


class Maker:
    """Random values of a shape."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, schema: Schema, depth: int = 0):
        pick = self.random
        if schema.special:
            return copy.deepcopy(pick.choice(SPECIAL[schema.special]))
        if schema.type == "object":
            return self.object(schema, depth)
        if schema.type == "array":
            return [self.value(schema.items, depth + 1) for _ in range(pick.choice((0, 1, 1, 2)))]
        if schema.type == "integer":
            return pick.choice(NUMBERS)
        if schema.type == "boolean":
            return pick.random() < 0.5
        if schema.type == "number":
            return pick.choice((0, 1.5, -2))
        return "eA==" if schema.format == "byte" else pick.choice(WORDS)

    def object(self, schema: Schema, depth: int):
        pick = self.random
        if schema.additional is not None:
            return {pick.choice(WORDS): self.value(schema.additional, depth + 1) for _ in range(pick.choice((0, 1, 2)))}
        chance = 0.7 if depth < 2 else 0.35 if depth < 6 else 0.15 if depth < 9 else 0.02
        made = {
            name: (None if pick.random() < 0.03 else self.value(child, depth + 1))
            for name, child in schema.properties.items()
            if pick.random() < (0.9 if name in schema.required else chance)
        }
        if depth == 0:
            made["metadata"] = made.get("metadata") or {}
        return made


def objects(resource, schema, count, seed=7):
    maker = Maker(seed)
    for _ in range(count):
        obj = maker.value(schema)
        obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind
        obj["metadata"].pop("managedFields", None)
        yield obj


STORED = [one for one in RESOURCES if "get" in one.verbs]


@pytest.mark.parametrize("resource", STORED, ids=lambda one: f"{one.group_resource}.{one.version}")
def test_any_object_of_a_kind_goes_through(resource):
    schema = schema_for(resource.api_version, resource.kind)
    key = (resource.api_version, resource.kind)
    last = None
    for given in objects(resource, schema, 25):
        assert unknown_fields(given, schema) == []
        obj = decode(given, schema)
        apply_defaults(*key, obj)
        again = copy.deepcopy(obj)
        apply_defaults(*key, again)
        assert again == obj
        for error in validate_create(*key, obj):
            assert str(error)
        assert all(warnings(*key, obj))
        json.dumps(to_table(resource, [obj], {}, now=NOW))
        if last is not None:
            for error in validate_update(*key, obj, last):
                assert str(error)
            tracked = track(last, obj, manager="m", schema=schema, now="T")
            assert {**tracked, "metadata": {**tracked["metadata"], "managedFields": 0}} == {
                **obj,
                "metadata": {**obj["metadata"], "managedFields": 0},
            }
            for call in (
                lambda last=last, given=given: strategic_merge.apply(last, given, schema),
                lambda last=last, given=given: apply(
                    last, decode(given, schema), manager="m", force=True, schema=schema, now="T"
                ),
            ):
                assert _refusal(call, schema) < 500
        last = obj


def _refusal(call, schema):
    try:
        decode(call(), schema)
    except APIError as error:
        return error.code
    return 0


@pytest.mark.parametrize("resource", STORED, ids=lambda one: f"{one.group_resource}.{one.version}")
def test_decoding_settles(resource):
    schema = schema_for(resource.api_version, resource.kind)
    for given in objects(resource, schema, 10, seed=11):
        once = decode(given, schema)
        assert decode(once, schema) == once


def test_damaged_objects_are_refused_with_a_bad_request():
    damage = random.Random(5)
    for resource in STORED:
        schema = schema_for(resource.api_version, resource.kind)
        for given in objects(resource, schema, 10, seed=3):
            _damage(given, damage)
            try:
                obj = decode(given, schema)
            except BadRequest:
                continue
            apply_defaults(resource.api_version, resource.kind, obj)
            validate_create(resource.api_version, resource.kind, obj)


def _damage(obj, pick):
    node = obj
    while True:
        keys = (
            [key for key in node if key not in ("apiVersion", "kind")]
            if isinstance(node, dict)
            else list(range(len(node)))
        )
        if not keys:
            return
        key = pick.choice(keys)
        if not isinstance(node[key], (dict, list)) or not node[key] or pick.random() < 0.3:
            node[key] = pick.choice((None, 1, "x", [], {}, [1], {"a": 1}, True, 1.5, [None], [[]]))
            return
        node = node[key]
