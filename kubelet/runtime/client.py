"""CRI v1 over grpc.aio: the runtime and the image service behind one small typed face.

Talks to any CRI endpoint. Each call has upstream's deadline; a failed call raises `RuntimeServiceError` with its gRPC
code name. Calls that make
something (`finish`) run to their end even when the caller is cancelled, so that nothing is left half-known.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

import grpc

from protocols.cri import api_pb2 as pb
from protocols.cri import api_pb2_grpc as rpc

_T = TypeVar("_T")

DEADLINE = 120.0
SANDBOX_DEADLINE = 240.0
MESSAGE_LIMIT = 16 * 1024 * 1024
_OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class RuntimeServiceError(Exception):
    """A CRI call failed. `code` is the gRPC code's name, for instance `NOT_FOUND`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"rpc error: code = {_go_code(code)} desc = {message}")
        self.code = code
        self.message = message

    @property
    def missing(self) -> bool:
        """Whether the object does not exist."""
        return self.code == "NOT_FOUND"

    @property
    def unreachable(self) -> bool:
        """Whether the runtime is down rather than unwilling."""
        return self.code == "UNAVAILABLE"


def _go_code(code: str) -> str:
    return "".join(part.capitalize() for part in code.split("_"))


class CRIClient:
    """Every RPC the kubelet uses."""

    def __init__(self, endpoint: str, image_endpoint: str = "") -> None:
        self._channel = grpc.aio.insecure_channel(_target(endpoint), options=_OPTIONS)
        self._image_channel = (
            self._channel
            if image_endpoint in {"", endpoint}
            else grpc.aio.insecure_channel(_target(image_endpoint), options=_OPTIONS)
        )
        self._runtime = rpc.RuntimeServiceStub(self._channel)
        self._images = rpc.ImageServiceStub(self._image_channel)

    async def close(self) -> None:
        """Close both channels."""
        await self._channel.close(None)
        if self._image_channel is not self._channel:
            await self._image_channel.close(None)

    async def _call(self, stub: Any, method: str, request: Any, timeout: float | None = DEADLINE) -> Any:
        try:
            return await getattr(stub, method)(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise RuntimeServiceError(error.code().name, error.details() or "") from error

    # --- the runtime

    async def version(self) -> Any:
        """Name and version of the runtime."""
        return await self._call(self._runtime, "Version", pb.VersionRequest(version="0.1.0"), 5)

    async def status(self) -> Any:
        """RuntimeReady, NetworkReady, handlers and features."""
        return await self._call(self._runtime, "Status", pb.StatusRequest(), 10)

    async def runtime_config(self) -> Any:
        """The runtime's cgroup driver."""
        return await self._call(self._runtime, "RuntimeConfig", pb.RuntimeConfigRequest(), 5)

    async def update_pod_cidr(self, cidr: str) -> None:
        """Tell the runtime the node's pod CIDR."""
        config = pb.RuntimeConfig(network_config=pb.NetworkConfig(pod_cidr=cidr))
        await self._call(self._runtime, "UpdateRuntimeConfig", pb.UpdateRuntimeConfigRequest(runtime_config=config))

    # --- sandboxes

    async def run_pod_sandbox(self, config: Any, handler: str) -> str:
        """Make and start a sandbox; returns its id."""
        request = pb.RunPodSandboxRequest(config=config, runtime_handler=handler)
        answer = await self._finish(self._call(self._runtime, "RunPodSandbox", request, SANDBOX_DEADLINE))
        return str(answer.pod_sandbox_id)

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Stop it and free its network; idempotent."""
        await self._call(self._runtime, "StopPodSandbox", pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id))

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Remove it with all its containers; idempotent."""
        await self._call(self._runtime, "RemovePodSandbox", pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id))

    async def pod_sandbox_status(self, sandbox_id: str) -> Any:
        """Status of one sandbox."""
        request = pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id)
        return (await self._call(self._runtime, "PodSandboxStatus", request)).status

    async def list_pod_sandboxes(self, labels: dict[str, str] | None = None) -> list[Any]:
        """All sandboxes whose labels match."""
        request = pb.ListPodSandboxRequest(filter=pb.PodSandboxFilter(label_selector=labels or {}))
        return list((await self._call(self._runtime, "ListPodSandbox", request)).items)

    # --- containers

    async def create_container(self, sandbox_id: str, config: Any, sandbox_config: Any) -> str:
        """Make a container; returns its id."""
        request = pb.CreateContainerRequest(pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox_config)
        return str((await self._finish(self._call(self._runtime, "CreateContainer", request))).container_id)

    async def start_container(self, container_id: str) -> None:
        """Start a created container."""
        request = pb.StartContainerRequest(container_id=container_id)
        await self._finish(self._call(self._runtime, "StartContainer", request))

    async def stop_container(self, container_id: str, grace: float) -> None:
        """TERM, wait `grace` seconds, KILL."""
        request = pb.StopContainerRequest(container_id=container_id, timeout=int(grace))
        await self._call(self._runtime, "StopContainer", request, DEADLINE + grace)

    async def remove_container(self, container_id: str) -> None:
        """Remove a container; idempotent."""
        await self._call(self._runtime, "RemoveContainer", pb.RemoveContainerRequest(container_id=container_id))

    async def list_containers(self, labels: dict[str, str] | None = None) -> list[Any]:
        """All containers whose labels match."""
        request = pb.ListContainersRequest(filter=pb.ContainerFilter(label_selector=labels or {}))
        return list((await self._call(self._runtime, "ListContainers", request)).containers)

    async def container_status(self, container_id: str) -> Any:
        """Status of one container."""
        request = pb.ContainerStatusRequest(container_id=container_id)
        return (await self._call(self._runtime, "ContainerStatus", request)).status

    async def update_container_resources(self, container_id: str, resources: Any) -> None:
        """Change limits of a running container."""
        request = pb.UpdateContainerResourcesRequest(container_id=container_id, linux=resources)
        await self._call(self._runtime, "UpdateContainerResources", request)

    async def reopen_log(self, container_id: str) -> None:
        """Make the runtime reopen the log file after a rotation."""
        await self._call(self._runtime, "ReopenContainerLog", pb.ReopenContainerLogRequest(container_id=container_id))

    async def exec_sync(self, container_id: str, command: list[str], timeout: float) -> tuple[int, bytes, bytes]:
        """Run a command; returns exit code, stdout, stderr."""
        request = pb.ExecSyncRequest(
            container_id=container_id, cmd=command, timeout=max(1, int(timeout)) if timeout else 0
        )
        answer = await self._call(self._runtime, "ExecSync", request, DEADLINE + timeout)
        return int(answer.exit_code), bytes(answer.stdout), bytes(answer.stderr)

    async def exec_url(self, request: Any) -> str:
        """Streaming URL of an exec."""
        return str((await self._call(self._runtime, "Exec", request)).url)

    async def attach_url(self, request: Any) -> str:
        """Streaming URL of an attach."""
        return str((await self._call(self._runtime, "Attach", request)).url)

    async def port_forward_url(self, request: Any) -> str:
        """Streaming URL of a port forward."""
        return str((await self._call(self._runtime, "PortForward", request)).url)

    async def list_container_stats(self) -> list[Any]:
        """Usage of all running containers."""
        request = pb.ListContainerStatsRequest()
        return list((await self._call(self._runtime, "ListContainerStats", request)).stats)

    async def list_pod_sandbox_stats(self) -> list[Any]:
        """Usage of all pods."""
        request = pb.ListPodSandboxStatsRequest()
        return list((await self._call(self._runtime, "ListPodSandboxStats", request)).stats)

    async def events(self) -> AsyncIterator[Any]:
        """The runtime's event stream, until it breaks."""
        call = self._runtime.GetContainerEvents(pb.GetEventsRequest())
        try:
            async for event in call:
                yield event
        except grpc.aio.AioRpcError as error:
            raise RuntimeServiceError(error.code().name, error.details() or "") from error
        finally:
            call.cancel()

    # --- images

    async def image_status(self, image: str) -> Any | None:
        """One image, or None when it is not present."""
        request = pb.ImageStatusRequest(image=pb.ImageSpec(image=image))
        answer = await self._call(self._images, "ImageStatus", request)
        return answer.image if answer.HasField("image") and answer.image.id else None

    async def list_images(self) -> list[Any]:
        """All images."""
        return list((await self._call(self._images, "ListImages", pb.ListImagesRequest())).images)

    async def pull_image(self, image: str, auth: Any | None, sandbox_config: Any | None) -> str:
        """Pull; returns the image's id."""
        request = pb.PullImageRequest(image=pb.ImageSpec(image=image), auth=auth, sandbox_config=sandbox_config)
        return str((await self._call(self._images, "PullImage", request, None)).image_ref)

    async def remove_image(self, image: str) -> None:
        """Remove an image with all its tags."""
        request = pb.RemoveImageRequest(image=pb.ImageSpec(image=image))
        await self._call(self._images, "RemoveImage", request)

    async def image_fs_info(self) -> Any:
        """Usage of the image file system."""
        return await self._call(self._images, "ImageFsInfo", pb.ImageFsInfoRequest())

    @staticmethod
    async def _finish(call: Awaitable[_T]) -> _T:
        task = asyncio.ensure_future(call)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise


def _target(endpoint: str) -> str:
    if endpoint.startswith("unix://"):
        return "unix:" + endpoint.removeprefix("unix://")
    return f"unix:{endpoint}" if endpoint.startswith("/") else endpoint


async def wait_reachable(client: CRIClient, retry: float = 0.1) -> Any:
    """Ask for the version until the runtime answers."""
    while True:
        try:
            return await client.version()
        except RuntimeServiceError:
            await asyncio.sleep(retry)
            retry = min(retry * 1.5, 1.0)
