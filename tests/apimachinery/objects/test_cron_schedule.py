"""Cron schedules: what they say, in which zone, and what can't be read."""

import datetime
import zoneinfo

import pytest

from apimachinery.objects import cron_schedule

UTC = datetime.UTC


def _next(text: str, after: str, zone: datetime.tzinfo = UTC) -> str:
    found = cron_schedule.parse(text).next(datetime.datetime.fromisoformat(after), zone)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ") if found else ""


@pytest.mark.parametrize(
    ("text", "after", "following"),
    [
        ("*/15 * * * *", "2026-11-24T10:07:30Z", "2026-11-24T10:15:00Z"),
        ("0 * * * *", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z"),
        ("@daily", "2026-11-24T10:00:00Z", "2026-11-25T00:00:00Z"),
        ("30 9 * * mon-fri", "2026-11-27T10:00:00Z", "2026-11-30T09:30:00Z"),
        ("0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 13 * 5", "2026-11-01T00:00:00Z", "2026-11-06T00:00:00Z"),
        ("0 0 31 feb *", "2026-11-01T00:00:00Z", ""),
        ("5/20 0 1 jan *", "2026-11-01T00:00:00Z", "2027-01-01T00:05:00Z"),
        ("@every 1h30m", "2026-11-24T10:07:30Z", "2026-11-24T11:37:30Z"),
        ("0 0 1 */3 *", "2026-11-24T00:00:00Z", "2027-01-01T00:00:00Z"),
    ],
)
def test_the_next_time(text: str, after: str, following: str) -> None:
    assert _next(text, after) == following


def test_fields_are_of_the_zones_clock() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    assert _next("30 9 * * *", "2026-07-01T00:00:00Z", berlin) == "2026-07-01T07:30:00Z"
    assert _next("30 9 * * *", "2026-12-01T00:00:00Z", berlin) == "2026-12-01T08:30:00Z"
    # 02:30 does not exist on the day that summer time begins.
    assert _next("30 2 * * *", "2026-03-28T12:00:00Z", berlin) == "2026-03-30T00:30:00Z"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", "failed to parse int from x"),
        ("@sometimes", "unrecognized descriptor: @sometimes"),
        ("@every soon", "failed to parse duration @every soon"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, told: str) -> None:
    with pytest.raises(cron_schedule.ScheduleError) as found:
        cron_schedule.parse(text)
    assert str(found.value) == told
