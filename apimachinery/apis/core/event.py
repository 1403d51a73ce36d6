"""Event (core and events.k8s.io): validation."""

from apimachinery.apis.field_rules import Errors
from apimachinery.objects.field_path import FieldPath, invalid
from apimachinery.objects.metadata import Obj


def validate(obj: Obj) -> Errors:
    """What is wrong with an Event: it lives in the namespace of what it is about."""
    core = "involvedObject" in obj
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    namespace = (obj.get("metadata") or {}).get("namespace")
    if about.get("namespace") and about["namespace"] != namespace:
        here = FieldPath("involvedObject" if core else "regarding").child("namespace")
        return [invalid(here, about["namespace"], "does not match event.namespace")]
    return []
