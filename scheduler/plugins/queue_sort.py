"""PrioritySort: higher priority first, then the pod that waits longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduler.pod_info import PodInfo

NAME = "PrioritySort"


def sort_key(pod: PodInfo, waiting_since: float, sequence: int) -> tuple[int, float, int]:
    """Heap key of a pod in the active queue."""
    return (-pod.priority, waiting_since, sequence)
