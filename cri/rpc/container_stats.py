"""ContainerStats, and the stats message of a container."""

import os
import time

from cri.parts import Parts
from cri.runtime.cgroup_names import file_system_path
from cri.store import RUNNING, Container
from linux.cgroups import Pressure, Stall, Usage
from protocols.cri import api_pb2

_SAMPLE_AGE = 10.0  # seconds: how old the writable layer's size may be, as walking it costs
_last_cpu: dict[str, tuple[int, int]] = {}
_last_size: dict[str, tuple[float, int, int]] = {}


def value(number: int) -> api_pb2.UInt64Value:
    """A wrapped number; the kernel's negative numbers count as none."""
    return api_pb2.UInt64Value(value=max(number, 0))


def fill_cpu(usage: api_pb2.CpuUsage, key: str, stats: Usage, now: int) -> None:
    """Fill in the CPU time so far, and its rate since the last look at the same thing."""
    usage.timestamp = now
    usage.usage_core_nano_seconds.value = stats.cpu_usage
    before = _last_cpu.get(key)
    if before is not None and now > before[0] and stats.cpu_usage >= before[1]:
        usage.usage_nano_cores.value = (stats.cpu_usage - before[1]) * 10**9 // (now - before[0])
    if before is None or now - before[0] > 10**9:
        _last_cpu[key] = (now, stats.cpu_usage)


def fill_memory(usage: api_pb2.MemoryUsage, stats: Usage, now: int) -> None:
    """Fill in the memory as the kubelet's eviction wants it."""
    usage.timestamp = now
    usage.working_set_bytes.value = stats.memory_working_set
    usage.usage_bytes.value = stats.memory_usage
    usage.rss_bytes.value = stats.memory_rss
    usage.page_faults.value = stats.page_faults
    usage.major_page_faults.value = stats.major_page_faults
    if stats.memory_limit > 0:
        usage.available_bytes.value = max(stats.memory_limit - stats.memory_working_set, 0)


def fill(parts: Parts, container: Container, target: api_pb2.ContainerStats) -> None:
    """Fill in what a container uses, in place, as messages within messages are copied otherwise; blocks."""
    now = time.time_ns()
    path = file_system_path(container.cgroup_path)
    stats = parts.cgroups.usage(path)
    used, inodes = layer_size(parts, container)
    config = container.config
    attributes = target.attributes
    attributes.id = container.id
    attributes.metadata.CopyFrom(config.metadata)
    attributes.labels.MergeFrom(config.labels)
    attributes.annotations.MergeFrom(config.annotations)
    fill_cpu(target.cpu, container.id, stats, now)
    fill_memory(target.memory, stats, now)
    layer = target.writable_layer
    layer.timestamp = now
    layer.fs_id.mountpoint = f"{parts.images.root}/overlay-images"
    layer.used_bytes.value = used
    layer.inodes_used.value = inodes
    target.swap.timestamp = now
    target.swap.swap_usage_bytes.value = stats.memory_swap
    add_pressure(target, parts.cgroups.pressure(path), now)


def add_pressure(
    target: api_pb2.ContainerStats | api_pb2.LinuxPodSandboxStats, found: dict[str, Pressure], now: int
) -> None:
    """Add what the kernel measured of waiting times, where it does."""
    for name, pressure in found.items():
        usage: api_pb2.CpuUsage | api_pb2.MemoryUsage | api_pb2.IoUsage = getattr(target, name)
        usage.timestamp = now
        usage.psi.CopyFrom(api_pb2.PsiStats(Some=_stall(pressure.some), Full=_stall(pressure.full)))


def _stall(stall: Stall) -> api_pb2.PsiData:
    return api_pb2.PsiData(Total=stall.total, Avg10=stall.avg10, Avg60=stall.avg60, Avg300=stall.avg300)


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


def forget(parts: Parts, object_id: str, cgroup: str) -> None:
    """Drop samples, and the open files, of something that was removed."""
    _last_cpu.pop(object_id, None)
    _last_size.pop(object_id, None)
    parts.cgroups.release(cgroup)


def is_running(container: Container) -> bool:
    """Whether there is anything to measure."""
    return container.state == RUNNING


async def container_stats(parts: Parts, request: api_pb2.ContainerStatsRequest) -> api_pb2.ContainerStatsResponse:
    """Answer ContainerStats."""
    container = parts.store.containers.get(request.container_id)
    response = api_pb2.ContainerStatsResponse()
    await parts.blocking(fill, parts, container, response.stats)
    return response
