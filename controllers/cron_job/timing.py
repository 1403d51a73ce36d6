"""When a CronJob is due (pure)."""

import datetime
import zoneinfo
from dataclasses import dataclass
from typing import Final

from apimachinery.objects import cron_schedule
from apimachinery.objects.metadata import Obj, metadata
from apimachinery.objects.times import parse_time

_MOST_MISSED: Final = 100
_STRETCHES: Final = tuple(datetime.timedelta(hours=hours) for hours in (1, 24, 32 * 24, 366 * 24))


@dataclass(frozen=True, slots=True)
class Due:
    """What the schedule says now.

    Attributes:
        latest: The last time that was due and for which nothing was started; None if there is none.
        next: When something is due again; None for never.
        too_many_missed: Whether more times were missed than a clock that is right explains.
    """

    latest: datetime.datetime | None
    next: datetime.datetime | None
    too_many_missed: bool = False


def zone_of(spec: Obj) -> datetime.tzinfo:
    """Return the time zone of a CronJob.

    Raises:
        ValueError: there is none of this name.
    """
    if not spec.get("timeZone"):
        return datetime.UTC
    try:
        return zoneinfo.ZoneInfo(spec["timeZone"])
    except (zoneinfo.ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f'invalid timeZone: "{spec["timeZone"]}"') from error


def due(cron_job: Obj, now: datetime.datetime) -> Due:
    """Return what is due.

    Raises:
        ValueError: the schedule or the time zone can't be read.
    """
    spec = cron_job["spec"]
    schedule, zone = cron_schedule.parse(spec["schedule"]), zone_of(spec)
    told = (cron_job.get("status") or {}).get("lastScheduleTime") or metadata(cron_job)["creationTimestamp"]
    earliest = parse_time(told)
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None:
        earliest = max(earliest, now - datetime.timedelta(seconds=deadline))
    latest: datetime.datetime | None = None
    missed = 0
    if schedule.every is not None:
        missed = max(0, int((now - earliest) / schedule.every))
        latest = earliest + schedule.every * missed if missed else None
    else:
        following = schedule.next(earliest, zone)
        while following is not None and following <= now:
            latest, missed = following, missed + 1
            if missed > _MOST_MISSED:
                latest = _latest(schedule, zone, now) or latest
                break
            following = schedule.next(latest, zone)
    return Due(latest, schedule.next(now, zone), missed > _MOST_MISSED)


def _latest(
    schedule: cron_schedule.Schedule, zone: datetime.tzinfo, now: datetime.datetime
) -> datetime.datetime | None:
    """Return the last time before now; looks back over longer and longer stretches, so that few times are looked at."""
    for stretch in _STRETCHES:
        latest, following = None, schedule.next(now - stretch, zone)
        while following is not None and following <= now:
            latest, following = following, schedule.next(following, zone)
        if latest is not None:
            return latest
    return None


def is_too_late(spec: Obj, scheduled: datetime.datetime, now: datetime.datetime) -> bool:
    """Tell whether a time is longer ago than the starting deadline allows."""
    deadline = spec.get("startingDeadlineSeconds")
    return deadline is not None and scheduled + datetime.timedelta(seconds=deadline) < now
