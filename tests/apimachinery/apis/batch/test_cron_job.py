"""What a CronJob may say about time."""

import pytest

from apimachinery.apis.batch.cron_job import schedule_problem, zone_problem


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        (None, ""),
        ("Etc/UTC", ""),
        ("", "timeZone must be nil or non-empty string"),
        ("Local", "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"),
        ("Middle/Earth", "unknown time zone Middle/Earth"),
        ("../etc/passwd", "unknown time zone ../etc/passwd"),
    ],
)
def test_a_time_zone_is_one_of_the_data_bases(zone: str | None, told: str) -> None:
    assert zone_problem(zone) == told


def test_a_schedule_that_cannot_be_read_is_told() -> None:
    assert schedule_problem("@hourly") == ""
    assert schedule_problem("61 * * * *") == "end of range (61) above maximum (59): 61"
