"""What crosses the border to the CEL library: functions with their types, and values."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Function:
    """One overload; a member is called on its first parameter. Types are spelt as in CEL's own declarations."""

    name: str
    parameters: tuple[str, ...]
    result: str
    run: Callable[..., Any]
    member: bool = False


def as_value(value: Any) -> Any:
    """Return a value as the library takes it where no type is declared."""
    if isinstance(value, datetime.datetime):
        from google.protobuf.timestamp_pb2 import Timestamp

        out = Timestamp()
        out.FromDatetime(value)
        return out
    if isinstance(value, datetime.timedelta):
        from google.protobuf.duration_pb2 import Duration

        length = Duration()
        length.FromTimedelta(value)
        return length
    return value
