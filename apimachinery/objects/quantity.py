"""Resource quantities: `100m`, `1.5Gi`, `2e3`, exact, with upstream's canonical spelling."""

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Any

_FORM = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?$")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_BY_POWER = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_BY_POWER = {power: suffix for suffix, power in _BINARY.items()}
_NANO = Decimal("1e-9")
_MOST = Decimal(2**63 - 1)
_MOST_EXPONENT = 10_000


class QuantityError(ValueError):
    """The text is no quantity."""


@lru_cache(maxsize=4096)
def parse_quantity(value: Any) -> Decimal:
    """The exact number of a quantity (rounded up to nano and held to what 63 bits count, as upstream does).

    Raises:
        QuantityError: if it is none.
    """
    match = _FORM.match(str(value))
    if match is None:
        raise QuantityError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _BINARY:
        number *= Decimal(1024) ** _BINARY[suffix]
    elif suffix in _DECIMAL:
        number = number.scaleb(_DECIMAL[suffix])
    else:
        number = number.scaleb(min(max(int(suffix[1:]), -_MOST_EXPONENT), _MOST_EXPONENT))
    if abs(number) > _MOST:
        number = _MOST.copy_sign(number)
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -9:
        number = number.quantize(_NANO, rounding=ROUND_CEILING)
    return number


def format_quantity(number: Decimal | int, *, like: str = "") -> str:
    """The canonical spelling of a number.

    Args:
        number: The exact value.
        like: A quantity whose form (binary or decimal suffixes) is kept.
    """
    value = Decimal(number)
    if not value:
        return "0"
    if like[-1:] == "i" and value == value.to_integral_value() and abs(value) >= 1024:
        whole, power = int(value), 0
        while power < 6 and whole % 1024 == 0:
            whole //= 1024
            power += 1
        return f"{whole}{_BINARY_BY_POWER.get(power, '')}"
    power = -9
    scaled = value.scaleb(9)
    whole = int(scaled.to_integral_value(rounding=ROUND_CEILING))
    while power < 18 and whole % 1000 == 0:
        whole //= 1000
        power += 3
    return f"{whole}{_DECIMAL_BY_POWER[power]}"


def canonical(value: Any) -> str:
    """The canonical spelling of a quantity's text.

    Raises:
        QuantityError: if it is none.
    """
    text = str(value)
    return format_quantity(parse_quantity(text), like=text)


def milli_value(value: Any) -> int:
    """A quantity in thousandths, rounded up (CPU)."""
    return int((parse_quantity(value) * 1000).to_integral_value(rounding=ROUND_CEILING))


def int_value(value: Any) -> int:
    """A quantity in whole units, rounded up (bytes, counts)."""
    return int(parse_quantity(value).to_integral_value(rounding=ROUND_CEILING))


cpu_milli = milli_value
to_bytes = int_value


def add(left: dict[str, Any], right: dict[str, Any]) -> dict[str, str]:
    """The sum of two resource lists."""
    total = {name: str(value) for name, value in left.items()}
    for name, value in right.items():
        if name in total:
            total[name] = format_quantity(parse_quantity(total[name]) + parse_quantity(value), like=total[name])
        else:
            total[name] = str(value)
    return total
