"""When CronJobs start Jobs, and which of them they keep."""

import datetime
from typing import Any

import pytest

from controllers.cron_job import history, timing
from controllers.cron_job.controller import job_of

Obj = dict[str, Any]
NOW = datetime.datetime(2026, 11, 24, 12, 0, 30, tzinfo=datetime.UTC)


def _cron_job(
    schedule: str = "* * * * *", *, last: str = "", created: str = "2026-11-24T11:57:30Z", **spec: Any
) -> Obj:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "c", "namespace": "n", "uid": "u", "creationTimestamp": created},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": {"parallelism": 2}}, **spec},
        "status": {"lastScheduleTime": last} if last else {},
    }


def _text(moment: datetime.datetime | None) -> str:
    return moment.strftime("%H:%M:%S") if moment else ""


@pytest.mark.parametrize(
    ("cron_job", "latest", "following"),
    [
        (_cron_job(), "12:00:00", "12:01:00"),
        (_cron_job(last="2026-11-24T12:00:00Z"), "", "12:01:00"),
        (_cron_job("0 * * * *"), "12:00:00", "13:00:00"),
        (_cron_job("30 * * * *"), "", "12:30:00"),
        (_cron_job("@every 1m"), "12:00:30", "12:01:30"),
        (_cron_job("0 13 * * *", timeZone="Europe/Berlin"), "12:00:00", "12:00:00"),
        (_cron_job(startingDeadlineSeconds=10), "", "12:01:00"),
    ],
)
def test_the_latest_missed_time_is_due(cron_job: Obj, latest: str, following: str) -> None:
    due = timing.due(cron_job, NOW)
    assert (_text(due.latest), _text(due.next), due.too_many_missed) == (latest, following, False)


@pytest.mark.parametrize("schedule", ["* * * * *", "@every 5s"])
def test_too_many_missed_times_are_told_and_the_latest_is_due_all_the_same(schedule: str) -> None:
    due = timing.due(_cron_job(schedule, created="2025-11-24T12:00:00Z"), NOW)
    assert due.too_many_missed
    assert due.latest is not None
    assert (NOW - due.latest).total_seconds() < 60


def test_an_unknown_zone_is_an_error() -> None:
    with pytest.raises(ValueError, match="invalid timeZone"):
        timing.due(_cron_job(timeZone="Middle/Earth"), NOW)


def test_a_job_is_named_after_its_minute_and_tells_its_time() -> None:
    scheduled = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.UTC)
    job = job_of(_cron_job(timeZone="Europe/Berlin"), scheduled)
    assert job["metadata"]["name"] == f"c-{int(scheduled.timestamp()) // 60}"
    told = {"batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-24T13:00:00+01:00"}
    assert job["metadata"]["annotations"] == told
    assert job["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
    assert job["spec"] == {"parallelism": 2}


def test_the_oldest_ended_jobs_beyond_the_limits_go() -> None:
    def job(name: str, kind: str, minute: int) -> Obj:
        rows = [{"type": kind, "status": "True"}] if kind else []
        return {
            "metadata": {"name": name},
            "status": {"conditions": rows, "startTime": f"2026-11-24T12:{minute:02}:00Z"},
        }

    jobs = [
        job("a", "Complete", 1),
        job("b", "Complete", 3),
        job("c", "Failed", 2),
        job("d", "", 0),
        job("e", "Failed", 9),
    ]
    spec = {"successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1}
    assert [one["metadata"]["name"] for one in history.surplus(spec, jobs)] == ["a", "c"]
    assert history.surplus({}, jobs) == []
