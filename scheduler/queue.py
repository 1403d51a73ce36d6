"""The scheduling queue: active, backing off, unschedulable, gated.

Pure state machine; the time is a parameter. A pod is in exactly one place:

- active: to be tried now, ordered by the queue-sort plugin;
- backoff: failed before and woken since, or failed with an error; tried when its time has
  come, or at once when nothing else is active and it did not fail with an error (KEP-5142);
- unschedulable: waits for an event that helps, at most five minutes;
- gated: its scheduling gates keep it out;
- in flight: popped and not yet given back or forgotten.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scheduler.plugins.queue_sort import sort_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from scheduler.pod_info import PodInfo

MAX_UNSCHEDULABLE_SECONDS = 300.0


@dataclass(slots=True, eq=False)
class QueuedPod:
    """A pod on its way, and what happened to it so far."""

    pod: PodInfo
    added: float
    sequence: int
    attempts: int = 0
    tried: float = 0.0
    plugins: frozenset[str] = field(default_factory=frozenset)
    place: str = "active"
    ready_at: float = 0.0
    failed_with_error: bool = False


class SchedulingQueue:
    """Holds the pods that have no node yet.

    Args:
        is_gated: whether a pod must stay out of the active queue.
        initial_backoff: seconds after the first failure; doubles with each.
        max_backoff: where the doubling stops.
    """

    def __init__(
        self, is_gated: Callable[[PodInfo], bool], initial_backoff: float = 1.0, max_backoff: float = 10.0
    ) -> None:
        self._is_gated = is_gated
        self._initial = initial_backoff
        self._max = max_backoff
        self._sequence = 0
        self._pods: dict[str, QueuedPod] = {}
        self._active: list[tuple[tuple[int, float, int], int, QueuedPod]] = []
        self._backoff: list[tuple[float, int, QueuedPod]] = []

    def __contains__(self, uid: str) -> bool:
        return uid in self._pods

    def add(self, pod: PodInfo, now: float) -> None:
        """A pod without a node appeared."""
        queued = self._pods.get(pod.uid)
        if queued is not None:
            self.update(pod, now)
            return
        self._sequence += 1
        queued = self._pods[pod.uid] = QueuedPod(pod, now, self._sequence)
        self._admit(queued, now)

    def update(self, pod: PodInfo, now: float, *, helps: bool = True) -> None:
        """The pod itself changed; `helps` says whether in a way that could make it schedulable."""
        queued = self._pods.get(pod.uid)
        if queued is None:
            self.add(pod, now)
            return
        priority_changed = queued.pod.priority != pod.priority
        queued.pod = pod
        if queued.place == "gated" or (queued.place == "unschedulable" and helps):
            self._admit(queued, now)
        elif queued.place == "active" and priority_changed:
            self._activate(queued)

    def delete(self, uid: str) -> None:
        """The pod is gone, or has a node now."""
        queued = self._pods.pop(uid, None)
        if queued is not None:
            queued.place = "gone"

    def pop(self, now: float) -> QueuedPod | None:
        """The next pod to try; it stays in flight until it is given back or deleted."""
        self._flush(now)
        queued = self._pop_active() or self._pop_backoff()
        if queued is not None:
            queued.place = "in flight"
            queued.attempts += 1
            queued.tried = now
        return queued

    def give_back(
        self, queued: QueuedPod, plugins: frozenset[str], now: float, *, failed_with_error: bool = False
    ) -> None:
        """No node took the pod, or binding it failed.

        Args:
            queued: what `pop` returned.
            plugins: who turned it away; empty wakes it at any event.
            now: the time.
            failed_with_error: not the cluster's state but an error was the reason: try again by time.
        """
        if self._pods.get(queued.pod.uid) is not queued or queued.place != "in flight":
            return
        queued.plugins = plugins
        queued.failed_with_error = failed_with_error
        queued.ready_at = queued.tried + self.backoff_of(queued.attempts)
        if failed_with_error:
            self._back_off(queued)
        else:
            queued.place = "unschedulable"
            queued.tried = now

    def backoff_of(self, attempts: int) -> float:
        """Seconds to wait after so many attempts."""
        return min(self._initial * 2.0 ** min(attempts - 1, 30), self._max) if attempts else 0.0

    def wake(self, helps: Callable[[PodInfo, frozenset[str]], bool], now: float) -> bool:
        """Something happened: moves the pods it may help; tells whether there were any."""
        moved = False
        for queued in list(self._pods.values()):
            if queued.place == "unschedulable" and helps(queued.pod, queued.plugins):
                self._admit(queued, now)
                moved = True
        return moved

    def next_wakeup(self) -> float | None:
        """When `pop` would next return something by the mere passing of time."""
        times = [ready for ready, _, queued in self._backoff if queued.place == "backoff" and queued.ready_at == ready]
        times += [q.tried + MAX_UNSCHEDULABLE_SECONDS for q in self._pods.values() if q.place == "unschedulable"]
        return min(times, default=None)

    def counts(self) -> dict[str, int]:
        """How many pods are where, for the metrics."""
        counts = {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 0}
        for queued in self._pods.values():
            if queued.place in counts:
                counts[queued.place] += 1
        return counts

    def _admit(self, queued: QueuedPod, now: float) -> None:
        if self._is_gated(queued.pod):
            queued.place = "gated"
        elif queued.attempts and queued.ready_at > now:
            self._back_off(queued)
        else:
            self._activate(queued)

    def _activate(self, queued: QueuedPod) -> None:
        queued.place = "active"
        self._sequence += 1
        key = sort_key(queued.pod, queued.added, queued.sequence)
        heapq.heappush(self._active, (key, self._sequence, queued))

    def _back_off(self, queued: QueuedPod) -> None:
        queued.place = "backoff"
        self._sequence += 1
        heapq.heappush(self._backoff, (queued.ready_at, self._sequence, queued))

    def _flush(self, now: float) -> None:
        while self._backoff and self._backoff[0][0] <= now:
            ready, _, queued = heapq.heappop(self._backoff)
            if queued.place == "backoff" and queued.ready_at == ready:
                self._activate(queued)
        for queued in self._pods.values():
            if queued.place == "unschedulable" and queued.tried + MAX_UNSCHEDULABLE_SECONDS <= now:
                self._activate(queued)

    def _pop_active(self) -> QueuedPod | None:
        while self._active:
            key, _, queued = heapq.heappop(self._active)
            if queued.place == "active" and key == sort_key(queued.pod, queued.added, queued.sequence):
                return queued
        return None

    def _pop_backoff(self) -> QueuedPod | None:
        """The first that waits only for its turn, not because of an error."""
        entries = sorted(self._backoff, key=lambda entry: entry[:2])
        for entry in entries:
            queued = entry[2]
            if queued.place == "backoff" and queued.ready_at == entry[0] and not queued.failed_with_error:
                return queued
        return None
