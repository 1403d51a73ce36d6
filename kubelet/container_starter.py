"""Starts one container: image, environment, mounts, create, start, postStart hook.

Every failure becomes a `ContainerStartError` with upstream's waiting reason; events are sent on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubelet import container_mounts, dns, environment
from kubelet.environment import ContainerConfigError, EnvironmentInputs
from kubelet.event_reporter import EventReporter
from kubelet.lifecycle_hooks import HookError, LifecycleHooks
from kubelet.pod_actions import ContainerStart, Kind, host_network
from kubelet.pod_memory import PodMemory
from kubelet.references import References
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.container import ContainerInputs, Mount, container_config
from kubelet.runtime.images import Image, Images
from kubelet.runtime.pod_state import ContainerRecord, PodState
from kubelet.runtime.records import read_container
from kubelet.runtime.security_context import RunAsNonRootError, verify_non_root
from kubelet.start_error import ContainerStartError
from kubelet.volumes.mounter import Volumes
from kubelet.volumes.source import Mounted

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What containers learn about their node."""

    name: str
    host_ips: tuple[str, ...]
    cluster_domain: str
    memory: int
    allocatable: Callable[[], Mapping[str, str]]
    services: Callable[[], tuple[Obj, ...]]


class ContainerStarter:
    """One instance per kubelet."""

    def __init__(
        self,
        client: CRIClient,
        images: Images,
        volumes: Volumes,
        references: References,
        hooks: LifecycleHooks,
        events: EventReporter,
        node: NodeFacts,
    ) -> None:
        self._client = client
        self._images = images
        self._volumes = volumes
        self._references = references
        self._hooks = hooks
        self._events = events
        self._node = node

    async def image(self, pod: Obj, start: ContainerStart, sandbox_config: Any) -> Image:
        """Make the image present."""
        emit = self._events.container(pod, start.spec["name"], start.kind)
        try:
            return await self._images.ensure(pod, start.spec, emit, await self._pull_secrets(pod), sandbox_config)
        except ContainerStartError as error:
            if error.reason in {"ErrImageNeverPull", "ImageInspectError", "InvalidImageName", "ImagePullBackOff"}:
                emit("Warning", "Failed", f"Error: {error.reason}")
            raise

    async def image_volumes(self, pod: Obj, container: Obj, sandbox_config: Any) -> None:
        """Make the images of the container's image volumes present."""
        ready = self._volumes.mounted(pod["metadata"]["uid"])
        for mount in container.get("volumeMounts") or ():
            volume = ready.get(mount["name"])
            if volume is not None and volume.image:
                wanted: Obj = {"name": mount["name"], "image": volume.image}
                if volume.pull_policy:
                    wanted["imagePullPolicy"] = volume.pull_policy
                emit = self._events.container(pod, container["name"], Kind.REGULAR)
                await self._images.ensure(pod, wanted, emit, await self._pull_secrets(pod), sandbox_config)

    async def _pull_secrets(self, pod: Obj) -> list[Obj]:
        names = [item.get("name") for item in pod["spec"].get("imagePullSecrets") or ()]
        if not names:
            return []
        await self._references.load(pod)
        lookup = self._references.lookup(pod["metadata"]["namespace"])
        return [secret for name in names if name and (secret := lookup("secrets", name))]

    async def start(
        self, memory: PodMemory, start: ContainerStart, state: PodState, sandbox_config: Any, image: Image
    ) -> ContainerRecord:
        """Create and start; returns the running container's record.

        Raises:
            ContainerStartError: with the waiting reason.
        """
        pod = memory.pod
        emit = self._events.container(pod, start.spec["name"], start.kind)
        sandbox = state.ready_sandbox
        if sandbox is None:
            raise ContainerStartError("CreateContainerError", "sandbox is gone")
        try:
            await self.image_volumes(pod, start.spec, sandbox_config)
            config = await self._config(memory, start, state, sandbox.ips, image)
        except (ContainerConfigError, RunAsNonRootError, OSError) as error:
            emit("Warning", "Failed", f"Error: {error}")
            raise ContainerStartError("CreateContainerConfigError", str(error)) from error
        try:
            container_id = await self._client.create_container(sandbox.id, config, sandbox_config)
        except RuntimeServiceError as error:
            emit("Warning", "Failed", f"Error: {error.message}")
            reason = next((r for r in ("ImageVolumeMountFailed", "RROUnsupported") if error.message.startswith(r)), "")
            raise ContainerStartError(reason or "CreateContainerError", error.message) from error
        emit("Normal", "Created", "Container created")
        try:
            await self._client.start_container(container_id)
        except RuntimeServiceError as error:
            emit("Warning", "Failed", f"Error: {error.message}")
            raise ContainerStartError("RunContainerError", error.message) from error
        emit("Normal", "Started", "Container started")
        record = await read_container(self._client, container_id, sandbox.id)
        if record is None:
            raise ContainerStartError("RunContainerError", "container vanished")
        await self._post_start(pod, start, record, sandbox.ips)
        return record

    async def _post_start(self, pod: Obj, start: ContainerStart, record: ContainerRecord, ips: tuple[str, ...]) -> None:
        handler = (start.spec.get("lifecycle") or {}).get("postStart")
        if not handler:
            return
        emit = self._events.container(pod, start.spec["name"], start.kind)
        try:
            await self._hooks.run(handler, start.spec, record.id, self._host_of(pod, ips))
        except HookError as error:
            emit("Warning", "FailedPostStartHook", "PostStartHook failed")
            emit("Normal", "Killing", "FailedPostStartHook")
            grace = pod["spec"].get("terminationGracePeriodSeconds")
            await self._client.stop_container(record.id, 30 if grace is None else grace)
            raise ContainerStartError("PostStartHookError", f"PostStartHook failed: {error}") from error

    def _host_of(self, pod: Obj, ips: tuple[str, ...]) -> str:
        addresses = self._node.host_ips if host_network(pod) else ips
        return addresses[0] if addresses else "127.0.0.1"

    async def _config(
        self, memory: PodMemory, start: ContainerStart, state: PodState, ips: tuple[str, ...], image: Image
    ) -> Any:
        pod, container = memory.pod, start.spec
        verify_non_root(pod, container, image.uid, image.user)
        if environment.references(container):
            await self._references.load(pod)
        uid = pod["metadata"]["uid"]
        ready = self._volumes.mounted(uid)
        pod_ips = self._node.host_ips if host_network(pod) else ips
        env = environment.build(pod, container, self._environment_inputs(pod, pod_ips, ready))
        mounts = self._mounts(pod, container, start.attempt, pod_ips, dict(env))
        target = container.get("targetContainerName")
        target_record = state.newest(target) if target and start.kind is Kind.EPHEMERAL else None
        inputs = ContainerInputs(
            attempt=start.attempt,
            kind=start.kind,
            image_id=image.id,
            image_uid=image.uid,
            image_user=image.user,
            env=tuple(env),
            mounts=tuple(mounts),
            target_container_id=target_record.id if target_record else "",
            node_memory=self._node.memory,
            devices=container_mounts.block_devices(container, ready),
        )
        resources = memory.allocated.get(container["name"])
        return container_config(pod, {**container, "resources": resources} if resources else container, inputs)

    def _environment_inputs(
        self, pod: Obj, pod_ips: tuple[str, ...], ready: Mapping[str, Mounted]
    ) -> EnvironmentInputs:
        def read_file(volume: str, path: str, key: str) -> str | None:
            mounted = ready.get(volume)
            if mounted is None:
                return None
            try:
                text = (Path(mounted.path) / path).read_text()
            except OSError:
                return None
            pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
            return next((value for name, _, value in pairs if name.strip() == key), None)

        return EnvironmentInputs(
            lookup=self._references.lookup(pod["metadata"]["namespace"]),
            services=self._node.services(),
            pod_ips=pod_ips,
            host_ips=self._node.host_ips,
            node_name=self._node.name,
            allocatable=self._node.allocatable(),
            read_file=read_file,
        )

    def _mounts(
        self, pod: Obj, container: Obj, attempt: int, pod_ips: tuple[str, ...], variables: Mapping[str, str]
    ) -> list[Mount]:
        uid = pod["metadata"]["uid"]
        directory = self._volumes.pod_directory(uid)
        mounts = container_mounts.volume_mounts(container, self._volumes.mounted(uid), variables)
        node_hosts = _node_hosts() if host_network(pod) else ""
        if pod_ips or host_network(pod):
            content = dns.hosts_file(pod, pod_ips, self._node.cluster_domain, node_hosts)
            hosts = container_mounts.hosts_mount(container, directory, content)
            if hosts is not None:
                mounts.append(hosts)
        mounts.append(container_mounts.termination_mount(container, directory, attempt))
        return mounts


def _node_hosts() -> str:
    try:
        return Path("/etc/hosts").read_text()
    except OSError:
        return ""
