"""What a StatefulSet does next (pure): pods made in order, taken away in reverse, replaced from the last to the first.

With `OrderedReady` one step is taken at a time, and a pod that is not available holds up all others; `Parallel` makes
and deletes at once, but updates in order, too.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from apimachinery.objects.metadata import Obj, is_deleting
from apimachinery.objects.pods import is_ready
from controllers.disruption import share
from controllers.pod_availability import seconds_until_available
from controllers.stateful_set.identity import ordinal, ordinals, revision_of, start


@dataclass(frozen=True, slots=True)
class Create:
    """Make the pod with an ordinal.

    Attributes:
        updated: From the update revision, not the current one.
    """

    ordinal: int
    updated: bool


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a pod.

    Attributes:
        why: The phase of a pod that ended and is made anew; empty for scaling and updates.
    """

    pod: Obj
    why: str = ""


Step = Create | Delete


def phase(pod: Obj) -> str:
    """The pod's phase; empty before the API server set one."""
    told: str = (pod.get("status") or {}).get("phase") or ""
    return told


def is_running_and_ready(pod: Obj) -> bool:
    """Whether it runs and is ready."""
    return phase(pod) == "Running" and is_ready(pod)


def is_available(live: Obj, pod: Obj, now: datetime.datetime) -> bool:
    """Whether it has been ready for minReadySeconds."""
    least = int(live["spec"].get("minReadySeconds") or 0)
    return phase(pod) == "Running" and seconds_until_available(pod, least, now) == 0


def is_ordered(live: Obj) -> bool:
    """Whether pods are made and deleted one after the other."""
    return bool(live["spec"].get("podManagementPolicy") != "Parallel")


def _strategy(live: Obj) -> tuple[str, Obj]:
    strategy = live["spec"].get("updateStrategy") or {}
    return strategy.get("type") or "RollingUpdate", strategy.get("rollingUpdate") or {}


def partition(live: Obj) -> int:
    """The first position (counted from ordinals.start) that a rolling update reaches."""
    return int(_strategy(live)[1].get("partition") or 0)


def wants_updated(live: Obj, number: int) -> bool:
    """Whether a new pod with an ordinal is made from the update revision."""
    return _strategy(live)[0] == "OnDelete" or number >= start(live) + partition(live)


class Plan:
    """Decides the steps for one look at a set.

    Args:
        live: The set.
        pods: Its pods.
        update: The name of the update revision.
        now: The time.
        waits_for_claim: Whether the pod with an ordinal must wait, as an old claim of it has not gone yet.
    """

    def __init__(
        self,
        live: Obj,
        pods: list[Obj],
        update: str,
        now: datetime.datetime,
        waits_for_claim: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._live = live
        self._update = update
        self._now = now
        self._waits_for_claim = waits_for_claim
        wanted = ordinals(live)
        self._there = {ordinal(pod): pod for pod in pods if ordinal(pod) in wanted}
        self._condemned = sorted(
            (pod for pod in pods if ordinal(pod) >= 0 and ordinal(pod) not in wanted), key=ordinal, reverse=True
        )

    def steps(self) -> list[Step]:
        """What to do now; nothing while something is waited for."""
        if is_ordered(self._live):
            return self._ordered()
        steps = [step for number in ordinals(self._live) if (step := self._restore(number)) is not None]
        steps += [Delete(pod) for pod in self._condemned if not is_deleting(pod)]
        return steps or self._roll()

    def _ordered(self) -> list[Step]:
        for number in ordinals(self._live):
            step = self._restore(number)
            if step is not None:
                return [step]
            if not self._settled(self._there.get(number)):
                return []
        for pod in self._condemned:
            if is_deleting(pod):
                return []
            # The first pod that is not well may go; another one that is not well is waited for.
            if not is_available(self._live, pod, self._now) and pod is not self._first_unwell():
                return []
            return [Delete(pod)]
        return self._roll()

    def _first_unwell(self) -> Obj | None:
        unwell = [pod for pod in self._condemned if not is_running_and_ready(pod) or is_deleting(pod)]
        return min(unwell, key=ordinal, default=None)

    def _settled(self, pod: Obj | None) -> bool:
        return pod is not None and not is_deleting(pod) and is_available(self._live, pod, self._now)

    def _restore(self, number: int) -> Step | None:
        """The step that brings back the pod with an ordinal."""
        pod = self._there.get(number)
        if pod is None:
            if self._waits_for_claim(number):
                return None
            return Create(number, wants_updated(self._live, number))
        if phase(pod) in ("Failed", "Succeeded") and not is_deleting(pod):
            return Delete(pod, phase(pod))
        return None

    def _roll(self) -> list[Step]:
        kind, rolling = _strategy(self._live)
        if kind == "OnDelete":
            return []
        within = ordinals(self._live)
        positions = range(len(within) - 1, partition(self._live) - 1, -1)
        if rolling.get("maxUnavailable") is not None:
            return self._roll_within(positions, rolling["maxUnavailable"])
        for position in positions:
            pod = self._there.get(within[position])
            if pod is not None and self._is_outdated(pod):
                return [Delete(pod)]
            if not self._settled(pod):
                return []
        return []

    def _roll_within(self, positions: range, limit: object) -> list[Step]:
        """Replace several pods at once, as long as no more than the limit are away."""
        within = ordinals(self._live)
        spare = max(1, share(limit, len(within)))
        spare -= sum(not self._settled(self._there.get(number)) for number in within)
        steps: list[Step] = []
        for position in positions:
            pod = self._there.get(within[position])
            if pod is None or not self._is_outdated(pod):
                continue
            if self._settled(pod):
                if spare <= 0:
                    break
                spare -= 1
            steps.append(Delete(pod))
        return steps

    def _is_outdated(self, pod: Obj) -> bool:
        return not is_deleting(pod) and revision_of(pod) != self._update


def next_look(live: Obj, pods: list[Obj], now: datetime.datetime) -> float | None:
    """Seconds until the next pod becomes available, if one is about to."""
    least = int(live["spec"].get("minReadySeconds") or 0)
    waits = [wait for pod in pods if (wait := seconds_until_available(pod, least, now))]
    return min(waits) + 0.05 if waits else None
