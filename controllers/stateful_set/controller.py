"""StatefulSets: pods with lasting names, claims of their own, made, scaled and updated in order.

The decisions stand in `update` (what to do next), `identity` (who a pod is), `claims` and `status`. Talks to the API
server.
"""

import asyncio
from collections.abc import Awaitable

from apimachinery import errors
from apimachinery.client.informer import Event
from apimachinery.controller.expectations import Expectations
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects import selectors
from apimachinery.objects.metadata import Obj, is_deleting, name, namespace, uid
from apimachinery.resources import lookup
from controllers.adoption import claim
from controllers.context import Context
from controllers.controller_revision import Revisions, with_template
from controllers.stateful_set import status as stateful_status
from controllers.stateful_set.identity import is_member, new_pod, ordinal, ordinals, revision_of
from controllers.stateful_set.pods import StatefulPods
from controllers.stateful_set.update import Create, Plan, Step, next_look
from controllers.workload_pods import follow_pods, selecting

_COMPONENT = "statefulset-controller"
_BURST = 500


def new(context: Context) -> Controller:
    """Wire the controller."""
    return StatefulSets(context).controller


class StatefulSets:
    """The reconciler."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder(_COMPONENT)
        self._resource = lookup("statefulsets.apps")
        self._sets = context.informers.informer(self._resource)
        self._pods = context.informers.informer("pods")
        self._claims = context.informers.informer("persistentvolumeclaims")
        self._revisions = context.informers.informer("controllerrevisions.apps")
        self._stateful_pods = StatefulPods(context.client, self._recorder, self._claims.store)
        self._history = Revisions(context.client)
        self._expectations = Expectations(context.clock)
        self.controller = Controller(_COMPONENT, self._reconcile, workers=5)
        self.controller.watch(self._sets)
        follow_pods(self.controller, self._pods, self._resource.kind, self._expectations, selecting(self._sets))
        self._claims.add_handler(self._claim_changed)
        for informer in (self._claims, self._revisions):
            self.controller.follow(informer)

    def _claim_changed(self, event: Event) -> None:
        # A pod may wait for an old claim of its to go.
        if event.type != "DELETED":
            return
        for one in self._sets.store.list(namespace(event.new)):
            templates = one["spec"].get("volumeClaimTemplates") or ()
            if any(name(event.new).startswith(f"{name(template)}-{name(one)}-") for template in templates):
                self.controller.queue.add(f"{namespace(one)}/{name(one)}")

    async def _reconcile(self, key: str) -> Result | None:
        known = self._sets.store.get_key(key)
        if known is None:
            self._expectations.forget(key)
            return None
        live = {**known, "apiVersion": self._resource.api_version, "kind": self._resource.kind}
        selector = selectors.from_label_selector(live["spec"].get("selector"))
        if selector.is_empty:
            return None
        # Asked before the cache is read, so that what is seen next is at least as new as what was asked for.
        ready_for_work = self._expectations.satisfied(key)
        members = [pod for pod in self._pods.store.list(namespace(live)) if is_member(live, pod)]
        pods = await claim(self._client, lookup("pods"), live, selector, members)
        owned = await self._history.owned(live, selector, self._revisions.store.list(namespace(live)))
        history = await self._history.ensure(live, owned)
        present = (live.get("status") or {}).get("currentRevision")
        current = next((one for one in history.revisions if name(one) == present), history.update)
        failure: errors.APIError | None = None
        if ready_for_work and not is_deleting(live):
            try:
                await self._manage(key, live, pods, current, history.update)
            except errors.APIError as error:
                failure = error
        now = self._clock.now()
        await self._write_status(live, stateful_status.count(live, pods, current, history, now))
        if failure is not None:
            raise failure
        await self._history.truncate(live, history, {name(current), *(revision_of(pod) for pod in pods)})
        again = next_look(live, pods, now)
        return Result(requeue_after=again) if again is not None else None

    async def _manage(self, key: str, live: Obj, pods: list[Obj], current: Obj, update: Obj) -> None:
        for pod in pods:
            if not is_deleting(pod) or ordinal(pod) not in ordinals(live):
                await self._stateful_pods.mend(live, pod)
        plan = Plan(
            live,
            pods,
            name(update),
            self._clock.now(),
            lambda number: self._stateful_pods.waits_for_claim(live, number),
        )
        steps = plan.steps()[:_BURST]
        results = await asyncio.gather(
            *(self._step(key, live, step, current, update) for step in steps), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _step(self, key: str, live: Obj, step: Step, current: Obj, update: Obj) -> Awaitable[None]:
        if isinstance(step, Create):
            revision = update if step.updated else current
            return self._create(key, live, new_pod(with_template(live, revision), step.ordinal, name(revision)))
        if step.why:
            self._stateful_pods.recreating(live, step.pod, step.why)
        return self._delete(key, live, step.pod)

    async def _create(self, key: str, live: Obj, pod: Obj) -> None:
        self._expectations.expect_creations(key, 1)
        try:
            await self._stateful_pods.create(live, pod)
        except BaseException:
            self._expectations.created(key)
            raise

    async def _delete(self, key: str, live: Obj, pod: Obj) -> None:
        self._expectations.expect_deletions(key, {uid(pod)})
        try:
            if not await self._stateful_pods.delete(live, pod):
                self._expectations.deleted(key, uid(pod))
        except BaseException:
            self._expectations.deleted(key, uid(pod))
            raise

    async def _write_status(self, live: Obj, status: Obj) -> None:
        if status != (live.get("status") or {}):
            await self._client.update(self._resource, {**live, "status": status}, subresource="status")
