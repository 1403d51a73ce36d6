"""Times as the API writes them: RFC 3339 in UTC, whole seconds (Time) or microseconds (MicroTime)."""

import datetime

from component.clock import Clock


def format_time(moment: datetime.datetime) -> str:
    """A Time: `2026-11-23T20:18:11Z`."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(moment: datetime.datetime) -> str:
    """A MicroTime: `2026-11-23T20:18:11.123456Z`."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now(clock: Clock | None = None) -> str:
    """The present as a Time."""
    return format_time((clock or Clock()).now())


now_rfc3339 = now


def now_micro(clock: Clock | None = None) -> str:
    """The present as a MicroTime."""
    return format_micro_time((clock or Clock()).now())


def parse_time(text: str) -> datetime.datetime:
    """A Time or MicroTime.

    Raises:
        ValueError: if it is neither.
    """
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment


def seconds_since(text: str, moment: datetime.datetime) -> float:
    """Seconds from a Time to a moment."""
    return (moment - parse_time(text)).total_seconds()


def format_duration(seconds: float) -> str:
    """A short human duration, as kubectl's AGE: `5s`, `3m12s`, `4h`, `2d3h`, `400d`."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    if total < 60 * 2:
        return f"{total}s"
    minutes = total // 60
    if minutes < 10:
        rest = total % 60
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if minutes < 60 * 3:
        return f"{minutes}m"
    hours = total // 3600
    if hours < 8:
        rest = minutes % 60
        return f"{hours}h{rest}m" if rest else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if days < 8:
        rest = hours % 24
        return f"{days}d{rest}h" if rest else f"{days}d"
    if days < 365 * 2:
        return f"{days}d"
    years = days // 365
    if years < 8:
        rest = days % 365
        return f"{years}y{rest}d" if rest else f"{years}y"
    return f"{years}y"
