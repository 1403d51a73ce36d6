"""Secret."""

import base64
import json

from apimachinery.apis.core.config_map import MOST_BYTES, frozen
from apimachinery.apis.core.environment import config_key_problems
from apimachinery.apis.field_rules import Errors, unchanged
from apimachinery.objects.field_path import FieldPath, invalid, required, too_long
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a Secret, in place; `stringData` becomes `data`."""
    text = obj.pop("stringData", None)
    if text:
        data = obj.setdefault("data", {})
        for key, value in text.items():
            data[key] = base64.b64encode(value.encode()).decode()
    if not obj.get("type"):
        obj["type"] = "Opaque"


_DATA = FieldPath("data")
_ACCOUNT = "kubernetes.io/service-account.name"
# What each type must have.
_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_JSON_KEYS = (".dockercfg", ".dockerconfigjson")


def validate(obj: Obj) -> Errors:
    """What is wrong with a Secret."""
    errors: Errors = []
    data = obj.get("data") or {}
    size = 0
    for key, value in data.items():
        errors.extend(invalid(_DATA.key(key), key, problem) for problem in config_key_problems(key))
        size += len(value) * 3 // 4
    if size > MOST_BYTES:
        errors.append(too_long(_DATA, "", MOST_BYTES))
    kind = obj.get("type") or ""
    if kind == "kubernetes.io/service-account-token":
        annotations = (obj.get("metadata") or {}).get("annotations") or {}
        if not annotations.get(_ACCOUNT):
            errors.append(required(FieldPath("metadata").child("annotations").key(_ACCOUNT)))
    if kind == "kubernetes.io/basic-auth" and not data.get("username") and not data.get("password"):
        errors.extend(required(_DATA.key(key)) for key in ("username", "password"))
    for key in _KEYS.get(kind, ()):
        if key not in data:
            errors.append(required(_DATA.key(key)))
        elif key in _JSON_KEYS and not _is_json(data[key]):
            errors.append(invalid(_DATA.key(key), "<secret contents redacted>", "invalid character in JSON"))
    return errors


def _is_json(text: str) -> bool:
    try:
        json.loads(base64.b64decode(text))
    except ValueError:
        return False
    return True


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a Secret that replaces another."""
    errors = unchanged(new.get("type"), old.get("type"), FieldPath("type"))
    return [*errors, *frozen(new, old, ("data",)), *validate(new)]
