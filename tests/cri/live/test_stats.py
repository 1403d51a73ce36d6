"""Issue 4, point 1: stats and metrics."""

from __future__ import annotations

import time

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live.cri_service import Service

pytestmark = pytest.mark.live
# critest's list (cri-tools pkg/validate/pod.go), without those it allows to be absent.
REQUIRED = {
    f"container_{name}"
    for name in [
        "cpu_cfs_periods_total",
        "cpu_cfs_throttled_periods_total",
        "cpu_cfs_throttled_seconds_total",
        "cpu_system_seconds_total",
        "cpu_usage_seconds_total",
        "cpu_user_seconds_total",
        "file_descriptors",
        "fs_inodes_free",
        "fs_inodes_total",
        "fs_limit_bytes",
        "fs_usage_bytes",
        "last_seen",
        "memory_cache",
        "memory_failcnt",
        "memory_failures_total",
        "memory_kernel_usage",
        "memory_mapped_file",
        "memory_max_usage_bytes",
        "memory_rss",
        "memory_swap",
        "memory_usage_bytes",
        "memory_working_set_bytes",
        "network_receive_bytes_total",
        "network_receive_errors_total",
        "network_receive_packets_dropped_total",
        "network_receive_packets_total",
        "network_transmit_bytes_total",
        "network_transmit_errors_total",
        "network_transmit_packets_dropped_total",
        "network_transmit_packets_total",
        "oom_events_total",
        "processes",
        "sockets",
        "spec_cpu_period",
        "spec_cpu_shares",
        "spec_memory_limit_bytes",
        "spec_memory_swap_limit_bytes",
        "start_time_seconds",
        "threads",
        "threads_max",
    ]
}


def test_container_stats_have_what_the_kubelet_reads(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start(
            "sh", "-c", "head -c 3000000 /dev/zero > /tmp/big; while true; do :; done", labels={"a": "b"}
        )
        container.exec("sh", "-c", "sync; sleep 0.3")
        request = api.ContainerStatsRequest(container_id=container.id)
        stats = service.runtime.ContainerStats(request).stats
        assert stats.attributes.id == container.id
        assert stats.cpu.timestamp > 0
        assert stats.cpu.usage_core_nano_seconds.value > 10**7
        assert stats.memory.timestamp > 0
        assert stats.memory.working_set_bytes.value > 0
        assert stats.writable_layer.used_bytes.value >= 3000000
        found = service.runtime.ListContainerStats(api.ListContainerStatsRequest(filter={"label_selector": {"a": "b"}}))
        assert [s.attributes.id for s in found.stats] == [container.id]
        # A rate needs two samples some time apart.
        deadline = time.monotonic() + 10
        while not service.runtime.ContainerStats(request).stats.cpu.usage_nano_cores.value:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        container.stop()
        found = service.runtime.ListContainerStats(api.ListContainerStatsRequest(filter={"id": container.id}))
        assert not found.stats


def test_stats_of_all_and_of_those_that_pass_the_filter(service: Service) -> None:
    with service.pod() as pod:
        running = [pod.start(labels={"set": "mine"}).id for _ in range(3)]
        pod.create("sleep", "9", labels={"set": "mine"})

        def listed(**wanted: object) -> set[str]:
            request = api.ListContainerStatsRequest(filter=api.ContainerStatsFilter(**wanted) if wanted else None)
            return {s.attributes.id for s in service.runtime.ListContainerStats(request).stats}

        assert set(running) <= listed()
        assert listed(label_selector={"set": "mine"}) == set(running)
        assert listed(label_selector={"set": "theirs"}) == set()
        assert listed(pod_sandbox_id=pod.id[:12]) == set(running)
        assert listed(id=running[0][:12]) == {running[0]}


def test_pod_stats_add_network_and_processes(service: Service) -> None:
    with service.pod() as pod:
        pod.start()
        request = api.PodSandboxStatsRequest(pod_sandbox_id=pod.id)
        linux = service.runtime.PodSandboxStats(request).stats.linux
        assert linux.network.default_interface.name == "eth0"
        assert linux.network.timestamp > 0
        assert len(linux.containers) == 1
        assert linux.cpu.usage_core_nano_seconds.value > 0
        listed = service.runtime.ListPodSandboxStats(api.ListPodSandboxStatsRequest(filter={"id": pod.id}))
        assert [s.attributes.id for s in listed.stats] == [pod.id]
    with pytest.raises(grpc.RpcError):
        service.runtime.PodSandboxStats(request)


def test_pressure_is_told_where_the_kernel_measures_it(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start("sh", "-c", "while true; do :; done")
        stats = service.runtime.ContainerStats(api.ContainerStatsRequest(container_id=container.id)).stats
        linux = service.runtime.PodSandboxStats(api.PodSandboxStatsRequest(pod_sandbox_id=pod.id)).stats.linux
        measured = (service.cgroup_directory(pod.name, "memory") / "cpu.pressure").exists()
        for usage in (stats.cpu, stats.memory, stats.io, linux.cpu, linux.memory, linux.io):
            assert usage.HasField("psi") == measured


def test_every_metric_is_described_and_fits_its_labels(service: Service) -> None:
    descriptors = service.runtime.ListMetricDescriptors(api.ListMetricDescriptorsRequest()).descriptors
    described = {d.name: len(d.label_keys) for d in descriptors}
    assert all(d.help and d.label_keys for d in descriptors)
    assert set(described) >= REQUIRED
    with service.pod() as pod:
        pod.start()
        answer = service.runtime.ListPodSandboxMetrics(api.ListPodSandboxMetricsRequest())
        mine = next(m for m in answer.pod_metrics if m.pod_sandbox_id == pod.id)
        samples = [*mine.metrics, *(m for c in mine.container_metrics for m in c.metrics)]
        assert {s.name for s in samples} >= REQUIRED
        assert all(len(s.label_values) == described[s.name] for s in samples)
