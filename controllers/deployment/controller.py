"""Deployments: the ReplicaSets of their templates, moved from old to new as the strategy says."""

from apimachinery import errors
from apimachinery.client.events import EventRecorder
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects import selectors
from apimachinery.objects.conditions import get_condition
from apimachinery.objects.metadata import Obj, annotations, is_deleting, labels, metadata, name, namespace
from apimachinery.objects.owner_references import controller_of
from apimachinery.objects.pods import is_terminal
from apimachinery.resources import lookup
from controllers.adoption import claim
from controllers.context import Context
from controllers.deployment import progress, revisions, rolling
from controllers.deployment.rolling import replicas

_COMPONENT = "deployment-controller"


def new(context: Context) -> Controller:
    """Wire the controller."""
    return Deployments(context).controller


def _owner_key(kind: str, obj: Obj) -> tuple[str, ...]:
    reference = controller_of(obj)
    if reference is None or reference.get("kind") != kind:
        return ()
    return (f"{namespace(obj)}/{reference['name']}",)


class Deployments:
    """The reconciler."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder: EventRecorder = context.recorder(_COMPONENT)
        self._deployments = context.informers.informer("deployments.apps")
        self._sets = context.informers.informer("replicasets.apps")
        self._pods = context.informers.informer("pods")
        self._live_resource = lookup("deployments.apps")
        self.controller = Controller(_COMPONENT, self._reconcile, workers=5)
        self.controller.watch(self._deployments)
        self.controller.watch(self._sets, self._set_keys)
        self.controller.watch(self._pods, self._pod_keys)

    def _set_keys(self, obj: Obj) -> tuple[str, ...]:
        owned = _owner_key("Deployment", obj)
        if owned or controller_of(obj) is not None:
            return owned
        return tuple(
            f"{namespace(one)}/{name(one)}"
            for one in self._deployments.store.list(namespace(obj))
            if selectors.from_label_selector(one["spec"].get("selector")).matches(labels(obj))
        )

    def _pod_keys(self, pod: Obj) -> tuple[str, ...]:
        # Only Recreate waits for pods to go; everything else is told by the ReplicaSets' status.
        for key in _owner_key("ReplicaSet", pod):
            owner = self._sets.store.get_key(key)
            for deployment in _owner_key("Deployment", owner) if owner else ():
                live = self._deployments.store.get_key(deployment)
                if live and (live["spec"].get("strategy") or {}).get("type") == "Recreate":
                    return (deployment,)
        return ()

    async def _reconcile(self, key: str) -> Result | None:
        live = self._deployments.store.get_key(key)
        if live is None:
            return None
        live = {**live, "apiVersion": "apps/v1", "kind": "Deployment"}
        selector = selectors.from_label_selector(live["spec"].get("selector"))
        if selector.is_empty:
            self._recorder.event(
                live,
                "Warning",
                "SelectingAll",
                "This deployment is selecting all pods. A non-empty selector is required.",
            )
            return None
        sets = await claim(
            self._client, lookup("replicasets.apps"), live, selector, self._sets.store.list(namespace(live))
        )
        current = revisions.find_new(live, sets)
        if is_deleting(live):
            return await self._write_status(live, sets, current)
        if live["spec"].get("paused"):
            sets = await self._scale_all(live, sets, current)
            return await self._write_status(live, sets, current)
        if self._is_scaling(live, sets):
            sets = await self._scale_all(live, sets, current)
            return await self._write_status(live, sets, revisions.find_new(live, sets))
        sets, current = await self._roll(live, sets, current)
        result = await self._write_status(live, sets, current)
        await self._clean_up(live, sets, current)
        return result

    @staticmethod
    def _is_scaling(live: Obj, sets: list[Obj]) -> bool:
        wanted = str(live["spec"].get("replicas", 1))
        return any(replicas(one) > 0 and annotations(one).get(revisions.DESIRED) not in (None, wanted) for one in sets)

    async def _roll(self, live: Obj, sets: list[Obj], current: Obj | None) -> tuple[list[Obj], Obj | None]:
        recreate = (live["spec"].get("strategy") or {}).get("type") == "Recreate"
        old = [one for one in revisions.oldest_first(sets) if current is None or name(one) != name(current)]
        if recreate:
            busy = [one for one in old if replicas(one) > 0]
            if busy:
                return [*[await self._scale(live, one, 0) for one in busy]] + [
                    one for one in sets if name(one) not in {name(row) for row in busy}
                ], current
            if self._old_pods_run(old):
                return sets, current
        current = await self._ensure_new(live, sets, current)
        everything = [*old, current]
        size = rolling.new_size(live, current, everything)
        if size != replicas(current):
            current = await self._scale(live, current, size)
            return [*old, current], current
        if not recreate:
            plan = rolling.scale_down_plan(live, current, [one for one in old if replicas(one) > 0])
            old = [await self._scale(live, one, plan[name(one)]) if name(one) in plan else one for one in old]
        return [*old, current], current

    def _old_pods_run(self, old: list[Obj]) -> bool:
        uids = {metadata(one)["uid"] for one in old}
        return any(
            (controller_of(pod) or {}).get("uid") in uids and not is_terminal(pod)
            for pod in self._pods.store.list(namespace(old[0]) if old else "")
        )

    async def _ensure_new(self, live: Obj, sets: list[Obj], current: Obj | None) -> Obj:
        highest = max((revisions.revision(one) for one in sets), default=0)
        surge, _ = rolling.limits(live)
        most = replicas(live) + surge
        if current is not None:
            number = revisions.revision(current)
            others = max((revisions.revision(one) for one in sets if name(one) != name(current)), default=0)
            wanted = {
                **revisions.inherited(live),
                revisions.REVISION: str(number if number > others else others + 1),
            }
            if number and number <= others:
                history = annotations(current).get(revisions.REVISION_HISTORY)
                wanted[revisions.REVISION_HISTORY] = f"{history},{number}" if history else str(number)
            least = live["spec"].get("minReadySeconds") or 0
            differs = any(annotations(current).get(key) != value for key, value in wanted.items())
            if differs or (current["spec"].get("minReadySeconds") or 0) != least:
                current = await self._client.patch(
                    "replicasets.apps",
                    name(current),
                    {"metadata": {"annotations": wanted}, "spec": {"minReadySeconds": least}},
                    namespace(live),
                )
            await self._note_revision(live, wanted[revisions.REVISION])
            return current
        fresh = revisions.new_replica_set(live, highest + 1, 0, most)
        others_active = [one for one in sets if replicas(one) > 0]
        fresh["spec"]["replicas"] = rolling.new_size(live, fresh, [*others_active, fresh])
        try:
            made = await self._client.create("replicasets.apps", fresh)
        except errors.AlreadyExists as error:
            there = await self._client.get("replicasets.apps", name(fresh), namespace(live))
            if (controller_of(there) or {}).get("uid") == metadata(live)["uid"] and revisions.find_new(live, [there]):
                return there
            status = {**(live.get("status") or {})}
            status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
            await self._client.update(self._live_resource, {**live, "status": status}, subresource="status")
            raise errors.Conflict(f"hash collision of {name(fresh)}") from error
        except errors.Forbidden as error:
            self._recorder.event(
                live, "Warning", "ReplicaSetCreateError", f'Failed to create new replica set "{name(fresh)}": {error}'
            )
            raise
        if replicas(made):
            self._scaled_event(live, made, 0)
        await self._note_revision(live, str(highest + 1))
        return made

    async def _note_revision(self, live: Obj, number: str) -> None:
        if annotations(live).get(revisions.REVISION) == number:
            return
        patched = await self._client.patch(
            self._live_resource,
            name(live),
            {"metadata": {"annotations": {revisions.REVISION: number}}},
            namespace(live),
        )
        live["metadata"] = patched["metadata"]

    async def _scale_all(self, live: Obj, sets: list[Obj], current: Obj | None) -> list[Obj]:
        active = [one for one in sets if replicas(one) > 0]
        plan: dict[str, int] = {}
        if len(active) == 1 or (not active and sets):
            only = active[0] if active else current or revisions.oldest_first(sets)[-1]
            plan = {name(only): replicas(live)}
        elif current is not None and rolling.available(current) == replicas(current) == replicas(live):
            plan = {name(one): 0 for one in active if name(one) != name(current)}
        elif (live["spec"].get("strategy") or {}).get("type") != "Recreate" and active:
            plan = rolling.proportional_plan(live, active)
        return [await self._scale(live, one, plan[name(one)]) if name(one) in plan else one for one in sets]

    async def _scale(self, live: Obj, one: Obj, size: int) -> Obj:
        surge, _ = rolling.limits(live)
        sizes = revisions.sizes(live, replicas(live) + surge)
        if size == replicas(one) and all(annotations(one).get(key) == value for key, value in sizes.items()):
            return one
        patch = {
            "metadata": {"annotations": sizes, "resourceVersion": metadata(one)["resourceVersion"]},
            "spec": {"replicas": size},
        }
        scaled = await self._client.patch("replicasets.apps", name(one), patch, namespace(one))
        if size != replicas(one):
            self._scaled_event(live, scaled, replicas(one))
        return scaled

    def _scaled_event(self, live: Obj, scaled: Obj, before: int) -> None:
        size = replicas(scaled)
        way = "up" if size > before else "down"
        self._recorder.event(
            live, "Normal", "ScalingReplicaSet", f"Scaled {way} replica set {name(scaled)} from {before} to {size}"
        )

    async def _write_status(self, live: Obj, sets: list[Obj], current: Obj | None) -> Result | None:
        status = progress.counts(live, sets, current)
        failure = next(
            (row for one in sets if (row := get_condition(one.get("status"), "ReplicaFailure")) is not None), None
        )
        status["conditions"], again = progress.conditions(live, status, current, self._clock.now(), failure)
        if status != (live.get("status") or {}):
            await self._client.update(self._live_resource, {**live, "status": status}, subresource="status")
        return Result(requeue_after=again) if again is not None else None

    async def _clean_up(self, live: Obj, sets: list[Obj], current: Obj | None) -> None:
        kept = live["spec"].get("revisionHistoryLimit")
        if kept is None or current is None or not progress.is_complete(live, progress.counts(live, sets, current)):
            return
        idle = [
            one
            for one in sorted(sets, key=revisions.revision)
            if name(one) != name(current)
            and not replicas(one)
            and not (one.get("status") or {}).get("replicas")
            and not is_deleting(one)
        ]
        for one in idle[: max(0, len(idle) - kept)]:
            try:
                await self._client.delete("replicasets.apps", name(one), namespace(one))
            except errors.NotFound:
                continue
