"""Why a container can't start now: the waiting reason and message it shows meanwhile."""

from __future__ import annotations


class ContainerStartError(Exception):
    """A start failed. `reason` becomes `state.waiting.reason`; `retry` is when it is worth another try (None: default
    back-off).
    """

    def __init__(self, reason: str, message: str, retry: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry = retry


class PodSyncError(Exception):
    """A sync could not reach its goal; it is tried again after `retry` seconds (None: default back-off)."""

    def __init__(self, message: str, retry: float | None = None) -> None:
        super().__init__(message)
        self.retry = retry
