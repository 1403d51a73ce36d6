"""PodSandboxStats, and the stats message of a sandbox."""

import contextlib
import pathlib
import time

from cri.parts import Parts
from cri.rpc import container_stats
from cri.runtime.cgroup_names import expand_slice
from cri.sandboxes.network import INTERFACE
from cri.store import RUNNING, Container, Sandbox
from protocols.cri import api_pb2

# Columns of /proc/PID/net/dev after the interface's name.
NETWORK_COLUMNS = (
    "rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "rx_fifo", "rx_frame", "rx_compressed", "rx_multicast",
    "tx_bytes", "tx_packets", "tx_errors", "tx_dropped",
)  # fmt: skip


def interfaces(pid: int) -> dict[str, dict[str, int]]:
    """Counters of each network interface that a process sees, without the loopback."""
    found: dict[str, dict[str, int]] = {}
    with contextlib.suppress(OSError, ValueError):
        for line in pathlib.Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]:
            name, _, numbers = line.partition(":")
            if name.strip() != "lo":
                values = [int(n) for n in numbers.split()]
                found[name.strip()] = dict(zip(NETWORK_COLUMNS, values, strict=False))
    return found


def cgroup_of(parts: Parts, sandbox: Sandbox) -> str:
    """The pod's cgroup below the root of a hierarchy."""
    if parts.host.systemd_cgroups:
        return "/" + expand_slice(sandbox.cgroup_parent.rsplit("/", 1)[-1])
    return "/" + sandbox.cgroup_parent.strip("/")


def stats_of(parts: Parts, sandbox: Sandbox, containers: list[Container]) -> api_pb2.PodSandboxStats:
    """What a pod uses; blocks."""
    now = time.time_ns()
    stats = parts.cgroups.stats(cgroup_of(parts, sandbox))
    linux = api_pb2.LinuxPodSandboxStats(
        cpu=container_stats.cpu_usage(sandbox.id, stats, now),
        memory=container_stats.memory_usage(stats, now),
        process=api_pb2.ProcessUsage(timestamp=now, process_count=container_stats.value(stats.pids)),
        containers=[container_stats.stats_of(parts, c) for c in containers],
    )
    pid = next((c.pid for c in containers if c.pid), 0)
    if pid and sandbox.network_namespace:
        linux.network.timestamp = now
        for name, counters in interfaces(pid).items():
            usage = api_pb2.NetworkInterfaceUsage(
                name=name,
                rx_bytes=container_stats.value(counters["rx_bytes"]),
                rx_errors=container_stats.value(counters["rx_errors"]),
                tx_bytes=container_stats.value(counters["tx_bytes"]),
                tx_errors=container_stats.value(counters["tx_errors"]),
            )
            if name == INTERFACE:
                linux.network.default_interface.CopyFrom(usage)
            else:
                linux.network.interfaces.append(usage)
    config = sandbox.config
    return api_pb2.PodSandboxStats(
        attributes=api_pb2.PodSandboxAttributes(
            id=sandbox.id, metadata=config.metadata, labels=config.labels, annotations=config.annotations
        ),
        linux=linux,
    )


def running_containers(parts: Parts, sandbox: Sandbox) -> list[Container]:
    """Containers of a sandbox that can be measured."""
    return [c for c in parts.store.containers_of(sandbox.id) if c.complete and c.state == RUNNING]


async def pod_sandbox_stats(parts: Parts, request: api_pb2.PodSandboxStatsRequest) -> api_pb2.PodSandboxStatsResponse:
    """Answer PodSandboxStats."""
    sandbox = parts.store.sandboxes.get(request.pod_sandbox_id)
    containers = running_containers(parts, sandbox)
    return api_pb2.PodSandboxStatsResponse(stats=await parts.blocking(stats_of, parts, sandbox, containers))
