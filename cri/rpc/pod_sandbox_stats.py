"""PodSandboxStats, and the stats message of a sandbox."""

import time

from cri.parts import Parts
from cri.rpc import container_stats
from cri.runtime.cgroup_names import expand_slice
from cri.sandboxes.network import INTERFACE
from cri.store import RUNNING, Container, Sandbox
from linux.cgroups import read
from protocols.cri import api_pb2

# Columns of /proc/PID/net/dev after the interface's name.
NETWORK_COLUMNS = (
    "rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "rx_fifo", "rx_frame", "rx_compressed", "rx_multicast",
    "tx_bytes", "tx_packets", "tx_errors", "tx_dropped",
)  # fmt: skip


def interfaces(pid: int) -> dict[str, dict[str, int]]:
    """Counters of each network interface that a process sees, without the loopback."""
    found: dict[str, dict[str, int]] = {}
    for line in read(f"/proc/{pid}/net/dev").splitlines()[2:]:
        name, *numbers = line.replace(":", " ", 1).split()
        if name != "lo":
            found[name] = dict(zip(NETWORK_COLUMNS, map(int, numbers), strict=False))
    return found


def cgroup_of(parts: Parts, sandbox: Sandbox) -> str:
    """The pod's cgroup below the root of a hierarchy."""
    if parts.host.systemd_cgroups:
        return "/" + expand_slice(sandbox.cgroup_parent.rsplit("/", 1)[-1])
    return "/" + sandbox.cgroup_parent.strip("/")


def fill(parts: Parts, sandbox: Sandbox, containers: list[Container], target: api_pb2.PodSandboxStats) -> None:
    """Fill in what a pod uses; blocks."""
    now = time.time_ns()
    cgroup = cgroup_of(parts, sandbox)
    stats = parts.cgroups.usage(cgroup)
    attributes, linux, config = target.attributes, target.linux, sandbox.config
    attributes.id = sandbox.id
    attributes.metadata.CopyFrom(config.metadata)
    attributes.labels.MergeFrom(config.labels)
    attributes.annotations.MergeFrom(config.annotations)
    container_stats.fill_cpu(linux.cpu, sandbox.id, stats, now)
    container_stats.fill_memory(linux.memory, stats, now)
    linux.process.timestamp = now
    linux.process.process_count.value = stats.pids
    container_stats.add_pressure(linux, parts.cgroups.pressure(cgroup), now)
    for container in containers:
        container_stats.fill(parts, container, linux.containers.add())
    pid = next((c.pid for c in containers if c.pid), 0)
    if pid and sandbox.network_namespace:
        _fill_network(linux.network, pid, now)


def _fill_network(network: api_pb2.NetworkUsage, pid: int, now: int) -> None:
    network.timestamp = now
    for name, counters in interfaces(pid).items():
        usage = network.default_interface if name == INTERFACE else network.interfaces.add()
        usage.name = name
        usage.rx_bytes.value = counters["rx_bytes"]
        usage.rx_errors.value = counters["rx_errors"]
        usage.tx_bytes.value = counters["tx_bytes"]
        usage.tx_errors.value = counters["tx_errors"]


def running_containers(parts: Parts, sandbox: Sandbox) -> list[Container]:
    """Containers of a sandbox that can be measured."""
    return [c for c in parts.store.containers_of(sandbox.id) if c.complete and c.state == RUNNING]


async def pod_sandbox_stats(parts: Parts, request: api_pb2.PodSandboxStatsRequest) -> api_pb2.PodSandboxStatsResponse:
    """Answer PodSandboxStats."""
    sandbox = parts.store.sandboxes.get(request.pod_sandbox_id)
    containers = running_containers(parts, sandbox)
    response = api_pb2.PodSandboxStatsResponse()
    await parts.blocking(fill, parts, sandbox, containers, response.stats)
    return response
