"""RuntimeClass: validation."""

from apimachinery.apis.core.container import validate_resources
from apimachinery.apis.core.pod_scheduling import validate_tolerations
from apimachinery.apis.field_rules import Errors, named, unchanged
from apimachinery.apis.object_meta import validate_labels
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate
from apimachinery.objects.metadata import Obj

_HANDLER = FieldPath("handler")


def validate(obj: Obj) -> Errors:
    """What is wrong with a RuntimeClass."""
    errors = named(obj.get("handler"), _HANDLER, names.dns1123_label_problems)
    fixed = (obj.get("overhead") or {}).get("podFixed")
    if fixed:
        errors.extend(validate_resources({"limits": fixed}, FieldPath("overhead.podFixed"), whole=True))
    scheduling = obj.get("scheduling") or {}
    errors.extend(validate_labels(scheduling.get("nodeSelector"), FieldPath("scheduling.nodeSelector")))
    tolerations, here = scheduling.get("tolerations") or [], FieldPath("scheduling.tolerations")
    errors.extend(validate_tolerations(tolerations, here))
    for position, one in enumerate(tolerations):
        if one in tolerations[:position]:
            errors.append(duplicate(here.index(position), one))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a RuntimeClass that replaces another."""
    errors = validate(new) if {**new, "metadata": 0} != {**old, "metadata": 0} else []
    return errors + unchanged(new.get("handler"), old.get("handler"), _HANDLER)
