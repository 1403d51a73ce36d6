"""ConfigMap: validation."""

from apimachinery.apis.core.environment import config_key_problems
from apimachinery.apis.field_rules import Errors
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, too_long
from apimachinery.objects.metadata import Obj

MOST_BYTES = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"
_DATA, _BINARY = FieldPath("data"), FieldPath("binaryData")


def validate(obj: Obj) -> Errors:
    """What is wrong with a ConfigMap."""
    errors: Errors = []
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    size = 0
    for key, value in data.items():
        errors.extend(invalid(_DATA.key(key), key, problem) for problem in config_key_problems(key))
        if key in binary:
            errors.append(invalid(_DATA.key(key), key, "duplicate of key present in binaryData"))
        size += len(value.encode())
    for key, value in binary.items():
        errors.extend(invalid(_BINARY.key(key), key, problem) for problem in config_key_problems(key))
        size += len(value) * 3 // 4
    if size > MOST_BYTES:
        errors.append(too_long(FieldPath(), "", MOST_BYTES))
    return errors


def frozen(new: Obj, old: Obj, fields: tuple[str, ...]) -> Errors:
    """What an immutable ConfigMap or Secret may not change."""
    if not old.get("immutable"):
        return []
    errors = [] if new.get("immutable") else [forbidden(FieldPath("immutable"), _FROZEN)]
    errors.extend(forbidden(FieldPath(field), _FROZEN) for field in fields if new.get(field) != old.get(field))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a ConfigMap that replaces another."""
    return [*frozen(new, old, ("data", "binaryData")), *validate(new)]
