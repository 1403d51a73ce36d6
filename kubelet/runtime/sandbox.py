"""PodSandboxConfig from a pod, and running it through the runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubelet.dns import DNSSettings
from kubelet.resources.amounts import limits_to_runtime, pod_requests
from kubelet.runtime import pod_state as values
from kubelet.runtime.security_context import sandbox_context
from protocols.cri import api_pb2 as pb

Obj = dict[str, Any]

_PROTOCOLS = {"TCP": pb.TCP, "UDP": pb.UDP, "SCTP": pb.SCTP}


@dataclass(frozen=True, slots=True)
class SandboxInputs:
    """What a sandbox needs beside its pod."""

    attempt: int
    hostname: str
    dns: DNSSettings | None
    log_directory: str
    cgroup_parent: str


def pod_labels(pod: Obj) -> dict[str, str]:
    """The labels every sandbox of the pod carries: its own and the kubelet's."""
    meta = pod["metadata"]
    return dict(meta.get("labels") or {}) | {
        values.POD_NAME_LABEL: meta["name"],
        values.POD_NAMESPACE_LABEL: meta["namespace"],
        values.POD_UID_LABEL: meta["uid"],
    }


def port_mappings(pod: Obj) -> list[Any]:
    """Host ports of all containers, sidecars included."""
    if pod["spec"].get("hostNetwork"):
        return []
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    return [
        pb.PortMapping(
            protocol=_PROTOCOLS[port.get("protocol") or "TCP"],
            container_port=port["containerPort"],
            host_port=port["hostPort"],
            host_ip=port.get("hostIP") or "",
        )
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def sandbox_config(pod: Obj, inputs: SandboxInputs) -> Any:
    """The whole PodSandboxConfig."""
    meta = pod["metadata"]
    outer = pod["spec"].get("securityContext") or {}
    config = pb.PodSandboxConfig(
        metadata=pb.PodSandboxMetadata(
            name=meta["name"], namespace=meta["namespace"], uid=meta["uid"], attempt=inputs.attempt
        ),
        hostname="" if pod["spec"].get("hostNetwork") else inputs.hostname,
        log_directory=inputs.log_directory,
        labels=pod_labels(pod),
        annotations=_annotations(pod),
        port_mappings=port_mappings(pod),
        linux=pb.LinuxPodSandboxConfig(
            cgroup_parent=inputs.cgroup_parent,
            security_context=sandbox_context(pod),
            sysctls={item["name"]: item["value"] for item in outer.get("sysctls") or ()},
            resources=_resources(pod),
        ),
    )
    if inputs.dns is not None:
        config.dns_config.CopyFrom(
            pb.DNSConfig(
                servers=list(inputs.dns.servers), searches=list(inputs.dns.searches), options=list(inputs.dns.options)
            )
        )
    overhead = pod["spec"].get("overhead")
    if overhead:
        amounts = limits_to_runtime({"limits": overhead, "requests": overhead})
        config.linux.overhead.CopyFrom(
            pb.LinuxContainerResources(
                cpu_shares=amounts.cpu_shares or 0,
                cpu_quota=amounts.cpu_quota or 0,
                cpu_period=amounts.cpu_period or 0,
                memory_limit_in_bytes=amounts.memory_limit or 0,
            )
        )
    return config


def _annotations(pod: Obj) -> dict[str, str]:
    annotations = dict(pod["metadata"].get("annotations") or {})
    annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return annotations


def _resources(pod: Obj) -> Any:
    requests = pod_requests(pod)
    amounts = limits_to_runtime({"requests": {"cpu": f"{requests.get('cpu', 0)}m"}})
    return pb.LinuxContainerResources(cpu_shares=amounts.cpu_shares or 0, cpu_period=amounts.cpu_period or 0)
