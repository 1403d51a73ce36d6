"""DaemonSets: one pod on every node that is for it, replaced as the update strategy says.

The decisions stand in `placement` (which nodes), `daemon_pods` (which pods), `rolling`, `status` and `back_off`. Talks
to the API server.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from apimachinery import errors
from apimachinery.client.informer import Event
from apimachinery.controller.expectations import Expectations
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects import selectors
from apimachinery.objects.metadata import Obj, is_deleting, labels, name, namespace, uid
from apimachinery.resources import lookup
from controllers.adoption import claim
from controllers.context import Context
from controllers.controller_revision import POD_HASH, History, Revisions
from controllers.daemon_set import status as daemon_status
from controllers.daemon_set.back_off import FailedPodsBackOff
from controllers.daemon_set.daemon_pods import PodsByNode, by_node, daemon_template, is_updated, work
from controllers.daemon_set.placement import Placement, place, target_node
from controllers.daemon_set.rolling import replacement
from controllers.pod_availability import seconds_until_available
from controllers.pod_control import PodControl
from controllers.workload_pods import follow_pods, selecting

_COMPONENT = "daemonset-controller"
_BURST = 250


def new(context: Context) -> Controller:
    """Wire the controller."""
    return DaemonSets(context).controller


class DaemonSets:
    """The reconciler."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder(_COMPONENT)
        self._resource = lookup("daemonsets.apps")
        self._sets = context.informers.informer(self._resource)
        self._pods = context.informers.informer("pods")
        self._nodes = context.informers.informer("nodes")
        self._revisions = context.informers.informer("controllerrevisions.apps")
        self._pod_control = PodControl(context.client, self._recorder)
        self._history = Revisions(context.client, POD_HASH)
        self._expectations = Expectations(context.clock)
        self._back_off = FailedPodsBackOff()
        self.controller = Controller(_COMPONENT, self._reconcile, workers=2)
        self.controller.watch(self._sets)
        self._sets.add_handler(self._set_changed)
        follow_pods(self.controller, self._pods, self._resource.kind, self._expectations, selecting(self._sets))
        self._nodes.add_handler(self._node_changed)
        for informer in (self._nodes, self._revisions):
            self.controller.follow(informer)

    def _set_changed(self, event: Event) -> None:
        if event.type == "DELETED":
            self._back_off.forget(uid(event.new))

    def _node_changed(self, event: Event) -> None:
        # Heartbeats say nothing about where daemons belong.
        if event.type == "MODIFIED" and event.old is not None and _place_of(event.old) == _place_of(event.new):
            return
        for one in self._sets.store.list():
            self.controller.queue.add(f"{namespace(one)}/{name(one)}")

    async def _reconcile(self, key: str) -> Result | None:
        known = self._sets.store.get_key(key)
        if known is None:
            self._expectations.forget(key)
            return None
        live = {**known, "apiVersion": self._resource.api_version, "kind": self._resource.kind}
        selector = selectors.from_label_selector(live["spec"].get("selector"))
        if selector.is_empty:
            message = "This daemon set is selecting all pods. A non-empty selector is required."
            self._recorder.event(live, "Warning", "SelectingAll", message)
            return None
        if is_deleting(live):
            return None
        # Asked before the cache is read, so that what is seen next is at least as new as what was asked for.
        ready_for_work = self._expectations.satisfied(key)
        pods = await claim(self._client, lookup("pods"), live, selector, self._pods.store.list(namespace(live)))
        owned = await self._history.owned(live, selector, self._revisions.store.list(namespace(live)))
        history = await self._history.ensure(live, owned)
        digest = labels(history.update).get(POD_HASH, "")
        template = live["spec"]["template"]
        placements = {name(node): place(template, node) for node in self._nodes.store.list()}
        nodes = by_node(pods)
        failure: errors.APIError | None = None
        waits: list[float] = []
        if ready_for_work:
            try:
                waits = await self._manage(key, live, nodes, placements, digest)
            except errors.APIError as error:
                failure = error
        now = self._clock.now()
        counted = daemon_status.count(live, nodes, placements, digest, now)
        if not ready_for_work:
            counted["observedGeneration"] = (live.get("status") or {}).get("observedGeneration", 0)
        await self._write_status(live, counted, history)
        if failure is not None:
            raise failure
        await self._clean_up(live, history, pods)
        least = int(live["spec"].get("minReadySeconds") or 0)
        waits += [wait + 0.05 for pod in pods if (wait := seconds_until_available(pod, least, now))]
        return Result(requeue_after=min(waits)) if waits else None

    async def _manage(
        self, key: str, live: Obj, nodes: PodsByNode, placements: dict[str, Placement], digest: str
    ) -> list[float]:
        """Make and delete pods; returns after how many seconds to look again."""
        todo = work(live, nodes, placements, digest, self._clock.now())
        waits = []
        for pod in todo.ended:
            wait = self._end(live, pod)
            if wait:
                waits.append(wait)
            else:
                todo.delete.append(pod)
        await self._sync(key, live, todo.create, todo.delete, digest)
        strategy = (live["spec"].get("updateStrategy") or {}).get("type")
        # What was done just now is not among the pods yet; it will be told.
        if strategy == "OnDelete" or todo.create or todo.delete:
            return waits
        wanted = [one for one, placement in placements.items() if placement.run]
        more = replacement(live, nodes, wanted, lambda pod: is_updated(live, pod, digest), self._clock.now())
        await self._sync(key, live, more.create, more.delete, digest)
        return waits

    def _end(self, live: Obj, pod: Obj) -> float:
        """Tell of a pod that ended; returns how long its replacement has to wait."""
        failed = (pod.get("status") or {}).get("phase") == "Failed"
        node = target_node(pod)
        wait = self._back_off.wait(live, node, self._clock.monotonic()) if failed else 0.0
        if not wait:
            found = f"daemon pod {namespace(pod)}/{name(pod)} on node {node}, will try to"
            if failed:
                self._recorder.event(live, "Warning", "FailedDaemonPod", f"Found failed {found} kill it")
            else:
                self._recorder.event(live, "Normal", "SucceededDaemonPod", f"Found succeeded {found} delete it")
        return wait

    async def _sync(self, key: str, live: Obj, create: list[str], delete: list[Obj], digest: str) -> None:
        """Make pods in batches that double, so that a quota that is used up is not asked for every node; delete."""
        create, delete = create[:_BURST], delete[:_BURST]
        self._expectations.expect_deletions(key, {uid(pod) for pod in delete})
        failure = await _first_failure([self._delete(key, live, pod) for pod in delete])
        size = 1
        while create and failure is None:
            batch, create = create[:size], create[size:]
            self._expectations.expect_creations(key, len(batch))
            failure = await _first_failure([self._create(key, live, node, digest) for node in batch])
            size *= 2
        if failure is not None:
            raise failure

    async def _create(self, key: str, live: Obj, node: str, digest: str) -> None:
        try:
            await self._pod_control.create(live, daemon_template(live, node, digest))
        except BaseException:
            self._expectations.created(key)
            raise

    async def _delete(self, key: str, live: Obj, pod: Obj) -> None:
        there = False
        try:
            there = await self._pod_control.delete(live, pod)
        finally:
            if not there:
                self._expectations.deleted(key, uid(pod))

    async def _write_status(self, live: Obj, counted: Obj, history: History) -> None:
        before = live.get("status") or {}
        if history.collisions or "collisionCount" in before:
            counted["collisionCount"] = history.collisions
        if counted != before:
            await self._client.update(self._resource, {**live, "status": counted}, subresource="status")

    async def _clean_up(self, live: Obj, history: History, pods: list[Obj]) -> None:
        used = {labels(pod).get(POD_HASH) for pod in pods}
        named = {name(one) for one in history.revisions if labels(one).get(POD_HASH) in used}
        await self._history.truncate(live, history, named)


def _place_of(node: Obj) -> tuple[Any, ...]:
    """What of a node decides whether daemons belong there."""
    return labels(node), (node.get("spec") or {}).get("taints")


async def _first_failure(calls: list[Coroutine[Any, Any, None]]) -> BaseException | None:
    results = await asyncio.gather(*calls, return_exceptions=True)
    return next((result for result in results if isinstance(result, BaseException)), None)
