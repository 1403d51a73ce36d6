"""ResourceSlice: validation."""

from apimachinery.apis.core.pod_scheduling import validate_node_terms
from apimachinery.apis.field_rules import Errors, named, positive, quantity, unchanged
from apimachinery.apis.resource.device_class import validate_driver
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, invalid, required, too_many
from apimachinery.objects.metadata import Obj

_SPEC = FieldPath("spec")
_WHERE = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_ONE_OF = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_VALUES = ("int", "bool", "string", "version", "ints", "bools", "strings", "versions")
_MOST_DEVICES = 128
_MOST_ATTRIBUTES = 32
_IDENTIFIER_RULE = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
    "characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is "
    "'[A-Za-z_][A-Za-z0-9_]*')"
)


def validate(obj: Obj) -> Errors:
    """What is wrong with a ResourceSlice."""
    spec = obj.get("spec") or {}
    errors = validate_driver(spec.get("driver"), _SPEC.child("driver"))
    errors.extend(_pool(spec.get("pool") or {}, _SPEC.child("pool")))
    errors.extend(_place(spec))
    devices, here = spec.get("devices") or [], _SPEC.child("devices")
    if len(devices) > _MOST_DEVICES:
        errors.append(too_many(here, len(devices), _MOST_DEVICES))
    seen: set[str] = set()
    for position, device in enumerate(devices):
        where, name = here.index(position), device.get("name") or ""
        errors.extend(named(name, where.child("name"), names.dns1123_label_problems))
        if name in seen:
            errors.append(duplicate(where.child("name"), name))
        seen.add(name)
        errors.extend(_device(device, where))
    return errors


def _place(spec: Obj) -> Errors:
    given = [field for field in _WHERE if spec.get(field)]
    if not given:
        return [required(_SPEC, _ONE_OF)]
    if len(given) > 1:
        return [invalid(_SPEC, "{" + ", ".join(f"`{field}`" for field in given) + "}", _ONE_OF)]
    if given == ["nodeName"]:
        return named(spec["nodeName"], _SPEC.child("nodeName"), names.dns1123_subdomain_problems)
    if given != ["nodeSelector"]:
        return []
    terms, here = spec["nodeSelector"].get("nodeSelectorTerms") or [], _SPEC.child("nodeSelector", "nodeSelectorTerms")
    errors = [] if len(terms) == 1 else [invalid(here, terms, "must have exactly one node selector term")]
    return [*errors, *validate_node_terms(terms, here)]


def _pool(pool: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    name = pool.get("name")
    if not name:
        errors.append(required(here.child("name")))
    else:
        for part in name.split("/"):
            errors.extend(invalid(here.child("name"), part, why) for why in names.dns1123_subdomain_problems(part))
    errors.extend(positive(pool.get("resourceSliceCount") or 0, here.child("resourceSliceCount")))
    if (pool.get("generation") or 0) < 0:
        errors.append(invalid(here.child("generation"), pool["generation"], "must be greater than or equal to zero"))
    return errors


def _device(device: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    if len(attributes) + len(capacity) > _MOST_ATTRIBUTES:
        told = f"the total number of attributes and capacities must not exceed {_MOST_ATTRIBUTES}"
        errors.append(invalid(here, len(attributes) + len(capacity), told))
    for name, value in attributes.items():
        where = here.child("attributes").key(name)
        errors.extend(_qualified(name, where))
        given = [kind for kind in _VALUES if value.get(kind) is not None]
        if not given:
            errors.append(required(where, "exactly one value must be specified"))
        elif len(given) > 1:
            errors.append(invalid(where, value, "exactly one value must be specified"))
    for name, amount in capacity.items():
        where = here.child("capacity").key(name)
        errors.extend(_qualified(name, where))
        errors.extend(quantity(amount.get("value", "0"), where.child("value")))
    return errors


def _qualified(name: str, path: FieldPath) -> Errors:
    """A C identifier, with a domain before it or without."""
    domain, slash, identifier = name.rpartition("/")
    errors = [invalid(path, domain, why) for why in names.dns1123_subdomain_problems(domain)] if slash else []
    if not (identifier.isascii() and identifier.isidentifier()):
        errors.append(invalid(path, identifier, _IDENTIFIER_RULE))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a ResourceSlice that replaces another: it stays with its driver, pool and node."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate(new)
    for field in ("driver", "nodeName"):
        errors.extend(unchanged(after.get(field), before.get(field), _SPEC.child(field)))
    now, was = ((one.get("pool") or {}).get("name") for one in (after, before))
    return [*errors, *unchanged(now, was, _SPEC.child("pool", "name"))]
