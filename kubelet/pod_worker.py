"""The life of one pod on this node as a pure state machine: `step(state, input) -> (state, commands)`.

A pod is synced until something ends it (deletion, completion, rejection, deadline, eviction), then killed until
nothing of it runs, then
cleaned up, then reported and forgotten. At most one command runs at a time; a newer wish either waits (`dirty`) or
cancels it.
The shell that carries out commands is `kubelet.pod_workers`. No I/O, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Stage(Enum):
    """Where the pod is; only ever moves down this list."""

    SYNCING = "syncing"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class WorkerState:
    """Facts the machine remembers."""

    stage: Stage = Stage.SYNCING
    running: Command | None = None
    dirty: bool = False
    grace: int | None = None
    reason: str = ""
    message: str = ""
    failed: bool = False
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class SpecChanged:
    """The API object changed. `deletion_grace` is None while nobody asked for deletion."""

    deletion_grace: int | None = None
    terminal: bool = False


@dataclass(frozen=True, slots=True)
class RuntimeChanged:
    """The runtime reported something about this pod, or a probe changed its verdict, or a wait is over."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The kubelet itself wants the pod gone: eviction, deadline, rejection."""

    reason: str
    message: str
    grace: int | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """The pod is gone from its source."""


@dataclass(frozen=True, slots=True)
class Done:
    """The running command ended. `again`: it did not reach its goal; `terminal`: the sync found that the pod ran to
    its end.
    """

    again: bool = False
    terminal: bool = False


Input = SpecChanged | RuntimeChanged | Stop | Removed | Done


@dataclass(frozen=True, slots=True)
class Sync:
    """Bring the pod toward its spec."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Stop all containers and the sandbox."""

    grace: int | None = None


@dataclass(frozen=True, slots=True)
class CleanUp:
    """Unmount volumes, remove the cgroup, free what the pod held."""


@dataclass(frozen=True, slots=True)
class Report:
    """Publish the last status; the API object may go now."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the running command; its end is reported by `Done`."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop the worker."""


Command = Sync | Kill | CleanUp | Report
Order = Sync | Kill | CleanUp | Report | Cancel | Forget


def step(state: WorkerState, event: Input) -> tuple[WorkerState, list[Order]]:
    """Take one input; returns the next state and what the shell must do, in order."""
    if isinstance(event, Done):
        return _done(state, event)
    if isinstance(event, SpecChanged):
        return _spec_changed(state, event)
    if isinstance(event, Stop):
        return _end(replace(state, reason=event.reason, message=event.message, failed=True), event.grace)
    if isinstance(event, Removed):
        return _removed(state)
    return _wake(state)


def _wake(state: WorkerState) -> tuple[WorkerState, list[Order]]:
    if state.running is not None:
        return replace(state, dirty=True), []
    if state.stage is Stage.SYNCING:
        return _run(state, Sync())
    if state.stage is Stage.TERMINATING:
        return _run(state, Kill(state.grace))
    if state.stage is Stage.TERMINATED:
        return _run(state, CleanUp())
    return _run(state, Report()) if not state.forgotten else (state, [Forget()])


def _spec_changed(state: WorkerState, event: SpecChanged) -> tuple[WorkerState, list[Order]]:
    if event.deletion_grace is not None:
        return _end(state, event.deletion_grace)
    if event.terminal:
        return _end(state, None)
    return _wake(state)


def _end(state: WorkerState, grace: int | None) -> tuple[WorkerState, list[Order]]:
    """Begin or hasten termination: a shorter grace period replaces a longer one, never the reverse."""
    if state.stage is Stage.SYNCING:
        state = replace(state, stage=Stage.TERMINATING, grace=grace)
        return (replace(state, dirty=True), [Cancel()]) if state.running is not None else _run(state, Kill(grace))
    if state.stage is Stage.TERMINATING:
        shorter = grace is not None and (state.grace is None or grace < state.grace)
        if not shorter:
            return (state, []) if state.running is not None else _run(state, Kill(state.grace))
        state = replace(state, grace=grace)
        return (replace(state, dirty=True), [Cancel()]) if state.running is not None else _run(state, Kill(grace))
    return _wake(state)


def _removed(state: WorkerState) -> tuple[WorkerState, list[Order]]:
    state = replace(state, forgotten=True)
    if state.stage is Stage.FINISHED:
        return (state, []) if state.running is not None else (state, [Forget()])
    if state.stage is Stage.SYNCING:
        # Nobody is left to wait for a graceful end, but the pod's own grace period still holds (upstream: orphaned
        # pods).
        return _end(state, None)
    return state, []


def _done(state: WorkerState, event: Done) -> tuple[WorkerState, list[Order]]:
    finished, dirty = state.running, state.dirty
    state = replace(state, running=None, dirty=False)
    if isinstance(finished, Sync) and state.stage is Stage.SYNCING:
        if event.terminal:
            return _run(replace(state, stage=Stage.TERMINATING), Kill(None))
        return _run(state, Sync()) if dirty else (state, [])
    if state.stage is Stage.TERMINATING:
        if isinstance(finished, Kill) and not event.again:
            return _run(replace(state, stage=Stage.TERMINATED), CleanUp())
        # A cancelled sync or kill leads straight to the (hastened) kill; a failed kill waits for the next wake.
        return _run(state, Kill(state.grace)) if dirty or isinstance(finished, Sync) else (state, [])
    if state.stage is Stage.TERMINATED:
        if event.again:
            return (state, []) if not dirty else _run(state, CleanUp())
        return _run(replace(state, stage=Stage.FINISHED), Report())
    if state.forgotten:
        return state, [Forget()]
    return _run(state, Report()) if dirty else (state, [])


def _run(state: WorkerState, command: Command) -> tuple[WorkerState, list[Order]]:
    return replace(state, running=command, dirty=False), [command]
