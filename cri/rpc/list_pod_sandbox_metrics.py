"""ListPodSandboxMetrics: cAdvisor's figures of every ready pod and its running containers."""

import contextlib
import os
import pathlib
import time

from cri.parts import Parts
from cri.rpc import container_stats, container_status, pod_sandbox_stats
from cri.rpc.list_metric_descriptors import METRICS, Sources
from cri.runtime.cgroup_names import file_system_path
from cri.store import READY, Container, Sandbox
from linux.cgroups import Stats
from protocols.cri import api_pb2

_ULIMITS = {"Max open files": "max_open_files", "Max processes": "max_processes"}


async def list_pod_sandbox_metrics(
    parts: Parts, _request: api_pb2.ListPodSandboxMetricsRequest
) -> api_pb2.ListPodSandboxMetricsResponse:
    """Answer ListPodSandboxMetrics."""
    found = [
        (s, pod_sandbox_stats.running_containers(parts, s))
        for s in parts.store.sandboxes
        if s.complete and s.state == READY
    ]

    def measure() -> list[api_pb2.PodSandboxMetrics]:
        return [_pod(parts, sandbox, containers) for sandbox, containers in found]

    return api_pb2.ListPodSandboxMetricsResponse(pod_metrics=await parts.blocking(measure))


def _pod(parts: Parts, sandbox: Sandbox, containers: list[Container]) -> api_pb2.PodSandboxMetrics:
    pid = next((c.pid for c in containers if c.pid), 0)
    network = pod_sandbox_stats.interfaces(pid) if pid and sandbox.network_namespace else {}
    sources = Sources(stats=Stats(), now=time.time_ns(), network=network)
    return api_pb2.PodSandboxMetrics(
        pod_sandbox_id=sandbox.id,
        metrics=_metrics(sources, (sandbox.id, "POD", ""), pod=True),
        container_metrics=[
            api_pb2.ContainerMetrics(
                container_id=c.id,
                metrics=_metrics(_sources(parts, c), (c.id, c.config.metadata.name, c.image_name), pod=False),
            )
            for c in containers
        ],
    )


def _metrics(sources: Sources, base: tuple[str, ...], *, pod: bool) -> list[api_pb2.Metric]:
    return [
        api_pb2.Metric(
            name=row.name,
            metric_type=row.kind,
            label_values=(*base, *labels),
            value=container_stats.value(number),
        )
        for row in METRICS
        if row.pod == pod
        for labels, number in row.take(sources)
    ]


def _sources(parts: Parts, container: Container) -> Sources:
    path = file_system_path(container.cgroup_path)
    pids = parts.cgroups.pids(path)
    used, _ = container_stats.layer_size(parts, container)
    return Sources(
        stats=parts.cgroups.stats(path),
        now=time.time_ns(),
        disk=_disk(str(parts.images.root), used),
        processes=(len(pids), *_descriptors(pids)),
        started=container.started_at,
        limits=container_status.resources_in_force(container),
        ulimits=_ulimits(container.pid),
    )


def _disk(path: str, used: int) -> tuple[int, int, int, int, int]:
    status = os.statvfs(path)
    total = status.f_blocks * status.f_frsize
    return total, total - status.f_bfree * status.f_frsize, status.f_ffree, status.f_files, used


def _descriptors(pids: set[int]) -> tuple[int, int]:
    """Open descriptors, and how many of them are sockets."""
    descriptors = sockets = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                descriptors += 1
                with contextlib.suppress(OSError):
                    sockets += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
    return descriptors, sockets


def _ulimits(pid: int) -> tuple[tuple[str, int], ...]:
    found = []
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines():
            for title, name in _ULIMITS.items():
                if line.startswith(title):
                    soft = line.removeprefix(title).split()[0]
                    found.append((name, int(soft) if soft.isdecimal() else 0))
    return tuple(found)
