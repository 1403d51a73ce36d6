"""How long a request may take: the server's limit, or what `?timeout=` asks for below that. Pure."""

from __future__ import annotations

import re

from apimachinery.errors import BadRequest

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"[+-]?(?:{_PART.pattern})+")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_TEXT = 64


def request_seconds(asked: str, most: float) -> float:
    """Return the seconds a request has; nothing, zero and too much mean the server's limit.

    Raises:
        BadRequest: what is asked for is no duration.
    """
    if not asked:
        return most
    if len(asked) > _MOST_TEXT or not asked.isprintable():
        raise _invalid("time: invalid duration", asked)
    if asked in ("0", "+0", "-0"):
        return most
    if _NUMBER.fullmatch(asked):
        raise _invalid("time: missing unit in duration", asked)
    if not _WHOLE.fullmatch(asked):
        raise _invalid("time: invalid duration", asked)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(asked))
    if asked.startswith("-"):
        seconds = -seconds
    return seconds if 0 < seconds < most else most


def _invalid(why: str, asked: str) -> BadRequest:
    return BadRequest(f'invalid timeout specified in the request URL - {why} "{asked[:_MOST_TEXT]}"')
