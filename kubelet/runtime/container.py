"""Pure: ContainerConfig from a container spec and what has been prepared for it (environment, mounts, devices,
image).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from kubelet.environment import expand
from kubelet.pod_actions import Kind, container_hash
from kubelet.resources.amounts import limits_to_runtime
from kubelet.resources.qos import oom_score_adjust
from kubelet.runtime import pod_state as values
from kubelet.runtime.security_context import container_context
from protocols.cri import api_pb2 as pb

Obj = dict[str, Any]

PROPAGATION = {
    None: pb.PROPAGATION_PRIVATE,
    "None": pb.PROPAGATION_PRIVATE,
    "HostToContainer": pb.PROPAGATION_HOST_TO_CONTAINER,
    "Bidirectional": pb.PROPAGATION_BIDIRECTIONAL,
}


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount of a container, as the kubelet prepared it."""

    container_path: str
    host_path: str = ""
    read_only: bool = False
    recursive_read_only: bool = False
    propagation: str | None = None
    image: str = ""
    image_sub_path: str = ""


@dataclass(frozen=True, slots=True)
class ContainerInputs:
    """What a container needs beside its spec."""

    attempt: int
    kind: Kind
    image_id: str
    image_uid: int | None
    image_user: str
    env: tuple[tuple[str, str], ...]
    mounts: tuple[Mount, ...]
    target_container_id: str = ""
    node_memory: int = 0
    devices: tuple[tuple[str, str, str], ...] = field(default_factory=tuple)


def log_path(name: str, attempt: int) -> str:
    """Log file relative to the pod's log directory."""
    return f"{name}/{attempt}.log"


def container_config(pod: Obj, container: Obj, inputs: ContainerInputs) -> Any:
    """The whole ContainerConfig."""
    meta, name = pod["metadata"], container["name"]
    variables = dict(inputs.env)
    return pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name=name, attempt=inputs.attempt),
        image=pb.ImageSpec(image=inputs.image_id, user_specified_image=container.get("image") or ""),
        command=[expand(part, variables) for part in container.get("command") or ()],
        args=[expand(part, variables) for part in container.get("args") or ()],
        working_dir=container.get("workingDir") or "",
        envs=[pb.KeyValue(key=key, value=value) for key, value in inputs.env],
        mounts=[_mount(mount) for mount in inputs.mounts],
        devices=[pb.Device(container_path=c, host_path=h, permissions=p) for c, h, p in inputs.devices],
        labels={
            values.CONTAINER_NAME_LABEL: name,
            values.POD_NAME_LABEL: meta["name"],
            values.POD_NAMESPACE_LABEL: meta["namespace"],
            values.POD_UID_LABEL: meta["uid"],
        },
        annotations=_annotations(pod, container, inputs.attempt),
        log_path=log_path(name, inputs.attempt),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
        linux=pb.LinuxContainerConfig(
            resources=container_resources(pod, container, inputs.node_memory),
            security_context=container_context(
                pod,
                container,
                image_uid=inputs.image_uid,
                image_user=inputs.image_user,
                target=inputs.target_container_id,
            ),
        ),
    )


def container_resources(pod: Obj, container: Obj, node_memory: int) -> Any:
    """LinuxContainerResources from requests and limits."""
    amounts = limits_to_runtime(container.get("resources") or {})
    return pb.LinuxContainerResources(
        cpu_period=amounts.cpu_period or 0,
        cpu_quota=amounts.cpu_quota or 0,
        cpu_shares=amounts.cpu_shares or 0,
        memory_limit_in_bytes=amounts.memory_limit or 0,
        oom_score_adj=oom_score_adjust(pod, container, node_memory),
    )


def _mount(mount: Mount) -> Any:
    result = pb.Mount(
        container_path=mount.container_path,
        host_path=mount.host_path,
        readonly=mount.read_only,
        propagation=PROPAGATION[mount.propagation],
        recursive_read_only=mount.recursive_read_only,
    )
    if mount.image:
        result.image.image = mount.image
        result.image_sub_path = mount.image_sub_path
    return result


def _annotations(pod: Obj, container: Obj, attempt: int) -> dict[str, str]:
    result = {
        values.HASH_ANNOTATION: container_hash(container),
        values.RESTART_COUNT_ANNOTATION: str(attempt),
        values.TERMINATION_PATH_ANNOTATION: container.get("terminationMessagePath") or "/dev/termination-log",
        values.TERMINATION_POLICY_ANNOTATION: container.get("terminationMessagePolicy") or "File",
    }
    grace = pod["spec"].get("terminationGracePeriodSeconds")
    if grace is not None:
        result[values.GRACE_PERIOD_ANNOTATION] = str(grace)
    hook = (container.get("lifecycle") or {}).get("preStop")
    if hook:
        result["io.kubernetes.container.preStopHandler"] = json.dumps(hook)
    if container.get("ports"):
        result["io.kubernetes.container.ports"] = json.dumps(container["ports"])
    return result
