import datetime

import pytest

from controllers.horizontal_pod_autoscaler.pod_groups import MetricError, Reading, group, requests

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def ago(seconds):
    return (NOW - datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(name, *, phase="Running", ready=True, started=3600, changed=3000, deleting=False):
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": ago(changed)}
    return {
        "metadata": {"name": name, "namespace": "shop", **({"deletionTimestamp": "x"} if deleting else {})},
        "status": {"phase": phase, "startTime": ago(started), "conditions": [condition]},
    }


def told(one, resource="cpu", *, measured=True, age=10, window=30):
    readings = {"a": Reading(5, NOW - datetime.timedelta(seconds=age), window)} if measured else {}
    found = group([one], readings, resource, NOW)
    where = "ready" if found.ready else "unready" if found.unready else "missing" if found.missing else "ignored"
    assert ("a" in readings) == (where == "ready")
    return where


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (pod("a"), "ready"),
        (pod("a", phase="Pending"), "unready"),
        (pod("a", phase="Failed"), "ignored"),
        (pod("a", deleting=True), "ignored"),
        (pod("a", ready=False, started=3600, changed=100), "ready"),
        (pod("a", ready=False, started=3600, changed=3590), "unready"),
        (pod("a", ready=False, started=60, changed=50), "unready"),
        (pod("a", started=60, changed=50), "ready"),
        (pod("a", started=60, changed=20), "unready"),
    ],
)
def test_the_cpu_of_a_young_pod_counts_once_a_window_has_passed_since_it_became_ready(one, expected):
    assert told(one) == expected


def test_other_metrics_count_at_once_and_none_is_missing():
    assert told(pod("a", ready=False, started=60, changed=50), "memory") == "ready"
    assert told(pod("a"), measured=False) == "missing"


def asking(**requested):
    return {"name": "c", "resources": {"requests": requested}}


def test_requests_are_those_of_all_containers_and_sidecars():
    one = {
        "metadata": {"name": "a", "namespace": "shop"},
        "spec": {
            "containers": [asking(cpu="100m"), {**asking(cpu="1"), "name": "other"}],
            "initContainers": [{**asking(cpu="50m"), "restartPolicy": "Always", "name": "side"}, {"name": "init"}],
        },
    }
    assert requests([one], "cpu", "") == {"a": 1150}
    assert requests([one], "cpu", "other") == {"a": 1000}
    with pytest.raises(MetricError, match="missing request for memory in container c of Pod shop/a"):
        requests([one], "memory", "")
