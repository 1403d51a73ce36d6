"""CSIStorageCapacity: validation."""

from apimachinery.apis.field_rules import Errors, label_selector, named, quantity, unchanged
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath
from apimachinery.objects.metadata import Obj

_TOPOLOGY, _CLASS = FieldPath("nodeTopology"), FieldPath("storageClassName")


def validate(obj: Obj) -> Errors:
    """What is wrong with a CSIStorageCapacity."""
    errors = label_selector(obj.get("nodeTopology"), _TOPOLOGY)
    errors.extend(named(obj.get("storageClassName"), _CLASS, names.dns1123_subdomain_problems))
    for field in ("capacity", "maximumVolumeSize"):
        if obj.get(field) is not None:
            errors.extend(quantity(obj[field], FieldPath(field)))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a CSIStorageCapacity that replaces another: it speaks of the same place and class."""
    errors = validate(new)
    for path, field in ((_TOPOLOGY, "nodeTopology"), (_CLASS, "storageClassName")):
        errors.extend(unchanged(new.get(field), old.get(field), path))
    return errors
