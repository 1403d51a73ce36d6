"""What every kind of volume gets and gives: the shape of the table in `registry`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Obj = dict[str, Any]


class VolumeError(Exception):
    """A volume can't be set up now; the message goes into the FailedMount event."""


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """What a volume draws on."""

    pod: Obj
    directory: Path
    """Where the volume lives, if it needs a place of its own."""
    lookup: Callable[[str, str], Obj | None]
    """(resource, name) -> object of the pod's namespace."""
    token: Callable[[Obj, str, int], Awaitable[str]]
    """(pod, audience, expiration seconds) -> ServiceAccount token."""
    read: Callable[[str, str, str | None], Awaitable[Obj]]
    """(resource, name, namespace) -> object from the API."""
    allocatable: Mapping[str, str] = field(default_factory=dict)

    @property
    def group(self) -> int | None:
        """FsGroup."""
        value = (self.pod["spec"].get("securityContext") or {}).get("fsGroup")
        return None if value is None else int(value)


@dataclass(frozen=True, slots=True)
class Mounted:
    """A volume that is ready."""

    path: str = ""
    read_only: bool = False
    image: str = ""
    """For an image volume: the reference; the runtime mounts it."""
    pull_policy: str = ""
    managed: bool = False
    """Set up below the pod's directory."""
    device: bool = False


Setup = Callable[[VolumeContext, Obj], Awaitable[Mounted]]
