"""Strategic merge patch: like merge patch, but lists whose schema names a merge key are merged item by item.

Directives: `$patch: delete | replace | merge`, `$deleteFromPrimitiveList/<field>`, `$setElementOrder/<field>`,
`$retainKeys`. Where the schema knows nothing of a field, maps are merged and lists are replaced.
"""

from collections.abc import Callable
from typing import Any

from apimachinery.errors import BadRequest
from apimachinery.schema.tables import Schema

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_KNOWN = ("delete", "replace", "merge")

Map = dict[str, Any]
Items = list[Any]


def apply(doc: Any, patch: Any, schema: Schema | None) -> Any:
    """The document after the patch; what the patch does not touch is shared with the given one.

    Raises:
        BadRequest: if the patch is malformed or does not fit the document.
    """
    if not isinstance(patch, dict):
        raise BadRequest("error decoding patch: a strategic merge patch must be a JSON object")
    return _merge_map(doc if isinstance(doc, dict) else {}, patch, schema)


def _child(schema: Schema | None, field: str) -> Schema | None:
    if schema is None:
        return None
    return schema.properties.get(field) or schema.additional


def _merge_map(original: Map, patch: Map, schema: Schema | None) -> Map:
    directive = patch.get(_DIRECTIVE)
    if directive is not None and directive != "merge":
        return _replaced(patch, directive)
    made = dict(original)
    if _RETAIN in patch:
        _retain(made, patch)
    ordered = _merge_parallel_lists(made, patch, schema) if any(key[:1] == "$" for key in patch) else ()
    for key, value in patch.items():
        if key in ordered or (key[:1] == "$" and _is_directive(key)):
            continue
        if value is None:
            made.pop(key, None)
        elif key not in made or type(made[key]) is not type(value):
            made[key] = _without_directives(value)
        elif type(value) is dict:
            made[key] = _merge_map(made[key], value, _child(schema, key))
        elif type(value) is list:
            made[key] = _merge_list(made[key], value, _child(schema, key))
        else:
            made[key] = value
    return made


def _replaced(patch: Map, directive: Any) -> Map:
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != _DIRECTIVE}
    if directive == "delete":
        return {}
    raise BadRequest(f"unknown patch type: {directive}")


def _merge_parallel_lists(made: Map, patch: Map, schema: Schema | None) -> set[str]:
    """Carry out the `$…/<field>` keys; the fields that are done with."""
    ordered = set()
    for key, value in patch.items():
        if key.startswith(_DELETE_FROM):
            _delete_primitives(made, key.removeprefix(_DELETE_FROM), value, patch)
    for key, value in patch.items():
        if key.startswith(_ORDER):
            field = key.removeprefix(_ORDER)
            ordered.add(field)
            _merge_ordered(made, field, value, patch, _child(schema, field))
    return ordered


def _is_directive(key: str) -> bool:
    return key in (_DIRECTIVE, _RETAIN) or key.startswith((_ORDER, _DELETE_FROM))


def _retain(made: Map, patch: Map) -> None:
    kept = patch[_RETAIN]
    if not isinstance(kept, list):
        raise BadRequest("invalid patch format of retainKeys")
    names = set(kept)
    for key, value in patch.items():
        if value is not None and not _is_directive(key) and key not in names:
            raise BadRequest("patch contains a key that is not in the retainKeys list")
    for key in list(made):
        if key not in names:
            del made[key]


def _delete_primitives(made: Map, field: str, gone: Any, patch: Map) -> None:
    if not isinstance(gone, list):
        raise BadRequest("invalid patch format of deletePrimitiveList")
    current = made.get(field)
    if not isinstance(current, list):
        return
    made[field] = [item for item in current if item not in gone]
    if not made[field] and field not in patch:
        del made[field]


def _merges(schema: Schema | None) -> bool:
    return schema is not None and "merge" in schema.patch_strategy


def _merge_list(original: Items, patch: Items, schema: Schema | None) -> Items:
    if not _merges(schema):
        return [_without_directives(item) for item in patch]
    assert schema is not None
    if not original and not patch:
        return original
    if not any(type(item) is dict for item in original) and not any(type(item) is dict for item in patch):
        merged: Items = []
        for item in (*original, *patch):
            if item not in merged:
                merged.append(item)
        return _in_order(merged, patch, original, lambda item: item)
    key = schema.patch_merge_key
    if not key:
        raise BadRequest("cannot merge lists without merge key for type " + (schema.name or "list"))
    identity = _identity_by(key)
    original, patch, replaced = _special_items(original, patch, key)
    if replaced:
        return original
    merged = list(original)
    positions = {_hashable(identity(item)): index for index, item in reversed(list(enumerate(merged)))}
    for item in patch:
        value = _hashable(identity(item))
        if value in positions:
            at = positions[value]
            merged[at] = _merge_map(merged[at], item, schema.items)
        else:
            positions[value] = len(merged)
            merged.append(_without_directives(item))
    return _in_order(merged, patch, original, identity)


def _identity_by(key: str) -> Callable[[Any], Any]:
    def identity(item: Any) -> Any:
        if not isinstance(item, dict):
            raise BadRequest("expected all elements in the list to be maps")
        if key not in item:
            raise BadRequest(f"map: {item} does not contain declared merge key: {key}")
        return item[key]

    return identity


def _hashable(value: Any) -> Any:
    return str(value) if isinstance(value, (dict, list)) else value


def _special_items(original: Items, patch: Items, key: str) -> tuple[Items, Items, bool]:
    """Carry out items with a `$patch`: (what is left of the original, the plain items, it was a replacement)."""
    plain: Items = []
    deleted: Items = []
    replace = False
    for item in patch:
        directive = item.get(_DIRECTIVE) if isinstance(item, dict) else None
        if directive is None:
            plain.append(item)
        elif directive == "delete":
            if key not in item:
                raise BadRequest("delete patch type with no merge key defined")
            deleted.append(item[key])
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise BadRequest("merging lists cannot yet be specified in the patch")
        else:
            raise BadRequest(f"unknown patch type: {directive}")
    if replace:
        return [_without_directives(item) for item in plain], [], True
    if deleted:
        original = [item for item in original if not (isinstance(item, dict) and item.get(key) in deleted)]
    return original, plain, False


def _in_order(merged: Items, wanted: Items, before: Items, identity: Callable[[Any], Any]) -> Items:
    """The items that `wanted` names in its order, the others between them as they stood before."""
    rank: dict[Any, int] = {}
    for position, item in enumerate(wanted):
        rank.setdefault(_hashable(identity(item)), position)
    old: dict[Any, int] = {}
    for position, item in enumerate(before):
        old.setdefault(_hashable(identity(item)), position)
    keyed = [(_hashable(identity(item)), item) for item in merged]
    named = sorted((one for one in keyed if one[0] in rank), key=lambda one: rank[one[0]])
    others = sorted((one for one in keyed if one[0] not in rank), key=lambda one: old.get(one[0], len(old)))
    made: Items = []
    left = right = 0
    while left < len(others) or right < len(named):
        if left == len(others):
            take_other = False
        elif right == len(named):
            take_other = True
        else:
            first, second = old.get(others[left][0]), old.get(named[right][0])
            take_other = first is not None and second is not None and first < second
        if take_other:
            made.append(others[left][1])
            left += 1
        else:
            made.append(named[right][1])
            right += 1
    return made


def _merge_ordered(made: Map, field: str, order: Any, patch: Map, schema: Schema | None) -> None:
    """Merge a list for which the patch gives an order."""
    if not isinstance(order, list):
        raise BadRequest("invalid patch format of setElementOrder list")
    current = made.get(field)
    given = patch.get(field)
    if field in patch and given is None:
        made.pop(field, None)
        return
    if current is not None and not isinstance(current, list):
        raise BadRequest(f"expected a list at {field}")
    if given is not None and not isinstance(given, list):
        raise BadRequest(f"expected a list at {field}")
    if current is None and given is None:
        return
    key = schema.patch_merge_key if schema is not None else ""
    identity: Callable[[Any], Any] = _identity_by(key) if key else (lambda item: item)
    _check_order(given or [], order, identity)
    if not given:
        merged = current or []
    elif not current:
        merged = _without_directives(given)
    else:
        merged = _merge_list(current, given, schema)
    made[field] = _in_order(merged, order, current or [], identity)


def _check_order(given: Items, order: Items, identity: Callable[[Any], Any]) -> None:
    places = {_hashable(identity(item)): position for position, item in enumerate(order)}
    last = -1
    for item in given:
        if isinstance(item, dict) and item.get(_DIRECTIVE) in _KNOWN:
            continue
        place = places.get(_hashable(identity(item)))
        if place is None or place < last:
            raise BadRequest(f"The order in patch list:\n{given}\n doesn't match $setElementOrder list:\n{order}\n")
        last = place


def _without_directives(value: Any) -> Any:
    """A value that is new to the document: without nulls and directives."""
    if type(value) is dict:
        if value.get(_DIRECTIVE) == "delete":
            return {}
        return {
            key: _without_directives(item)
            for key, item in value.items()
            if item is not None and not (key[:1] == "$" and _is_directive(key))
        }
    if type(value) is list:
        return [
            _without_directives(item)
            for item in value
            if not (type(item) is dict and item.get(_DIRECTIVE) in ("delete", "replace"))
        ]
    return value
