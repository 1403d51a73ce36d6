"""Rules that fields of many kinds obey: numbers, choices, ports, names, quantities, selectors. All return errors."""

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from apimachinery.apis.object_meta import validate_labels
from apimachinery.objects import names
from apimachinery.objects.field_path import (
    FieldError,
    FieldPath,
    forbidden,
    invalid,
    not_supported,
    required,
)
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import QuantityError, parse_quantity

NON_NEGATIVE = "must be greater than or equal to 0"
PORT_RANGE = "must be between 1 and 65535, inclusive"
_MOST_PORT = 65535
_EVERYTHING = 100
Errors = list[FieldError]


def non_negative(value: Any, path: FieldPath) -> Errors:
    """A number that is not below zero, if given."""
    return [invalid(path, value, NON_NEGATIVE)] if value is not None and value < 0 else []


def one_of(value: Any, path: FieldPath, choices: Sequence[str]) -> Errors:
    """One of a few words; must be given."""
    if not value:
        return [required(path)]
    return [] if value in choices else [not_supported(path, value, sorted(choices))]


def optional_one_of(value: Any, path: FieldPath, choices: Sequence[str]) -> Errors:
    """One of a few words, or nothing."""
    return [] if value is None or value in choices else [not_supported(path, value, sorted(choices))]


def port_number(value: Any, path: FieldPath) -> Errors:
    """A port from 1 to 65535."""
    return [] if type(value) is int and 1 <= value <= _MOST_PORT else [invalid(path, value, PORT_RANGE)]


def port_or_name(value: Any, path: FieldPath) -> Errors:
    """A port's number or its name."""
    if type(value) is int:
        return port_number(value, path)
    return [invalid(path, value, problem) for problem in names.port_name_problems(str(value or ""))]


def named(value: Any, path: FieldPath, problems: Callable[[str], list[str]]) -> Errors:
    """A name that must be given and obey a rule."""
    if not value:
        return [required(path)]
    return [invalid(path, value, problem) for problem in problems(value)]


def obeys(value: Any, path: FieldPath, problems: Callable[[str], list[str]]) -> Errors:
    """A name that obeys a rule, if given."""
    return [invalid(path, value, problem) for problem in problems(value)] if value else []


def ip_address(value: Any, path: FieldPath) -> Errors:
    """An IP address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return [invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")]
    return []


def cidr(value: Any, path: FieldPath) -> Errors:
    """A network."""
    try:
        if "/" not in str(value):
            raise ValueError(value)
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return [invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")]
    return []


def canonical_cidr(value: Any, path: FieldPath) -> Errors:
    """A network in canonical form: no host bits, no leading zeros, IPv6 as short as it goes."""
    errors = cidr(value, path)
    if errors:
        return errors
    exact = str(ipaddress.ip_network(value, strict=False))
    return [] if value == exact else [invalid(path, value, f'must be in canonical form ("{exact}")')]


def quantity(value: Any, path: FieldPath) -> Errors:
    """A quantity that is not below zero."""
    try:
        number = parse_quantity(value)
    except QuantityError as error:
        return [invalid(path, value, str(error))]
    return [invalid(path, str(value), NON_NEGATIVE)] if number < 0 else []


def percent_or_number(value: Any, path: FieldPath) -> Errors:
    """A count that is not below zero, or a percentage."""
    if isinstance(value, str):
        if value[:-1].isdigit() and value.endswith("%"):
            return []
        return [
            invalid(
                path,
                value,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
                "regex used for validation is '[0-9]+%')",
            )
        ]
    return non_negative(value, path)


def at_most_everything(value: Any, path: FieldPath) -> Errors:
    """A percentage that is not above 100, or a number."""
    if isinstance(value, str) and value[:-1].isdigit() and value.endswith("%") and int(value[:-1]) > _EVERYTHING:
        return [invalid(path, value, "must not be greater than 100%")]
    return []


def positive(value: Any, path: FieldPath, detail: str = "must be greater than zero") -> Errors:
    """A number that is above zero, if given."""
    return [invalid(path, value, detail)] if value is not None and value <= 0 else []


def positive_quantity(value: Any, path: FieldPath) -> Errors:
    """A quantity that is above zero."""
    errors = quantity(value, path)
    if errors or parse_quantity(value) > 0:
        return errors
    return [invalid(path, str(value), "must be greater than zero")]


_SPECIAL_ADDRESSES = (
    ("is_unspecified", "may not be unspecified (0.0.0.0 or ::)"),
    ("is_loopback", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
    ("is_link_local", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
)
_LOCAL_MULTICAST = tuple(ipaddress.ip_network(one) for one in ("224.0.0.0/24", "ff02::/16"))


def endpoint_address(value: Any, path: FieldPath) -> Errors:
    """An IP address that other hosts can reach."""
    errors = ip_address(value, path)
    if errors:
        return errors
    address = ipaddress.ip_address(value)
    for attribute, told in _SPECIAL_ADDRESSES:
        if getattr(address, attribute):
            return [invalid(path, value, told)]
    if any(address in network for network in _LOCAL_MULTICAST):
        return [invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")]
    return []


_SELECTOR_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def label_selector(selector: Obj | None, path: FieldPath) -> Errors:
    """A LabelSelector."""
    if not selector:
        return []
    errors = validate_labels(selector.get("matchLabels"), path.child("matchLabels"))
    for position, row in enumerate(selector.get("matchExpressions") or ()):
        here = path.child("matchExpressions").index(position)
        operator, values = row.get("operator"), row.get("values") or ()
        if operator in ("In", "NotIn"):
            if not values:
                errors.append(required(here.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                errors.append(
                    forbidden(
                        here.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    )
                )
        else:
            errors.append(invalid(here.child("operator"), operator or "", "not a valid selector operator"))
        errors.extend(
            invalid(here.child("key"), row.get("key") or "", problem)
            for problem in names.qualified_name_problems(row.get("key") or "")
        )
        for index, value in enumerate(values):
            errors.extend(
                invalid(here.child("values").index(index), value, problem)
                for problem in names.label_value_problems(value)
            )
    return errors


def unchanged(new: Any, old: Any, path: FieldPath, detail: str = "field is immutable") -> Errors:
    """A field that may not change."""
    return [] if new == old else [invalid(path, new, detail)]
