"""Carries out the commands of the pod machines: one `Worker` per pod UID, at most one task at a time for each.

No task sleeps for a pod that has nothing to do: a wait is a timer that wakes the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from apimachinery.errors import APIError
from component.clock import Clock
from component.logging import get_logger
from component.tasks import Tasks
from kubelet import pod_worker as machine
from kubelet.guarded import guarded
from kubelet.pod_cleanup import Cleanup
from kubelet.pod_memory import PodMemory
from kubelet.pod_status import PodStatuses
from kubelet.pod_sync import PodSync, deadline
from kubelet.pod_termination import Termination
from kubelet.prober.probes import Probes
from kubelet.runtime.client import RuntimeServiceError
from kubelet.runtime.pod_cache import PodCache
from kubelet.start_error import PodSyncError

Obj = dict[str, Any]

FIRST_RETRY = 0.25
LONGEST_RETRY = 10.0
WHILE_RUNTIME_IS_AWAY = 0.5

log = get_logger("kubelet.pods")


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What commands are carried out with."""

    sync: PodSync
    termination: Termination
    cleanup: Cleanup
    statuses: PodStatuses
    probes: Probes
    cache: PodCache
    clock: Clock


class _Worker:
    """One pod: the machine's state, the memory, the running task and the timer."""

    def __init__(self, owner: PodWorkers, memory: PodMemory) -> None:
        self.owner = owner
        self.memory = memory
        self.state = machine.WorkerState()
        self.task: asyncio.Task[Any] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.timer_due = 0.0
        self.deadline: asyncio.TimerHandle | None = None

    def feed(self, event: machine.Input) -> None:
        """Step the machine and carry out its orders."""
        self.state, orders = machine.step(self.state, event)
        for order in orders:
            self._carry_out(order)

    def _carry_out(self, order: machine.Order) -> None:
        if isinstance(order, machine.Cancel):
            if self.task is not None:
                self.task.cancel()
        elif isinstance(order, machine.Forget):
            self._cancel_timers()
            self.owner.forgotten(self)
        else:
            self._cancel_timer()
            name = f"{type(order).__name__.lower()} {self.memory.key}"
            self.task = self.owner.tasks.spawn(guarded(self._run(order), name), name=name)
            self.task.add_done_callback(self._never_began)

    def _never_began(self, task: asyncio.Task[Any]) -> None:
        """A task that is cancelled before its first step never reports its end itself."""
        if task.cancelled() and self.task is task and not self.owner.closing:
            self.task = None
            self.feed(machine.Done(again=True))

    async def _run(self, command: machine.Command) -> None:
        done = machine.Done(again=True)
        try:
            done = await self.owner.run(self, command)
            self.memory.errors = 0 if not done.again else self.memory.errors
        except asyncio.CancelledError:
            if self.owner.closing:
                raise
        except (RuntimeServiceError, APIError, PodSyncError, OSError, TimeoutError) as error:
            self._retry_later(command, error)
        except Exception as error:  # noqa: BLE001 -- one pod's fault must not end the kubelet
            log.error("unexpected fault in a pod worker", error=error, pod=self.memory.key)
            self._retry_later(command, error)
        self.task = None
        self.feed(done)

    def _retry_later(self, command: machine.Command, error: Exception) -> None:
        pause = getattr(error, "retry", None) or min(FIRST_RETRY * 2**self.memory.errors, LONGEST_RETRY)
        if isinstance(error, RuntimeServiceError) and error.unreachable:
            pause = min(pause, WHILE_RUNTIME_IS_AWAY)
        self.memory.errors = min(self.memory.errors + 1, 20)
        if self.memory.errors in {2, 10}:
            log.info("pod command fails", pod=self.memory.key, command=type(command).__name__, error=str(error))
        self.wake_in(pause)

    def wake_in(self, seconds: float) -> None:
        """Wake the machine later, unless an earlier wake is set."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self.timer is not None and self.timer_due <= due:
            return
        self._cancel_timer()
        self.timer, self.timer_due = loop.call_later(seconds, self._tick), due

    def _tick(self) -> None:
        self.timer = None
        self.feed(machine.RuntimeChanged())

    def arm_deadline(self) -> None:
        """Set the timer of activeDeadlineSeconds."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
        due = deadline(self.memory.pod)
        if due is not None and self.state.stage is machine.Stage.SYNCING:
            left = max(0.0, due - self.owner.parts.clock.now().timestamp())
            self.deadline = asyncio.get_running_loop().call_later(left, self._overdue)

    def _overdue(self) -> None:
        message = "Pod was active on the node longer than the specified deadline"
        self.owner.stop(self.memory.uid, "DeadlineExceeded", message)

    def _cancel_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _cancel_timers(self) -> None:
        self._cancel_timer()
        if self.deadline is not None:
            self.deadline.cancel()


class PodWorkers:
    """One instance per kubelet."""

    def __init__(
        self,
        parts: WorkerParts,
        tasks: Tasks,
        admit: Callable[[Obj, list[Obj]], tuple[str, str] | None],
        refresh_node: Callable[[], Awaitable[None]],
    ) -> None:
        self.parts = parts
        self.tasks = tasks
        self.closing = False
        self._admit = admit
        self._refresh_node = refresh_node
        self._undecided: dict[str, Obj] = {}
        self._workers: dict[str, _Worker] = {}
        self._handlers: dict[type[machine.Command], Callable[[_Worker, Any], Awaitable[machine.Done]]] = {
            machine.Sync: self._sync,
            machine.Kill: self._kill,
            machine.CleanUp: self._clean_up,
            machine.Report: self._report,
        }

    # --- inputs

    def update(self, pod: Obj) -> None:
        """A pod was added or changed at its source."""
        uid = pod["metadata"]["uid"]
        worker = self._workers.get(uid)
        touched = self.parts.statuses.writer.observe(pod)
        if worker is None:
            self._add(pod)
            return
        before = worker.memory.pod
        worker.memory.pod = pod
        if _same_wish(before, pod):
            if touched:
                worker.feed(machine.RuntimeChanged())
            return
        worker.arm_deadline()
        worker.feed(_spec_changed(pod))

    def _add(self, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        refusal = self._judge(pod)
        if refusal is None or refusal[0] != "NodeAffinity":
            self._begin(pod, refusal)
            return
        # The labels that are known here may be older than the pod: look at the node again before it is refused.
        waits = uid in self._undecided
        self._undecided[uid] = pod
        if not waits:
            self.tasks.spawn(self._decide(uid), name=f"admission of {uid}")

    async def _decide(self, uid: str) -> None:
        try:
            await self._refresh_node()
        except (APIError, OSError, TimeoutError) as error:
            log.info("the node could not be read; its labels may be old", cause=str(error))
        pod = self._undecided.pop(uid, None)
        if pod is not None and uid not in self._workers:
            self._begin(pod, self._judge(pod))

    def _judge(self, pod: Obj) -> tuple[str, str] | None:
        phase = (pod.get("status") or {}).get("phase")
        over = phase in {"Succeeded", "Failed"} or pod["metadata"].get("deletionTimestamp")
        if over or phase == "Running" or pod["metadata"]["uid"] in self.parts.cache.uids():
            return None
        return self._admit(pod, self.active())

    def _begin(self, pod: Obj, refusal: tuple[str, str] | None) -> None:
        memory = PodMemory(pod)
        worker = self._workers[memory.uid] = _Worker(self, memory)
        if refusal is not None:
            memory.reason, memory.message = refusal
            memory.rejected = True
            worker.feed(machine.Stop(*refusal))
            return
        worker.arm_deadline()
        worker.feed(_spec_changed(pod))

    def removed(self, uid: str, pod: Obj | None = None) -> None:
        """A pod is gone from its source."""
        worker = self._workers.get(uid)
        self._undecided.pop(uid, None)
        if worker is not None:
            if pod is not None:
                worker.memory.pod = pod
            self.parts.statuses.writer.forget(uid)
            worker.feed(machine.Removed())

    def wake(self, uid: str) -> None:
        """Something about the pod changed outside its spec."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.feed(machine.RuntimeChanged())

    def stop(self, uid: str, reason: str, message: str, grace: int | None = None) -> None:
        """End a pod as failed."""
        worker = self._workers.get(uid)
        if worker is not None and worker.state.stage is machine.Stage.SYNCING:
            worker.memory.reason, worker.memory.message = reason, message
            worker.feed(machine.Stop(reason, message, grace))

    # --- views

    def known(self) -> set[str]:
        """UIDs with a worker."""
        return set(self._workers)

    def pods(self) -> list[Obj]:
        """All pods."""
        return [w.memory.pod for w in self._workers.values()]

    def active(self) -> list[Obj]:
        """Pods that hold resources of the node."""
        ended = {machine.Stage.TERMINATED, machine.Stage.FINISHED}
        return [w.memory.pod for w in self._workers.values() if w.state.stage not in ended]

    def memory(self, uid: str) -> PodMemory | None:
        """What is remembered of a pod."""
        worker = self._workers.get(uid)
        return worker.memory if worker else None

    def running(self, uid: str) -> bool:
        """Whether the pod is meant to run."""
        worker = self._workers.get(uid)
        return worker is not None and worker.state.stage is machine.Stage.SYNCING

    # --- commands

    async def run(self, worker: _Worker, command: machine.Command) -> machine.Done:
        """Carry out one command."""
        return await self._handlers[type(command)](worker, command)

    async def _sync(self, worker: _Worker, _: machine.Sync) -> machine.Done:
        result = await self.parts.sync.sync(worker.memory)
        if worker.deadline is None:
            current = self.parts.statuses.writer.current(worker.memory.uid)
            if current and worker.memory.pod["spec"].get("activeDeadlineSeconds") is not None:
                worker.memory.pod = {**worker.memory.pod, "status": current}
                worker.arm_deadline()
        for seconds in (result.again, result.refresh):
            if seconds is not None:
                worker.wake_in(seconds)
        return machine.Done(terminal=result.terminal, again=result.again is not None)

    async def _kill(self, worker: _Worker, command: machine.Kill) -> machine.Done:
        memory, parts = worker.memory, self.parts
        parts.probes.stop_disruptive(memory.uid)
        meta = memory.pod["metadata"]
        state = await parts.cache.read(meta["uid"], meta["name"], meta["namespace"])
        if not worker.state.forgotten:
            parts.statuses.publish(memory, state, progress=True)
        state = await parts.termination.kill_pod(memory, command.grace)
        parts.probes.stop(memory.uid)
        if not worker.state.forgotten:
            parts.statuses.publish(memory, state, terminal=True, progress=True)
        return machine.Done()

    async def _clean_up(self, worker: _Worker, _: machine.CleanUp) -> machine.Done:
        await self.parts.cleanup.release(worker.memory)
        return machine.Done()

    async def _report(self, worker: _Worker, _: machine.Report) -> machine.Done:
        memory, parts = worker.memory, self.parts
        if worker.state.forgotten:
            return machine.Done()
        meta = memory.pod["metadata"]
        state = await parts.cache.read(meta["uid"], meta["name"], meta["namespace"])
        status = parts.statuses.build(memory, state, terminal=True)
        await parts.statuses.writer.finish(memory.mirror or memory.pod, status)
        return machine.Done()

    def forgotten(self, worker: _Worker) -> None:
        """The machine is done with a pod whose source is gone."""
        uid = worker.memory.uid
        self._workers.pop(uid, None)
        self.parts.sync.forget(uid)
        self.parts.probes.stop(uid)
        name = f"erase {worker.memory.key}"
        self.tasks.spawn(guarded(self.parts.cleanup.erase(worker.memory), name), name=name)


def _spec_changed(pod: Obj) -> machine.SpecChanged:
    meta = pod["metadata"]
    grace: int | None = None
    if meta.get("deletionTimestamp"):
        raw = meta.get("deletionGracePeriodSeconds")
        grace = int(raw) if raw is not None else 30
    terminal = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    return machine.SpecChanged(grace, terminal)


def _same_wish(before: Obj, after: Obj) -> bool:
    """Whether only the status (our own writing) changed."""
    keys = ("labels", "annotations", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
    old, new = before["metadata"], after["metadata"]
    if any(old.get(k) != new.get(k) for k in keys) or before["spec"] != after["spec"]:
        return False
    foreign = _foreign_conditions(before) == _foreign_conditions(after)
    ended = {"Succeeded", "Failed"}
    phase_before = (before.get("status") or {}).get("phase")
    phase_after = (after.get("status") or {}).get("phase")
    return foreign and not (phase_after in ended and phase_before not in ended)


def _foreign_conditions(pod: Obj) -> dict[str, str]:
    from kubelet.status.conditions import OWNED

    conditions = (pod.get("status") or {}).get("conditions") or ()
    return {c["type"]: str(c.get("status")) for c in conditions if c["type"] not in OWNED}
