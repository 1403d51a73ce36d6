"""The scheduler itself: informers feed the snapshot and the queue, cycles decide, tasks bind.

Talks to the API server. Decisions are made on the event loop in one go, without
awaiting, right after the informer's handler that made a pod schedulable; the binding
goes out in the same turn of the loop. Promises that a pod with an assumed node counts
against it until the API server confirms or the binding fails.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from apimachinery.errors import Conflict, NotFound
from component.logging import get_logger
from scheduler import metrics
from scheduler.binding import Binder, reserve
from scheduler.cycle import schedule
from scheduler.hints import Change, ClusterEvent, wakes
from scheduler.plugins.volume_binding import VolumePlan
from scheduler.pod_info import PodInfo, pod_info
from scheduler.preemption import preempt
from scheduler.queue import QueuedPod, SchedulingQueue
from scheduler.snapshot import Snapshot

if TYPE_CHECKING:
    from apimachinery.client.events import EventRecorder
    from apimachinery.client.informer import Event, InformerFactory
    from apimachinery.client.rest import Client
    from apimachinery.objects.metadata import Obj
    from component.clock import Clock
    from component.tasks import Tasks
    from scheduler.configuration import Configuration
    from scheduler.cycle import Diagnosis
    from scheduler.profile import Profile

_LOG = get_logger("scheduler")

# Pods decided before the loop gets a turn, so that a flood of pods leaves room for bindings.
_BATCH = 16

_LOOKED_UP: dict[str, Change | None] = {
    "persistentvolumeclaims": Change.CLAIM,
    "persistentvolumes": Change.VOLUME,
    "storageclasses.storage.k8s.io": Change.STORAGE_CLASS,
    "services": Change.SERVICE,
    "poddisruptionbudgets.policy": None,
}


class Scheduler:
    """Assembles queue, snapshot, cycle and binder."""

    def __init__(
        self,
        client: Client,
        factory: InformerFactory,
        recorder: EventRecorder,
        configuration: Configuration,
        clock: Clock,
        tasks: Tasks,
    ) -> None:
        self._profiles = configuration.profiles
        self._factory = factory
        self._clock = clock
        self._tasks = tasks
        self._snapshot = Snapshot()
        self._queue = SchedulingQueue(self._is_gated, configuration.initial_backoff, configuration.max_backoff)
        self._binder = Binder(client, recorder, self._snapshot, clock)
        self._assumed: dict[str, str] = {}
        self._rotation = 0
        self._ready = False
        self._scheduled_run: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Registers the informers' handlers; before the factory runs."""
        self._factory.informer("nodes").add_handler(self._on_node)
        self._factory.informer("pods").add_handler(self._on_pod)
        self._factory.informer("namespaces").add_handler(self._on_namespace)
        for resource in _LOOKED_UP:
            self._factory.informer(resource).add_handler(partial(self._on_looked_up, resource))

    def start(self) -> None:
        """The informers are in sync: from now on pods are placed."""
        self._ready = True
        self._kick()

    # -- what the informers say

    def _on_node(self, event: Event) -> None:
        name = event.new["metadata"]["name"]
        if event.type == "DELETED":
            self._snapshot.remove_node(name)
            return
        before = self._snapshot.nodes.get(name)
        known = before is not None and before.obj is not None
        facts = _node_facts(before) if before is not None else {}
        self._snapshot.set_node(event.new)
        node = self._snapshot.nodes[name]
        if not known:
            self._happened(ClusterEvent(Change.NODE_ADDED, node=node))
            return
        for change, fact in _node_facts(node).items():
            if facts.get(change) != fact:
                self._happened(ClusterEvent(change, node=node))

    def _on_pod(self, event: Event) -> None:
        obj = event.new
        meta = obj["metadata"]
        uid = meta["uid"]
        if event.old is not None and event.old["metadata"]["uid"] != uid:
            # Deleted and made anew between two looks of the informer.
            self._pod_gone(event.old["metadata"]["uid"])
        if event.type == "DELETED" or _is_terminal(obj):
            self._pod_gone(uid)
            return
        assigned = obj["spec"].get("nodeName")
        if assigned:
            self._pod_assigned(obj, assigned)
        elif uid not in self._assumed:
            self._pod_waiting(obj, event.old)

    def _pod_gone(self, uid: str) -> None:
        node = self._snapshot.nodes.get(self._snapshot.pod_nodes.get(uid, ""))
        pod = node.pods.get(uid) if node is not None else None
        self._queue.delete(uid)
        self._assumed.pop(uid, None)
        self._snapshot.forget_nomination(uid)
        self._snapshot.remove_pod(uid)
        if pod is not None:
            self._happened(ClusterEvent(Change.POD_REMOVED, pod=pod))

    def _pod_assigned(self, obj: Obj, node_name: str) -> None:
        pod = pod_info(obj)
        confirmed = self._assumed.pop(pod.uid, None) == node_name
        known = self._snapshot.pod_nodes.get(pod.uid) == node_name
        before = self._snapshot.nodes[node_name].pods.get(pod.uid) if known else None
        self._queue.delete(pod.uid)
        self._snapshot.forget_nomination(pod.uid)
        self._snapshot.set_pod(pod, node_name)
        if before is None:
            self._happened(ClusterEvent(Change.POD_ADDED, pod=pod))
        elif not confirmed:
            if before.labels != pod.labels:
                self._happened(ClusterEvent(Change.POD_LABELS, pod=pod))
            if any(pod.requests.get(name, 0) < amount for name, amount in before.requests.items()):
                self._happened(ClusterEvent(Change.POD_SCALED_DOWN, pod=pod))

    def _pod_waiting(self, obj: Obj, old: Obj | None) -> None:
        uid = obj["metadata"]["uid"]
        profile = self._profiles.get(obj["spec"].get("schedulerName") or "default-scheduler")
        if profile is None or obj["metadata"].get("deletionTimestamp"):
            self._queue.delete(uid)
            self._snapshot.forget_nomination(uid)
            return
        pod = pod_info(obj)
        if pod.nominated_node:
            self._snapshot.nominate(pod, pod.nominated_node)
        elif old is not None and (old.get("status") or {}).get("nominatedNodeName"):
            self._snapshot.forget_nomination(uid)
        helps = old is None or _scheduling_part(old) != _scheduling_part(obj)
        now = self._clock.monotonic()
        if uid in self._queue:
            self._queue.update(pod, now, helps=helps)
        else:
            self._queue.add(pod, now)
        if helps:
            self._kick()

    def _on_namespace(self, event: Event) -> None:
        name = event.new["metadata"]["name"]
        if event.type == "DELETED":
            self._snapshot.namespace_labels.pop(name, None)
            return
        labels = event.new["metadata"].get("labels") or {}
        if self._snapshot.namespace_labels.get(name) != labels:
            self._snapshot.namespace_labels[name] = labels
            self._happened(ClusterEvent(Change.NAMESPACE))

    def _on_looked_up(self, resource: str, event: Event) -> None:
        meta = event.new["metadata"]
        key = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]
        self._snapshot.set_object(resource.partition(".")[0], key, None if event.type == "DELETED" else event.new)
        change = _LOOKED_UP[resource]
        if change in (Change.CLAIM, Change.VOLUME):
            self._binder.claim_changed()
        if change is not None:
            self._happened(ClusterEvent(change))

    def _happened(self, event: ClusterEvent) -> None:
        if self._queue.wake(lambda pod, plugins: wakes(event, pod, plugins), self._clock.monotonic()):
            self._kick()

    # -- deciding

    def _is_gated(self, pod: PodInfo) -> bool:
        profile = self._profiles.get(pod.scheduler_name)
        return profile is not None and any(gate.pre_enqueue(pod) is not None for gate in profile.gates)

    def _kick(self) -> None:
        if self._ready and self._scheduled_run is None:
            self._scheduled_run = asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._scheduled_run = None
        for _ in range(_BATCH):
            queued = self._queue.pop(self._clock.monotonic())
            if queued is None:
                self._arm_timer()
                return
            self._schedule_one(queued)
        self._kick()

    def _arm_timer(self) -> None:
        metrics.pending(self._queue.counts())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._queue.next_wakeup()
        if at is not None:
            delay = max(at - self._clock.monotonic(), 0.001)
            self._timer = asyncio.get_running_loop().call_later(delay, self._kick)

    def _schedule_one(self, queued: QueuedPod) -> None:
        pod = queued.pod
        profile = self._profiles[pod.scheduler_name]
        begun = self._clock.monotonic()
        self._rotation += 1
        decision = schedule(profile, pod, self._snapshot, self._rotation)
        if decision.diagnosis is not None:
            metrics.attempted("unschedulable", self._clock.monotonic() - begun)
            self._no_node(queued, profile, decision.diagnosis)
            return
        metrics.attempted("scheduled", self._clock.monotonic() - begun)
        plan = VolumePlan()
        if profile.volumes is not None and pod.claims:
            plan = profile.volumes.reserve(pod, self._snapshot.nodes[decision.node_name], self._snapshot)
            for volume, claim in plan.bindings:
                reserved = reserve(volume, claim)
                self._snapshot.set_object("persistentvolumes", volume["metadata"]["name"], reserved)
        self._assumed[pod.uid] = decision.node_name
        self._snapshot.set_pod(pod, decision.node_name)
        self._snapshot.forget_nomination(pod.uid)
        self._tasks.spawn(self._bind(queued, decision.node_name, plan), name=f"bind {pod.key}")

    async def _bind(self, queued: QueuedPod, node_name: str, plan: VolumePlan) -> None:
        pod = queued.pod
        try:
            await self._binder.bind(pod, node_name, plan)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the reason, the pod must not be lost
            self._binding_failed(queued, node_name, error)
        else:
            metrics.bound(self._clock.monotonic() - queued.added, queued.attempts)
            _LOG.debug("Pod bound", pod=pod.key, node=node_name)

    def _binding_failed(self, queued: QueuedPod, node_name: str, error: Exception) -> None:
        pod = queued.pod
        metrics.attempted("error", 0.0)
        if self._assumed.get(pod.uid) != node_name:
            return  # confirmed or gone meanwhile: the answer was lost, the binding was not
        del self._assumed[pod.uid]
        self._snapshot.remove_pod(pod.uid)
        if isinstance(error, NotFound):
            self._queue.delete(pod.uid)
        _LOG.warning("Binding failed", pod=pod.key, node=node_name, err=error)
        self._queue.give_back(queued, frozenset(), self._clock.monotonic(), failed_with_error=True)
        self._happened(ClusterEvent(Change.POD_REMOVED, pod=pod))
        self._kick()
        if not isinstance(error, (NotFound, Conflict)):
            message = f"binding rejected: {error}"
            self._tasks.spawn(self._report(pod, "SchedulerError", message, None), name=f"report {pod.key}")

    def _no_node(self, queued: QueuedPod, profile: Profile, diagnosis: Diagnosis) -> None:
        pod = queued.pod
        nominated: str | None = None
        if profile.preemption and diagnosis.node_count:
            found = preempt(profile, pod, self._snapshot, diagnosis)
            diagnosis.post_filter_message = found.message
            if found.candidate is not None:
                nominated = found.candidate.node_name
                overridden = [
                    p for p in self._snapshot.nominated.get(nominated, {}).values() if p.priority < pod.priority
                ]
                for other in overridden:
                    self._snapshot.forget_nomination(other.uid)
                self._snapshot.nominate(pod, nominated)
                metrics.preempted()
                work = self._preempt(pod, found.candidate, profile.scheduler_name, overridden)
                self._tasks.spawn(work, name=f"preempt for {pod.key}")
            elif pod.nominated_node and "not eligible" not in found.message:
                nominated = ""
                self._snapshot.forget_nomination(pod.uid)
        self._queue.give_back(queued, diagnosis.plugins, self._clock.monotonic())
        work = self._report(pod, "Unschedulable", diagnosis.message, nominated)
        self._tasks.spawn(work, name=f"report {pod.key}")

    async def _preempt(self, pod: PodInfo, candidate: Any, scheduler_name: str, overridden: list[PodInfo]) -> None:
        try:
            await self._binder.preempt(pod, candidate, scheduler_name)
            await self._binder.withdraw_nominations(overridden)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the pod is tried again when something changes
            _LOG.error("Preemption failed", pod=pod.key, error=error)
            self._snapshot.forget_nomination(pod.uid)

    async def _report(self, pod: PodInfo, reason: str, message: str, nominated: str | None) -> None:
        try:
            await self._binder.report_failure(pod, reason, message, nominated)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a missing condition is no reason to end
            _LOG.warning("Couldn't report", pod=pod.key, err=error)


def _is_terminal(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _node_facts(node: Any) -> dict[Change, Any]:
    return {
        Change.NODE_LABELS: node.labels,
        Change.NODE_TAINTS: (node.taints, node.unschedulable),
        Change.NODE_ALLOCATABLE: node.allocatable,
    }


def _scheduling_part(pod: Obj) -> tuple[Any, ...]:
    """What of a waiting pod can change whether it is schedulable; its status can't."""
    return (pod["spec"], pod["metadata"].get("labels"), pod["metadata"].get("deletionTimestamp"))
