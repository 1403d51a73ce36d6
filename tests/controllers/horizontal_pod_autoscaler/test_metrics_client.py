import datetime

import pytest

from controllers.horizontal_pod_autoscaler.metrics_client import pod_readings
from controllers.horizontal_pod_autoscaler.pod_groups import MetricError, Reading

AT = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def item(name, **usages):
    containers = [{"name": title, "usage": usage} for title, usage in usages.items()]
    meta = {"name": name, "namespace": "shop"}
    return {"metadata": meta, "timestamp": "2026-01-01T12:00:00Z", "window": "1m30s", "containers": containers}


def test_the_use_of_a_pod_is_that_of_its_containers():
    items = [item("a", one={"cpu": "250m"}, two={"cpu": "1", "memory": "1Ki"}), item("none")]
    assert pod_readings(items, "cpu", "") == {"a": Reading(1250, AT, 90.0)}
    assert pod_readings(items[:1], "cpu", "one") == {"a": Reading(250, AT, 90.0)}


def test_a_pod_that_tells_only_part_of_its_use_is_left_out():
    assert pod_readings([item("a", one={"memory": "1Ki"}, two={"cpu": "1"})], "memory", "") == {}


def test_a_container_that_is_not_there_is_an_error():
    with pytest.raises(MetricError, match="container two not present in metrics for pod shop/a"):
        pod_readings([item("a", one={"cpu": "1"})], "cpu", "two")
