"""Event (core and events.k8s.io): validation."""

from apimachinery.apis.field_rules import Errors
from apimachinery.apis.object_meta import IMMUTABLE
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj

_NEW = "events.k8s.io/v1"
_MOST_NAME, _MOST_NOTE = 128, 1024
# What the new group may not set, and how the core group (whose words are used) calls it.
_OLD_FIELDS = {
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "deprecatedSource": "source",
}
_FIXED = ("action", "reason", "eventTime", "reportingController", "reportingInstance", "regarding")


def validate(obj: Obj) -> Errors:
    """What is wrong with an Event: it lives in the namespace of what it is about."""
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    namespace = (obj.get("metadata") or {}).get("namespace") or ""
    told = about.get("namespace") or ""
    if told != namespace and (told or namespace != "default"):
        return [invalid(FieldPath("involvedObject.namespace"), told, "does not match event.namespace")]
    return []


def validate_create(obj: Obj) -> Errors:
    """What only a new Event of the new group must obey."""
    if obj.get("apiVersion") != _NEW:
        return []
    errors: Errors = [] if obj.get("eventTime") else [required(FieldPath("eventTime"))]
    if obj.get("type") not in ("Normal", "Warning"):
        errors.append(invalid(FieldPath("type"), "", f"has invalid value: {obj.get('type') or ''}"))
    errors.extend(
        invalid(FieldPath(name), "", "needs to be unset") for field, name in _OLD_FIELDS.items() if obj.get(field)
    )
    controller, here = obj.get("reportingController") or "", FieldPath("reportingController")
    if not controller:
        errors.append(required(here))
    errors.extend(invalid(here, controller, problem) for problem in names.qualified_name_problems(controller))
    for field in ("reportingInstance", "action", "reason"):
        value = obj.get(field) or ""
        if not value:
            errors.append(required(FieldPath(field)))
        elif len(value) > _MOST_NAME:
            errors.append(invalid(FieldPath(field), "", f"can have at most {_MOST_NAME} characters"))
    if len(obj.get("note") or "") > _MOST_NOTE:
        errors.append(invalid(FieldPath("message"), "", f"can have at most {_MOST_NOTE} characters"))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with an Event that replaces another."""
    errors = validate(new)
    if new.get("apiVersion") == _NEW:
        changed = [field for field in _FIXED if new.get(field) != old.get(field)]
        errors.extend(invalid(FieldPath(field), new.get(field), IMMUTABLE) for field in changed)
    return errors
