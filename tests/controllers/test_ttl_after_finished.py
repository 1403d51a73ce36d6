import datetime

from controllers.ttl_after_finished import seconds_left

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def job(ttl, kind="Complete", status="True"):
    condition = {"type": kind, "status": status, "lastTransitionTime": "2026-01-01T11:59:00Z"}
    return {"metadata": {}, "spec": {"ttlSecondsAfterFinished": ttl}, "status": {"conditions": [condition]}}


def test_when_a_job_may_go():
    assert seconds_left(job(100), NOW) == 40
    assert seconds_left(job(0, "Failed"), NOW) == -60
    assert seconds_left(job(None), NOW) is None
    assert seconds_left(job(10, status="False"), NOW) is None
    assert seconds_left(job(10, "Suspended"), NOW) is None
