"""Images for containers: pull policy, joined pulls, back-off, and the events and reasons upstream gives for each
outcome.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from component.clock import Clock
from kubelet.backoff import Backoff
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.image_names import credentials, default_policy, with_default_tag
from kubelet.start_error import ContainerStartError
from protocols.cri import api_pb2 as pb

Obj = dict[str, Any]
Emit = Callable[[str, str, str], None]
"""(Normal|Warning, reason, message)."""

_SPECIAL = ("RegistryUnavailable", "SignatureValidationFailed")


@dataclass(frozen=True, slots=True)
class Image:
    """A present image, and the user it runs as."""

    id: str
    uid: int | None
    user: str


class Images:
    """Ensures images. One instance per kubelet."""

    def __init__(self, client: CRIClient, clock: Clock, *, serialize: bool = False) -> None:
        self._client = client
        self._clock = clock
        self._backoff = Backoff()
        self._last_error: dict[str, str] = {}
        self._pulling: dict[tuple[str, str], asyncio.Future[str]] = {}
        self._limit = asyncio.Semaphore(1 if serialize else 5)
        self._failed_at: dict[str, float] = {}

    async def ensure(self, pod: Obj, container: Obj, emit: Emit, secrets: list[Obj], sandbox: Any | None) -> Image:
        """Make the container's image present.

        Raises:
            ContainerStartError: with upstream's reason.
        """
        asked = container.get("image") or ""
        name = with_default_tag(asked)
        if name is None:
            why = f'couldn\'t parse image name "{asked}": invalid reference format'
            message = f'Failed to apply default image tag "{asked}": {why}'
            emit("Warning", "InspectFailed", message)
            raise ContainerStartError("InvalidImageName", message)
        try:
            present = await self._client.image_status(name)
        except RuntimeServiceError as error:
            message = f'Failed to inspect image "{name}": {error}'
            emit("Warning", "InspectFailed", message)
            raise ContainerStartError("ImageInspectError", message) from error
        policy = container.get("imagePullPolicy") or default_policy(asked)
        if present is not None and policy != "Always":
            emit(
                "Normal",
                "Pulled",
                f'Container image "{asked}" already present on machine and can be accessed by the pod',
            )
            return _image(present)
        if policy == "Never":
            message = f'Container image "{asked}" is not present with pull policy of Never'
            emit("Warning", "ErrImageNeverPull", message)
            raise ContainerStartError("ErrImageNeverPull", message)
        await self._pull(pod, asked, name, emit, secrets, sandbox)
        present = await self._client.image_status(name)
        if present is None:
            raise ContainerStartError("ErrImagePull", f'image "{name}" is not present after the pull')
        return _image(present)

    async def _pull(self, pod: Obj, asked: str, name: str, emit: Emit, secrets: list[Obj], sandbox: Any | None) -> None:
        key = f"{pod['metadata']['uid']}_{name}"
        now = self._clock.now().timestamp()
        wait = self._backoff.remaining(key, self._failed_at.get(key, 0.0), now)
        if wait > 0:
            emit("Normal", "BackOff", f'Back-off pulling image "{asked}"')
            detail = self._last_error.get(key, "")
            message = f'Back-off pulling image "{asked}"' + (f": {detail}" if detail else "")
            raise ContainerStartError("ImagePullBackOff", message, wait)
        emit("Normal", "Pulling", f'Pulling image "{asked}"')
        started = time.monotonic()
        try:
            await self._joined(name, secrets, sandbox)
        except RuntimeServiceError as error:
            self._backoff.advance(key, now)
            self._failed_at[key] = now
            reason = next((r for r in _SPECIAL if error.message.startswith(r)), "ErrImagePull")
            emit("Warning", "Failed", f'Failed to pull image "{asked}": {error}')
            emit("Warning", "Failed", f"Error: {reason}")
            self._last_error[key] = f"{reason}: {error}"
            raise ContainerStartError(reason, str(error), 1.0 + self._backoff.delay(key)) from error
        took = _go_seconds(time.monotonic() - started)
        present = await self._client.image_status(name)
        size = present.size if present is not None else 0
        emit(
            "Normal",
            "Pulled",
            f'Successfully pulled image "{asked}" in {took} ({took} including waiting). Image size: {size} bytes.',
        )
        self._last_error.pop(key, None)
        self._backoff.reset(key)

    async def _joined(self, name: str, secrets: list[Obj], sandbox: Any | None) -> str:
        """Pulls of one image with the same credentials share one RPC."""
        options = credentials(name, secrets)
        key = (name, repr(options))
        running = self._pulling.get(key)
        if running is None:
            running = asyncio.ensure_future(self._try_each(name, options, sandbox))
            self._pulling[key] = running
            running.add_done_callback(lambda _: self._pulling.pop(key, None))
        return await asyncio.shield(running)

    async def _try_each(self, name: str, options: list[dict[str, str]], sandbox: Any | None) -> str:
        async with self._limit:
            error: RuntimeServiceError | None = None
            for option in options or [{}]:
                try:
                    auth = pb.AuthConfig(**option) if option else None
                    return await self._client.pull_image(name, auth, sandbox)
                except RuntimeServiceError as failed:
                    error = failed
            if error is None:
                raise RuntimeServiceError("UNKNOWN", "no credentials tried")
            raise error

    def forget(self, uid: str) -> None:
        """Drop what is remembered for a pod."""
        self._backoff.reset(uid)
        for table in (self._last_error, self._failed_at):
            for key in [k for k in table if k.startswith(uid)]:
                del table[key]


def _image(message: Any) -> Image:
    uid = message.uid.value if message.HasField("uid") else None
    return Image(message.id, uid, message.username)


def _go_seconds(seconds: float) -> str:
    return f"{int(seconds * 1000)}ms" if seconds < 1 else f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
