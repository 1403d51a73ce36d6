"""What a pod as a whole asks for: validation of its resources (KEP-2837) and of its claims to devices."""

from decimal import Decimal

from apimachinery.apis.core.container import validate_resources
from apimachinery.apis.field_rules import Errors, obeys
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, forbidden, invalid, not_supported, required
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import QuantityError, format_quantity, parse_quantity

_SUPPORTED = ("cpu", "memory")
_HUGE = "hugepages-"
_SOURCES = ("resourceClaimName", "resourceClaimTemplateName")


def validate(spec: Obj, path: FieldPath) -> Errors:
    """What is wrong with a pod's own requests and limits: they must hold those of its containers."""
    resources = spec["resources"]
    errors = validate_resources(resources, path, whole=True)
    if resources.get("claims"):
        errors.append(forbidden(path.child("claims"), "claims may not be set for Resources at pod-level"))
    for field in ("limits", "requests"):
        for name in resources.get(field) or {}:
            if name not in _SUPPORTED and not name.startswith(_HUGE):
                errors.append(not_supported(path.child(field).key(name), name, (*_SUPPORTED, _HUGE)))
    if errors:
        return errors
    for name, amount in (resources.get("requests") or {}).items():
        together = _sum_of_requests(spec, name)
        if together is not None and together > parse_quantity(amount):
            shown = format_quantity(together, like=str(amount))
            told = f"must be greater than or equal to aggregate container requests of {shown}"
            errors.append(invalid(path.child("requests").key(name), str(amount), told))
    return errors


def _sum_of_requests(spec: Obj, name: str) -> Decimal | None:
    total = Decimal(0)
    try:
        for one in spec.get("containers") or ():
            amount = ((one.get("resources") or {}).get("requests") or {}).get(name)
            total += parse_quantity(amount) if amount is not None else Decimal(0)
    except QuantityError:  # told where the container is checked
        return None
    return total


def validate_claims(claims: list[Obj], path: FieldPath) -> Errors:
    """What is wrong with a pod's claims to devices."""
    errors: Errors = []
    seen: set[str] = set()
    for position, claim in enumerate(claims):
        here, name = path.index(position), claim.get("name")
        if not name:
            errors.append(required(here.child("name")))
        elif name in seen:
            errors.append(duplicate(here.child("name"), name))
        else:
            errors.extend(obeys(name, here.child("name"), names.dns1123_label_problems))
        seen.add(name or "")
        given = [field for field in _SOURCES if claim.get(field) is not None]
        listed = "`resourceClaimName`, `resourceClaimTemplateName`"
        if len(given) == 2:
            errors.append(invalid(here, claim, f"at most one of {listed} may be specified"))
        elif not given:
            errors.append(invalid(here, claim, f"must specify one of: {listed}"))
        for field in given:
            errors.extend(obeys(claim[field], here.child(field), names.dns1123_subdomain_problems))
    return errors
