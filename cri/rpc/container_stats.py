"""ContainerStats, and the stats message of a container."""

import os
import time

from cri.parts import Parts
from cri.runtime.cgroup_names import file_system_path
from cri.store import RUNNING, Container
from linux.cgroups import Stats
from protocols.cri import api_pb2

_SAMPLE_AGE = 10.0  # seconds: how old the writable layer's size may be, as walking it costs
_last_cpu: dict[str, tuple[int, int]] = {}
_last_size: dict[str, tuple[float, int, int]] = {}


def value(number: int) -> api_pb2.UInt64Value:
    """A wrapped number; the kernel's negative numbers count as none."""
    return api_pb2.UInt64Value(value=max(number, 0))


def cpu_usage(key: str, stats: Stats, now: int) -> api_pb2.CpuUsage:
    """CPU time so far, and its rate since the last look at the same thing."""
    usage = api_pb2.CpuUsage(timestamp=now, usage_core_nano_seconds=value(stats.cpu_usage))
    before = _last_cpu.get(key)
    if before is not None and now > before[0] and stats.cpu_usage >= before[1]:
        usage.usage_nano_cores.value = (stats.cpu_usage - before[1]) * 10**9 // (now - before[0])
    if before is None or now - before[0] > 10**9:
        _last_cpu[key] = (now, stats.cpu_usage)
    return usage


def memory_usage(stats: Stats, now: int) -> api_pb2.MemoryUsage:
    """Memory as the kubelet's eviction wants it."""
    usage = api_pb2.MemoryUsage(
        timestamp=now,
        working_set_bytes=value(stats.memory_working_set),
        usage_bytes=value(stats.memory_usage),
        rss_bytes=value(stats.memory_rss),
        page_faults=value(stats.page_faults),
        major_page_faults=value(stats.major_page_faults),
    )
    if stats.memory_limit > 0:
        usage.available_bytes.value = max(stats.memory_limit - stats.memory_working_set, 0)
    return usage


def stats_of(parts: Parts, container: Container) -> api_pb2.ContainerStats:
    """What a container uses; blocks."""
    now = time.time_ns()
    stats = parts.cgroups.stats(file_system_path(parts.host, container.cgroup_path))
    used, inodes = layer_size(parts, container)
    return api_pb2.ContainerStats(
        attributes=api_pb2.ContainerAttributes(
            id=container.id,
            metadata=container.config.metadata,
            labels=container.config.labels,
            annotations=container.config.annotations,
        ),
        cpu=cpu_usage(container.id, stats, now),
        memory=memory_usage(stats, now),
        writable_layer=api_pb2.FilesystemUsage(
            timestamp=now,
            fs_id=api_pb2.FilesystemIdentifier(mountpoint=str(parts.images.root / "overlay-images")),
            used_bytes=value(used),
            inodes_used=value(inodes),
        ),
        swap=api_pb2.SwapUsage(timestamp=now, swap_usage_bytes=value(stats.memory_swap)),
    )


def layer_size(parts: Parts, container: Container) -> tuple[int, int]:
    """Bytes and inodes of the writable layer, measured lately."""
    known = _last_size.get(container.id)
    now = time.monotonic()
    if known is not None and now - known[0] < _SAMPLE_AGE:
        return known[1], known[2]
    layer = os.path.basename(os.path.dirname(container.rootfs))
    used, inodes = parts.layers.usage(layer)
    _last_size[container.id] = (now, used, inodes)
    return used, inodes


def forget(object_id: str) -> None:
    """Drop samples of something that was removed."""
    _last_cpu.pop(object_id, None)
    _last_size.pop(object_id, None)


def is_running(container: Container) -> bool:
    """Whether there is anything to measure."""
    return container.state == RUNNING


async def container_stats(parts: Parts, request: api_pb2.ContainerStatsRequest) -> api_pb2.ContainerStatsResponse:
    """Answer ContainerStats."""
    container = parts.store.containers.get(request.container_id)
    return api_pb2.ContainerStatsResponse(stats=await parts.blocking(stats_of, parts, container))
