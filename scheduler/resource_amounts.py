"""Resource amounts as whole numbers: CPU in thousandths, everything else in units.

Pure. Integers add and compare much faster than exact decimals, and are exact too at
the granularity that scheduling knows.
"""

from __future__ import annotations

from decimal import ROUND_CEILING
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from apimachinery.objects.quantity import QuantityError, int_value, milli_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


@lru_cache(maxsize=4096)
def amount(resource: str, value: Any) -> int:
    """One quantity; a malformed one counts as nothing, since the API server refuses it anyway."""
    try:
        return milli_value(value) if resource == "cpu" else int_value(value)
    except QuantityError:
        return 0


def amounts(quantities: Mapping[str, Any]) -> dict[str, int]:
    """A resource list, as in `node.status.allocatable`."""
    return {name: amount(name, value) for name, value in quantities.items()}


def request_amounts(requests: Mapping[str, Decimal]) -> dict[str, int]:
    """Exact sums of a pod, rounded up once at the end."""
    return {
        name: int((number * 1000 if name == "cpu" else number).to_integral_value(rounding=ROUND_CEILING))
        for name, number in requests.items()
    }
