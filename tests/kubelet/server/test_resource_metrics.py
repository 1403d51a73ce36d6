from kubelet.server.resource_metrics import RESOURCE_METRICS, family


def test_samples_keep_their_digits_and_their_time():
    lines = family("m", "gauge", "text", [({"pod": 'a"b'}, 24225189888.0, 1700000000000), ({}, 0.5, 0)])
    assert lines == ["# HELP m text", "# TYPE m gauge", 'm{pod="a\\"b"} 24225189888 1700000000000', "m 0.5"]


def test_the_names_that_metrics_server_reads_are_there():
    names = {name for name, _, _ in RESOURCE_METRICS}
    assert names >= {"node_cpu_usage_seconds_total", "container_start_time_seconds", "pod_memory_working_set_bytes"}
