"""The launcher's view of the container runtime: a few calls of CRI, one at a time.

Speaks CRI v1 over the profile's unix socket; any CRI runtime answers. gRPC errors become `Failure` here.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc

from minikube_py.profiles import Profile
from minikube_py.reasons import IMAGE_PULL, IMAGE_REMOVE, NOT_RUNNING, Failure, Reason
from protocols.cri import api_pb2, api_pb2_grpc

_MESSAGE_BYTES = 16 * 2**20
_CALL_SECONDS = 10.0


class RuntimeClient:
    """A connection to a profile's runtime; use as a context manager.

    Raises:
        Failure: NOT_RUNNING, where no runtime answers.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        options = [
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
            ("grpc.default_authority", "localhost"),
        ]
        self._channel = grpc.insecure_channel(f"unix://{profile.cri_socket}", options)
        self._runtime = api_pb2_grpc.RuntimeServiceStub(self._channel)
        self._images = api_pb2_grpc.ImageServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def _call(
        self,
        method: Callable[..., Any],
        request: Any,
        timeout: float | None = _CALL_SECONDS,
        reason: Reason = NOT_RUNNING,
    ) -> Any:
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            # A registry that can't be reached is UNAVAILABLE, too; only a failed connection is gRPC's own word.
            if error.code() == grpc.StatusCode.UNAVAILABLE and "failed to connect" in (error.details() or ""):
                raise Failure(NOT_RUNNING, "the container runtime does not answer", name=self._profile.name) from error
            raise Failure(reason, error.details() or str(error.code()), name=self._profile.name) from error

    def stop_all_sandboxes(self, grace_seconds: int) -> int:
        """Stop the containers of all pods with a grace period, then their sandboxes; returns how many pods."""
        containers = self._call(self._runtime.ListContainers, api_pb2.ListContainersRequest()).containers
        running = [row.id for row in containers if row.state == api_pb2.CONTAINER_RUNNING]
        sandboxes = self._call(self._runtime.ListPodSandbox, api_pb2.ListPodSandboxRequest()).items
        ready = [row.id for row in sandboxes if row.state == api_pb2.SANDBOX_READY]

        def stop_container(container: str) -> None:
            request = api_pb2.StopContainerRequest(container_id=container, timeout=grace_seconds)
            self._call(self._runtime.StopContainer, request, grace_seconds + _CALL_SECONDS)

        def stop_sandbox(sandbox: str) -> None:
            request = api_pb2.StopPodSandboxRequest(pod_sandbox_id=sandbox)
            self._call(self._runtime.StopPodSandbox, request, grace_seconds + _CALL_SECONDS)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(stop_container, running))
            list(pool.map(stop_sandbox, ready))
        return len(ready)

    def image_names(self) -> list[str]:
        """Names of all images, sorted; `<none>@ID` for nameless ones."""
        images = self._call(self._images.ListImages, api_pb2.ListImagesRequest()).images
        found: set[str] = set()
        for image in images:
            found.update(image.repo_tags or image.repo_digests or [f"<none>@{image.id}"])
        return sorted(found)

    def images(self) -> list[dict[str, object]]:
        """All images as minikube's `image ls --format json` shows them."""
        images = self._call(self._images.ListImages, api_pb2.ListImagesRequest()).images
        return [
            {
                "id": image.id,
                "repoDigests": list(image.repo_digests),
                "repoTags": list(image.repo_tags),
                "size": str(image.size),
            }
            for image in images
        ]

    def pull(self, image: str) -> str:
        """Pull an image; returns its id."""
        spec = api_pb2.ImageSpec(image=image)
        request = api_pb2.PullImageRequest(image=spec)
        reference: str = self._call(self._images.PullImage, request, None, IMAGE_PULL).image_ref
        return reference

    def has_image(self, image: str) -> bool:
        """Whether the runtime knows an image by this name or id."""
        request = api_pb2.ImageStatusRequest(image=api_pb2.ImageSpec(image=image))
        return bool(self._call(self._images.ImageStatus, request).image.id)

    def remove_image(self, image: str) -> None:
        """Remove an image and all its names."""
        request = api_pb2.RemoveImageRequest(image=api_pb2.ImageSpec(image=image))
        self._call(self._images.RemoveImage, request, 60.0, IMAGE_REMOVE)
