"""What the kubelet remembers about one pod between syncs; everything in it can be rebuilt from the API and the
runtime.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]


@dataclass(slots=True)
class PodMemory:
    """One per pod UID."""

    pod: Obj
    failures: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Container name -> waiting reason and message."""
    errors: int = 0
    """Failed syncs in a row."""
    reason: str = ""
    message: str = ""
    """Why the kubelet ended the pod (Evicted, DeadlineExceeded, a rejection)."""
    rejected: bool = False
    """It was never admitted; `reason` and `message` say why."""
    allocated: dict[str, Obj] = field(default_factory=dict)
    """Container name -> admitted resources."""
    resize: tuple[str, str, str] | None = None
    cgroup_ready: bool = False
    secrets_loaded: bool = False
    mirror: Obj | None = None

    @property
    def uid(self) -> str:
        """The pod's UID."""
        return str(self.pod["metadata"]["uid"])

    @property
    def key(self) -> str:
        """`namespace/name`, for logs."""
        meta = self.pod["metadata"]
        return f"{meta['namespace']}/{meta['name']}"
