"""ReplicaSets: as many pods as wished for, the right ones taken away, the status told.

Also serves ReplicationControllers, which differ only in their selector's form.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from apimachinery import errors
from apimachinery.client.rest import Client
from apimachinery.controller.expectations import Expectations
from apimachinery.controller.runner import Controller
from apimachinery.objects import selectors
from apimachinery.objects.conditions import get_condition, set_condition
from apimachinery.objects.metadata import Obj, is_deleting, labels, metadata, namespace, number_in, uid
from apimachinery.objects.owner_references import controller_of
from apimachinery.objects.pods import is_active, is_ready
from apimachinery.objects.times import now as now_text
from apimachinery.resources import Resource, lookup
from controllers.adoption import claim
from controllers.context import Context
from controllers.pod_availability import seconds_until_available
from controllers.pod_control import PodControl
from controllers.workload_pods import follow_pods, selecting

_BURST = 500
_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}


def deletion_rank(pod: Obj, related_on_node: int = 0) -> tuple[Any, ...]:
    """Sort key: pods to delete first come first (unassigned, pending, unready, cheap, crowded, young, restarting)."""
    status = pod.get("status") or {}
    cost = number_in(pod, _COST)
    restarts = sum(row.get("restartCount", 0) for row in status.get("containerStatuses") or ())
    ready_since = (get_condition(status, "Ready") or {}).get("lastTransitionTime") or ""
    created = metadata(pod).get("creationTimestamp") or ""
    return (
        bool((pod.get("spec") or {}).get("nodeName")),
        _PHASE_ORDER.get(status.get("phase", "Pending"), 2),
        is_ready(pod),
        cost,
        -related_on_node,
        _Reversed(ready_since),
        -restarts,
        _Reversed(created),
    )


class _Reversed(str):
    """A string that sorts the other way round: the youngest first."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


def template_of(obj: Obj) -> Obj:
    """The pod template."""
    template: Obj = obj["spec"].get("template") or {}
    return template


def new(context: Context) -> Controller:
    """The ReplicaSet controller."""
    return ReplicaSets(context, lookup("replicasets.apps"), "replicaset-controller").controller


def new_replication(context: Context) -> Controller:
    """The ReplicationController controller."""
    return ReplicaSets(context, lookup("replicationcontrollers"), "replication-controller").controller


class ReplicaSets:
    """The reconciler of one kind."""

    def __init__(self, context: Context, resource: Resource, component: str) -> None:
        self._client: Client = context.client
        self._clock = context.clock
        self._resource = resource
        self._sets = context.informers.informer(resource)
        self._pods = context.informers.informer("pods")
        self._expectations = Expectations(context.clock)
        self._pod_control = PodControl(context.client, context.recorder(component))
        self.controller = Controller(component, self._reconcile, workers=5)
        self.controller.watch(self._sets)
        adopters = selecting(self._sets, self._selector)
        follow_pods(self.controller, self._pods, resource.kind, self._expectations, adopters)

    def _selector(self, obj: Obj) -> selectors.Selector:
        selector = obj["spec"].get("selector")
        if self._resource.group:
            return selectors.from_label_selector(selector)
        return selectors.from_map(selector or (metadata(template_of(obj)).get("labels")))

    async def _reconcile(self, key: str) -> None:
        live = self._sets.store.get_key(key)
        if live is None:
            self._expectations.forget(key)
            return
        live = {**live, "apiVersion": self._resource.api_version, "kind": self._resource.kind}
        selector = self._selector(live)
        candidates = [pod for pod in self._pods.store.list(namespace(live)) if is_active(pod)]
        ready_for_work = self._expectations.satisfied(key)
        mine = await claim(self._client, lookup("pods"), live, selector, candidates)
        failure: errors.APIError | None = None
        if ready_for_work and not is_deleting(live):
            try:
                await self._manage(key, live, mine)
            except errors.APIError as error:
                failure = error
        await self._write_status(live, mine, failure)
        if failure is not None:
            raise failure
        self._look_again_when_available(key, live, mine)

    async def _manage(self, key: str, live: Obj, mine: list[Obj]) -> None:
        missing = int(live["spec"].get("replicas", 1)) - len(mine)
        if missing > 0:
            await self._create(key, live, min(missing, _BURST))
        elif missing < 0:
            crowd: dict[str, int] = {}
            for pod in mine:
                node = (pod.get("spec") or {}).get("nodeName") or ""
                crowd[node] = crowd.get(node, 0) + 1
            ordered = sorted(
                mine, key=lambda pod: deletion_rank(pod, crowd[(pod.get("spec") or {}).get("nodeName") or ""])
            )
            victims = ordered[: min(-missing, _BURST)]
            self._expectations.expect_deletions(key, {uid(pod) for pod in victims})
            results = await asyncio.gather(
                *(self._pod_control.delete(live, pod) for pod in victims), return_exceptions=True
            )
            for pod, result in zip(victims, results, strict=True):
                if result is not True:
                    self._expectations.deleted(key, uid(pod))
            _raise_first(results)

    async def _create(self, key: str, live: Obj, count: int) -> None:
        # In batches that double, so that a quota that is used up is not asked a hundred times.
        batch = 1
        while count > 0:
            batch = min(batch, count)
            self._expectations.expect_creations(key, batch)
            results = await asyncio.gather(
                *(self._pod_control.create(live, template_of(live)) for _ in range(batch)), return_exceptions=True
            )
            for result in results:
                if isinstance(result, BaseException):
                    self._expectations.created(key)
            _raise_first(results)
            count -= batch
            batch *= 2

    def _available(self, live: Obj, pod: Obj) -> float | None:
        """Seconds until a pod counts as available; 0 if it does, None if it is not ready."""
        return seconds_until_available(pod, int(live["spec"].get("minReadySeconds") or 0), self._clock.now())

    def _look_again_when_available(self, key: str, live: Obj, mine: list[Obj]) -> None:
        waits = [wait for pod in mine if (wait := self._available(live, pod))]
        if waits:
            self.controller.queue.add_after(key, min(waits) + 0.05)

    async def _write_status(self, live: Obj, mine: list[Obj], failure: errors.APIError | None) -> None:
        wanted = metadata(template_of(live)).get("labels") or {}
        labelled = selectors.from_map(wanted) if wanted else selectors.EVERYTHING
        old = live.get("status") or {}
        conditions = [row for row in old.get("conditions") or () if row.get("type") != "ReplicaFailure"]
        if failure is not None:
            reason = "FailedCreate" if int(live["spec"].get("replicas", 1)) > len(mine) else "FailedDelete"
            conditions = set_condition(
                old.get("conditions") or (),
                {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": failure.message},
                now_text(self._clock),
            )
        status: Obj = {
            "replicas": len(mine),
            "fullyLabeledReplicas": sum(labelled.matches(labels(pod)) for pod in mine),
            "readyReplicas": sum(is_ready(pod) for pod in mine),
            "availableReplicas": sum(self._available(live, pod) == 0 for pod in mine),
            "observedGeneration": metadata(live).get("generation", 0),
        }
        if self._resource.group:
            status["terminatingReplicas"] = self._terminating(live)
        if conditions:
            status["conditions"] = conditions
        status = {
            field: value for field, value in status.items() if value or field in ("replicas", "observedGeneration")
        }
        if status != {
            field: value for field, value in old.items() if value or field in ("replicas", "observedGeneration")
        }:
            await self._client.update(self._resource, {**live, "status": status}, subresource="status")

    def _terminating(self, live: Obj) -> int:
        owned: Callable[[Obj], bool] = lambda pod: (controller_of(pod) or {}).get("uid") == uid(live)  # noqa: E731
        return sum(
            1
            for pod in self._pods.store.list(namespace(live))
            if is_deleting(pod) and owned(pod) and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        )


def _raise_first(results: list[Any]) -> None:
    for result in results:
        if isinstance(result, BaseException):
            raise result
