"""Cron schedules as CronJobs write them: five fields, names, steps, `@hourly` and its like, `@every 1h30m`.

Where both the day of the month and the day of the week are restricted, either is enough, as in cron.
"""

import datetime
import re
from dataclasses import dataclass, field
from typing import Final

_MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, _MONTHS), (0, 6, _DAYS))
_EVERY: Final = re.compile(r"@every (?=.)((?P<h>\d+)h)?((?P<m>\d+)m)?((?P<s>\d+)s)?")
_MOST_YEARS: Final = 5


class ScheduleError(ValueError):
    """A schedule that can't be read; the text tells why."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is due.

    Attributes:
        minutes: Of the hour.
        hours: Of the day.
        days: Of the month.
        months: Of the year.
        weekdays: Sunday is 0.
        either_day: Whether a day of the month or a day of the week is enough.
        every: A fixed distance instead of all that.
    """

    minutes: frozenset[int] = field(default_factory=frozenset)
    hours: frozenset[int] = field(default_factory=frozenset)
    days: frozenset[int] = field(default_factory=frozenset)
    months: frozenset[int] = field(default_factory=frozenset)
    weekdays: frozenset[int] = field(default_factory=frozenset)
    either_day: bool = False
    every: datetime.timedelta | None = None

    def _is_day(self, moment: datetime.datetime) -> bool:
        of_month, of_week = moment.day in self.days, (moment.isoweekday() % 7) in self.weekdays
        return of_month or of_week if self.either_day else of_month and of_week

    def next(self, after: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime | None:
        """Return the first time after a moment, in UTC; None where there is none within five years.

        Args:
            after: The moment; it has a time zone.
            zone: Whose clock the fields are of.
        """
        utc = datetime.UTC
        if self.every is not None:
            return after.astimezone(utc).replace(microsecond=0) + self.every
        moment = after.astimezone(utc).replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
        end = moment + datetime.timedelta(days=366 * _MOST_YEARS)
        while moment < end:
            local = moment.astimezone(zone)
            if local.month not in self.months:
                first = local.replace(day=1, hour=0, minute=0, fold=0) + datetime.timedelta(days=32)
                moment = first.replace(day=1).astimezone(utc)
            elif not self._is_day(local):
                midnight = local.replace(hour=0, minute=0, fold=0) + datetime.timedelta(days=1)
                moment = midnight.astimezone(utc)
            elif local.hour not in self.hours:
                moment += datetime.timedelta(minutes=60 - local.minute)
            elif local.minute not in self.minutes:
                moment += datetime.timedelta(minutes=1)
            else:
                return moment
        return None


def parse(text: str) -> Schedule:
    """Parse a schedule.

    Raises:
        ScheduleError: telling what can't be read.
    """
    if text.startswith("@every "):
        found = _EVERY.fullmatch(text)
        if found is None:
            raise ScheduleError(f"failed to parse duration {text}")
        hours, minutes, seconds = (int(found[unit] or 0) for unit in "hms")
        distance = datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return Schedule(every=max(distance, datetime.timedelta(seconds=1)))
    if text.startswith("@"):
        if text not in _MACROS:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _MACROS[text]
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    sets = [_values(part, *bounds) for part, bounds in zip(fields, _FIELDS, strict=True)]
    either = not (_is_star(fields[2]) or _is_star(fields[4]))
    return Schedule(sets[0], sets[1], sets[2], sets[3], sets[4], either)


def _is_star(text: str) -> bool:
    return any(part in ("*", "?", "*/1", "?/1") for part in text.split(","))


def _values(text: str, least: int, most: int, names: tuple[str, ...]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        first_text, dash, last_text = span.partition("-")
        if span in ("*", "?"):
            first, last = least, most
        else:
            first = _number(first_text, least, names)
            last = _number(last_text, least, names) if dash else most if slash else first
        step = _number(step_text, least, ()) if slash else 1
        if first < least:
            raise ScheduleError(f"beginning of range ({first}) below minimum ({least}): {part}")
        if last > most:
            raise ScheduleError(f"end of range ({last}) above maximum ({most}): {part}")
        if first > last:
            raise ScheduleError(f"beginning of range ({first}) beyond end of range ({last}): {part}")
        if step == 0:
            raise ScheduleError(f"step of range should be a positive number: {part}")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, least: int, names: tuple[str, ...]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + least
    if not (text.isascii() and text.isdecimal()):
        raise ScheduleError(f"failed to parse int from {text}")
    return int(text)
