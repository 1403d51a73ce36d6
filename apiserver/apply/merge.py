"""Server-side apply: merges an applied configuration into the live object and settles who owns what.

Pure. The result is the live object with the configuration's fields, without the fields the manager applied before and
no longer does (if nobody else owns them), and with `metadata.managedFields` brought up to date.
"""

import json
from typing import Any

from apimachinery.errors import BadRequest, Conflict
from apimachinery.objects.metadata import Obj
from apimachinery.schema.tables import Schema
from apiserver.apply.comparison import compare
from apiserver.apply.conflicts import conflict_error
from apiserver.apply.field_set import (
    ConfigurationError,
    Fields,
    child_schema,
    difference,
    intersection,
    is_atomic,
    is_granular_list,
    item_key,
    of_value,
    ordered,
    union,
)
from apiserver.apply.managed_fields import Identity, Managers, Owned, empty_of, owned_part, read, updated, write

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_BEFORE_FIRST_APPLY = "before-first-apply"
_ANY = Schema()


def apply(
    live: Obj | None,
    applied: Obj,
    *,
    manager: str,
    force: bool,
    schema: Schema | None,
    subresource: str = "",
    now: str,
) -> Obj:
    """The object after an apply.

    Args:
        live: The stored object; None if there is none yet.
        applied: The configuration.
        manager: The field manager.
        force: Take fields from other managers.
        schema: The shape of the kind; without it, lists are atomic.
        subresource: Through which it is applied.
        now: The present, as a Time.

    Raises:
        Conflict: with a cause per field, if fields of others would change and `force` is not given.
        BadRequest: if the configuration has list items without their keys.
    """
    shape = schema or _ANY
    identity = Identity(manager, "Apply", str(applied.get("apiVersion", "")), subresource)
    managers = read(live)
    if live is not None and not managers:
        first = Identity(_BEFORE_FIRST_APPLY, "Update", str(live.get("apiVersion", "")))
        managers = updated(None, live, {}, first, shape, now)
    try:
        return _applied(live, applied, identity, managers, shape, now, force=force)
    except Conflict:
        if manager != "kubectl" or force or live is None or not _explained(live, applied, managers, identity, shape):
            raise
        return _applied(live, applied, identity, managers, shape, now, force=True)


def _applied(
    live: Obj | None, applied: Obj, identity: Identity, managers: Managers, schema: Schema, now: str, *, force: bool
) -> Obj:
    config = _configuration(applied, identity.subresource)
    mine = _owned_fields(config, schema, applied)
    base = live if live is not None else {**empty_of(applied), "metadata": {}}
    merged = merge_values(_without_owners(base), config, schema)
    before = managers.get(identity)
    after = {one: owned for one, owned in managers.items() if one != identity}
    if before is not None:
        theirs: Fields = mine
        for owned in after.values():
            theirs = union(theirs, owned.fields)
        merged = _pruned(merged, before.fields, theirs, schema, root=True)
    found = compare(_without_owners(base), merged, schema)
    changed = owned_part(union(found.added, found.modified), identity.subresource)
    conflicts = {one: both for one, owned in after.items() if (both := intersection(owned.fields, changed))}
    if conflicts and not force:
        raise conflict_error(conflicts)
    settled: Managers = {}
    for one, owned in after.items():
        left = difference(owned.fields, conflicts[one]) if one in conflicts else owned.fields
        left = difference(left, found.removed)
        if left:
            settled[one] = owned if left == owned.fields else Owned(left, owned.time)
    if mine:
        same = before is not None and before.fields == mine and found.is_same()
        settled[identity] = before if same and before is not None else Owned(ordered(mine), now)
    made = {**merged, "metadata": dict(merged.get("metadata") or {})}
    write(made, settled)
    _refresh_last_applied(live, applied, identity.manager, made)
    return made


def _refresh_last_applied(live: Obj | None, applied: Obj, manager: str, made: Obj) -> None:
    """Keep kubectl's own annotation true, where an object has it, so that client-side apply can go on later."""
    annotations = ((live or {}).get("metadata") or {}).get("annotations") or {}
    if manager != "kubectl" or LAST_APPLIED not in annotations:
        return
    kept = _without_owners(applied)
    text = json.dumps(kept, separators=(",", ":"), sort_keys=True) + "\n"
    metadata = made["metadata"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), LAST_APPLIED: text}


def _configuration(applied: Obj, subresource: str) -> Obj:
    made = _without_owners(applied)
    if not subresource:
        made.pop("status", None)
    return made


def _without_owners(obj: Obj) -> Obj:
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def _owned_fields(config: Obj, schema: Schema, applied: Obj) -> Fields:
    try:
        return owned_part(of_value(config, schema), "any")
    except ConfigurationError as error:
        metadata = applied.get("metadata") or {}
        named = "/".join(text for text in (metadata.get("namespace"), metadata.get("name")) if text)
        raise BadRequest(
            f"failed to create typed patch object ({named}; {applied.get('apiVersion')}, Kind={applied.get('kind')}): "
            f"{error.text}"
        ) from error


def merge_values(old: Any, new: Any, schema: Schema) -> Any:
    """The old value with the new one merged into it."""
    if type(old) is not type(new) or is_atomic(schema, new):
        return new
    if type(new) is dict:
        made = dict(old)
        for field, item in new.items():
            if item is None:
                made.pop(field, None)
            elif field in made:
                made[field] = merge_values(made[field], item, child_schema(schema, field))
            else:
                made[field] = item
        return made
    return _merged_lists(old, new, schema)


def _merged_lists(old: list[Any], new: list[Any], schema: Schema) -> list[Any]:
    items = schema.items or _ANY
    before = [(item_key(item, schema), item) for item in old]
    after = [(item_key(item, schema), item) for item in new]
    old_by_key = dict(before)
    keys = {key for key, _ in after}
    made: list[Any] = []
    right = 0
    for key, item in before:
        if key not in keys:
            made.append(item)
            continue
        place = next((index for index in range(right, len(after)) if after[index][0] == key), None)
        if place is None:
            continue
        while right <= place:
            name, value = after[right]
            made.append(merge_values(old_by_key[name], value, items) if name in old_by_key else value)
            right += 1
    made.extend(
        merge_values(old_by_key[name], value, items) if name in old_by_key else value for name, value in after[right:]
    )
    return made


def _pruned(value: Any, gone: Fields, owned: Fields, schema: Schema, *, root: bool = False) -> Any:
    """A value without the fields that its manager no longer applies and nobody owns."""
    if type(value) is dict:
        made = dict(value)
        for key, node in gone.items():
            if key[:2] != "f:" or key[2:] not in made:
                continue
            field = key[2:]
            if key not in owned and not (root and field == "metadata"):
                del made[field]
            elif node:
                made[field] = _pruned(made[field], node, owned.get(key, {}), child_schema(schema, field))
        return made
    if type(value) is list and is_granular_list(schema):
        return _pruned_list(value, gone, owned, schema)
    return value


def _pruned_list(value: list[Any], gone: Fields, owned: Fields, schema: Schema) -> list[Any]:
    items = schema.items or _ANY
    made = []
    for item in value:
        key = item_key(item, schema)
        node = gone.get(key)
        if node is None:
            made.append(item)
        elif key in owned:
            kept = _pruned(item, node, owned[key], items) if node else item
            if type(kept) is dict:
                kept = {**{name: item[name] for name in schema.list_map_keys if name in item}, **kept}
            made.append(kept)
    return made


def _explained(live: Obj, applied: Obj, managers: Managers, identity: Identity, schema: Schema) -> bool:
    """Whether all conflicts are with fields that client-side apply has set and that nobody changed since."""
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    if not text:
        return False
    try:
        last = json.loads(text)
        allowed = owned_part(of_value(last, schema), "any")
    except (ValueError, TypeError):
        return False
    merged = merge_values(_without_owners(live), last, schema)
    drifted = compare(_without_owners(live), merged, schema)
    allowed = difference(allowed, union(drifted.modified, drifted.added))
    after = merge_values(_without_owners(live), _configuration(applied, identity.subresource), schema)
    found = compare(_without_owners(live), after, schema)
    changed = union(found.added, found.modified)
    return all(
        not difference(intersection(owned.fields, changed), allowed)
        for one, owned in managers.items()
        if one != identity
    )
