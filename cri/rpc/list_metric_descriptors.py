"""ListMetricDescriptors: the static list of what ListPodSandboxMetrics returns.

``METRICS`` is the one table of them: name, help, type, further labels, and how the value is taken. The names are
cAdvisor's, since that is what users' dashboards ask for.
"""

import dataclasses
from collections.abc import Callable

from cri.parts import Parts
from linux.cgroups import Stats
from protocols.cri import api_pb2

BASE_LABELS = ("id", "name", "image")
COUNTER, GAUGE = api_pb2.COUNTER, api_pb2.GAUGE
Samples = list[tuple[tuple[str, ...], int]]


@dataclasses.dataclass(frozen=True, slots=True)
class Sources:
    """What a container's or pod's metrics are taken from."""

    stats: Stats
    now: int = 0
    disk: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)  # device limit, usage, inodes free, inodes, layer bytes
    network: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    processes: tuple[int, int, int] = (0, 0, 0)  # processes, descriptors, sockets
    started: int = 0
    limits: api_pb2.LinuxContainerResources = dataclasses.field(default_factory=api_pb2.LinuxContainerResources)
    ulimits: tuple[tuple[str, int], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric."""

    name: str
    help: str
    kind: api_pb2.MetricType
    take: Callable[[Sources], Samples]
    labels: tuple[str, ...] = ()
    pod: bool = False  # of the pod, not of each container

    @property
    def label_keys(self) -> tuple[str, ...]:
        """All label names."""
        return (*BASE_LABELS, *self.labels)


def _one(take: Callable[[Sources], int]) -> Callable[[Sources], Samples]:
    return lambda sources: [((), take(sources))]


def _of_disk(index: int) -> Callable[[Sources], Samples]:
    return lambda sources: [(("/",), sources.disk[index])]


def _of_network(column: str) -> Callable[[Sources], Samples]:
    return lambda sources: [((name,), counters.get(column, 0)) for name, counters in sources.network.items()]


def _failures(sources: Sources) -> Samples:
    stats = sources.stats
    pairs = (("pgfault", stats.page_faults), ("pgmajfault", stats.major_page_faults))
    return [((kind, scope), value) for scope in ("container", "hierarchy") for kind, value in pairs]


_SECOND = 10**9
_NETWORK = (
    ("receive_bytes", "rx_bytes", "Cumulative count of bytes received"),
    ("receive_packets", "rx_packets", "Cumulative count of packets received"),
    ("receive_packets_dropped", "rx_dropped", "Cumulative count of packets dropped while receiving"),
    ("receive_errors", "rx_errors", "Cumulative count of errors encountered while receiving"),
    ("transmit_bytes", "tx_bytes", "Cumulative count of bytes transmitted"),
    ("transmit_packets", "tx_packets", "Cumulative count of packets transmitted"),
    ("transmit_packets_dropped", "tx_dropped", "Cumulative count of packets dropped while transmitting"),
    ("transmit_errors", "tx_errors", "Cumulative count of errors encountered while transmitting"),
)

METRICS: tuple[MetricRow, ...] = (
    MetricRow("container_cpu_user_seconds_total", "Cumulative user CPU time consumed in seconds", COUNTER,
              _one(lambda s: s.stats.cpu_user // _SECOND)),
    MetricRow("container_cpu_system_seconds_total", "Cumulative system CPU time consumed in seconds", COUNTER,
              _one(lambda s: s.stats.cpu_system // _SECOND)),
    MetricRow("container_cpu_usage_seconds_total", "Cumulative CPU time consumed in seconds", COUNTER,
              lambda s: [(("total",), s.stats.cpu_usage // _SECOND)], ("cpu",)),
    MetricRow("container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals", COUNTER,
              _one(lambda s: s.stats.nr_periods)),
    MetricRow("container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals", COUNTER,
              _one(lambda s: s.stats.nr_throttled)),
    MetricRow("container_cpu_cfs_throttled_seconds_total", "Total time the container has been throttled", COUNTER,
              _one(lambda s: s.stats.throttled_time // _SECOND)),
    MetricRow("container_file_descriptors", "Number of open file descriptors", GAUGE, _one(lambda s: s.processes[1])),
    MetricRow("container_sockets", "Number of open sockets", GAUGE, _one(lambda s: s.processes[2])),
    MetricRow("container_processes", "Number of processes running inside the container", GAUGE,
              _one(lambda s: s.processes[0])),
    MetricRow("container_threads", "Number of threads running inside the container", GAUGE,
              _one(lambda s: s.stats.pids)),
    MetricRow("container_threads_max", "Maximum number of threads allowed inside the container", GAUGE,
              _one(lambda s: s.stats.pids_limit)),
    MetricRow("container_ulimits_soft", "Soft ulimit values of the container's first process", GAUGE,
              lambda s: [((name,), value) for name, value in s.ulimits], ("ulimit",)),
    MetricRow("container_fs_inodes_free", "Number of available inodes", GAUGE, _of_disk(2), ("device",)),
    MetricRow("container_fs_inodes_total", "Number of inodes", GAUGE, _of_disk(3), ("device",)),
    MetricRow("container_fs_limit_bytes", "Number of bytes that can be consumed on this file system", GAUGE,
              _of_disk(0), ("device",)),
    MetricRow("container_fs_usage_bytes", "Number of bytes that are consumed by the container's layer", GAUGE,
              _of_disk(4), ("device",)),
    MetricRow("container_last_seen", "Last time this container was seen", GAUGE, _one(lambda s: s.now // _SECOND)),
    MetricRow("container_memory_cache", "Number of bytes of page cache memory", GAUGE,
              _one(lambda s: s.stats.memory_cache)),
    MetricRow("container_memory_failcnt", "Number of memory usage hits limits", COUNTER,
              _one(lambda s: s.stats.oom_kills)),
    MetricRow("container_memory_failures_total", "Cumulative count of memory allocation failures", COUNTER,
              _failures, ("failure_type", "scope")),
    MetricRow("container_memory_kernel_usage", "Size of kernel memory allocated in bytes", GAUGE,
              _one(lambda s: max(s.stats.memory_usage - s.stats.memory_rss - s.stats.memory_cache, 0))),
    MetricRow("container_memory_mapped_file", "Size of memory mapped files in bytes", GAUGE,
              _one(lambda s: s.stats.memory_mapped_file)),
    MetricRow("container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes", GAUGE,
              _one(lambda s: s.stats.memory_usage)),
    MetricRow("container_memory_rss", "Size of RSS in bytes", GAUGE, _one(lambda s: s.stats.memory_rss)),
    MetricRow("container_memory_swap", "Container swap usage in bytes", GAUGE, _one(lambda s: s.stats.memory_swap)),
    MetricRow("container_memory_usage_bytes", "Current memory usage in bytes, including all memory", GAUGE,
              _one(lambda s: s.stats.memory_usage)),
    MetricRow("container_memory_working_set_bytes", "Current working set in bytes", GAUGE,
              _one(lambda s: s.stats.memory_working_set)),
    MetricRow("container_oom_events_total", "Count of out of memory events", COUNTER,
              _one(lambda s: s.stats.oom_kills)),
    MetricRow("container_spec_cpu_period", "CPU period of the container", GAUGE, _one(lambda s: s.limits.cpu_period)),
    MetricRow("container_spec_cpu_quota", "CPU quota of the container", GAUGE, _one(lambda s: s.limits.cpu_quota)),
    MetricRow("container_spec_cpu_shares", "CPU share of the container", GAUGE, _one(lambda s: s.limits.cpu_shares)),
    MetricRow("container_spec_memory_limit_bytes", "Memory limit for the container", GAUGE,
              _one(lambda s: s.limits.memory_limit_in_bytes)),
    MetricRow("container_spec_memory_swap_limit_bytes", "Memory swap limit for the container", GAUGE,
              _one(lambda s: s.limits.memory_swap_limit_in_bytes)),
    MetricRow("container_start_time_seconds", "Start time of the container since unix epoch in seconds", GAUGE,
              _one(lambda s: s.started // _SECOND)),
    *(MetricRow(f"container_network_{name}_total", text, COUNTER, _of_network(column), ("interface",), pod=True)
      for name, column, text in _NETWORK),
)  # fmt: skip


def list_metric_descriptors(
    _parts: Parts, _request: api_pb2.ListMetricDescriptorsRequest
) -> api_pb2.ListMetricDescriptorsResponse:
    """Answer ListMetricDescriptors."""
    return api_pb2.ListMetricDescriptorsResponse(
        descriptors=[
            api_pb2.MetricDescriptor(name=row.name, help=row.help, label_keys=row.label_keys) for row in METRICS
        ]
    )
