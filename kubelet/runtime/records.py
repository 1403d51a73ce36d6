"""CRI messages to the values of `pod_state`, and reading the whole state of a pod from the runtime.

The only file-system access is the termination message of a container that has exited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from kubelet.runtime import pod_state as values
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.pod_state import ContainerRecord, ContainerResources, ContainerUser, Phase, PodState, SandboxRecord
from kubelet.runtime.termination_message import termination_message
from protocols.cri import api_pb2 as pb

_PHASES = {0: Phase.CREATED, 1: Phase.RUNNING, 2: Phase.EXITED, 3: Phase.UNKNOWN}


def container_record(status: Any, sandbox_id: str) -> ContainerRecord:
    """A ContainerStatus message as a value."""
    annotations = dict(status.annotations)
    phase = _PHASES[status.state]
    record = ContainerRecord(
        id=status.id,
        name=status.labels.get(values.CONTAINER_NAME_LABEL) or status.metadata.name,
        attempt=status.metadata.attempt,
        sandbox_id=sandbox_id,
        phase=phase,
        created_at=status.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        reason=status.reason,
        message=status.message,
        image=status.image.user_specified_image or status.image.image,
        image_id=status.image_ref or status.image_id,
        hash=annotations.get(values.HASH_ANNOTATION, ""),
        restart_count=_int(annotations.get(values.RESTART_COUNT_ANNOTATION)),
        log_path=status.log_path,
        resources=_resources(status),
        user=_user(status),
        stop_signal="",
        annotations=annotations,
    )
    if phase is not Phase.EXITED:
        return record
    return _with_message(record, status)


def _with_message(record: ContainerRecord, status: Any) -> ContainerRecord:
    from dataclasses import replace

    path = record.annotations.get(values.TERMINATION_PATH_ANNOTATION, "")
    host_path = next((m.host_path for m in status.mounts if path and m.container_path == path), "")
    policy = record.annotations.get(values.TERMINATION_POLICY_ANNOTATION, "File")
    failed = record.exit_code != 0
    text = termination_message(host_path, record.log_path, fallback=policy == "FallbackToLogsOnError" and failed)
    return replace(record, message=text or record.message)


def _int(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _resources(status: Any) -> ContainerResources | None:
    if not status.HasField("resources") or not status.resources.HasField("linux"):
        return None
    linux = status.resources.linux
    return ContainerResources(linux.cpu_shares, linux.cpu_quota, linux.cpu_period, linux.memory_limit_in_bytes)


def _user(status: Any) -> ContainerUser | None:
    if not status.HasField("user") or not status.user.HasField("linux"):
        return None
    linux = status.user.linux
    return ContainerUser(linux.uid, linux.gid, tuple(linux.supplemental_groups))


def sandbox_record(status: Any) -> SandboxRecord:
    """A PodSandboxStatus message as a value."""
    node = status.linux.namespaces.options.network == pb.NODE
    ips = [status.network.ip, *(extra.ip for extra in status.network.additional_ips)]
    return SandboxRecord(
        id=status.id,
        attempt=status.metadata.attempt,
        ready=status.state == pb.SANDBOX_READY,
        created_at=status.created_at,
        ips=tuple(ip for ip in ips if ip),
        host_network=node,
    )


def pod_state(
    uid: str, name: str, namespace: str, sandboxes: Iterable[SandboxRecord], containers: Iterable[ContainerRecord]
) -> PodState:
    """Assemble, newest first."""
    return PodState(
        uid=uid,
        name=name,
        namespace=namespace,
        sandboxes=tuple(sorted(sandboxes, key=lambda s: s.created_at, reverse=True)),
        containers=tuple(sorted(containers, key=lambda c: (c.created_at, c.attempt), reverse=True)),
    )


async def _sandbox(client: CRIClient, sandbox_id: str) -> SandboxRecord | None:
    try:
        return sandbox_record(await client.pod_sandbox_status(sandbox_id))
    except RuntimeServiceError as error:
        if error.missing:
            return None
        raise


async def read_container(client: CRIClient, container_id: str, sandbox_id: str) -> ContainerRecord | None:
    """One container; None when it has gone."""
    try:
        return container_record(await client.container_status(container_id), sandbox_id)
    except RuntimeServiceError as error:
        if error.missing:
            return None
        raise


async def read_pod(client: CRIClient, uid: str, name: str, namespace: str) -> PodState:
    """The whole state of one pod."""
    labels = {values.POD_UID_LABEL: uid}
    sandboxes, containers = await asyncio.gather(client.list_pod_sandboxes(labels), client.list_containers(labels))
    found_sandboxes = await asyncio.gather(*(_sandbox(client, s.id) for s in sandboxes))
    found = await asyncio.gather(*(read_container(client, c.id, c.pod_sandbox_id) for c in containers))
    return pod_state(uid, name, namespace, (s for s in found_sandboxes if s), (c for c in found if c))
