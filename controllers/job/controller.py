"""Jobs: pods until enough of them succeeded, or too many failed.

The decisions stand in `tally` (counting), `outcome` (the end), `plan` (how many pods) and `back_off`. Talks to the API
server.
"""

import asyncio
from collections.abc import Iterable

from apimachinery import errors
from apimachinery.controller.expectations import Expectations
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects import selectors
from apimachinery.objects.conditions import get_condition, is_true, set_condition
from apimachinery.objects.metadata import Obj, is_deleting, labels, name, namespace, uid
from apimachinery.objects.owner_references import controller_of
from apimachinery.objects.pods import is_active, is_ready, is_terminal
from apimachinery.objects.times import format_time, seconds_since
from apimachinery.resources import lookup
from controllers.adoption import claim
from controllers.context import Context
from controllers.job import back_off, index_failures, indexes, plan
from controllers.job.outcome import Counts, Outcome, decide, is_finished
from controllers.job.pods import completion_index, is_tracked
from controllers.job.tally import Tally, only_failed, take
from controllers.job.tracking import Tracking
from controllers.pod_control import PodControl
from controllers.workload_pods import follow_pods, selecting

_COMPONENT = "job-controller"
_OURS = ("", "kubernetes.io/job-controller")
_JOB_NAME = "batch.kubernetes.io/job-name"
_BURST = 500


def new(context: Context) -> Controller:
    """Wire the controller."""
    return Jobs(context).controller


class Jobs:
    """The reconciler."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._clock = context.clock
        self._jobs = context.informers.informer("jobs.batch")
        self._pods = context.informers.informer("pods")
        self._recorder = context.recorder(_COMPONENT)
        self._pod_control = PodControl(context.client, self._recorder)
        self._expectations = Expectations(context.clock)
        self._tracking = Tracking(context.client)
        self.controller = Controller(_COMPONENT, self._reconcile, workers=5)
        self.controller.watch(self._jobs)
        self._pods.add_handler(self._tracking.observe)
        follow_pods(self.controller, self._pods, "Job", self._expectations, self._interested)

    def _interested(self, orphan: Obj) -> set[str]:
        """Jobs that may adopt a pod, and the one that it was of: its finalizer has to go."""
        found = set(selecting(self._jobs)(orphan))
        job = labels(orphan).get(_JOB_NAME)
        return {*found, f"{namespace(orphan)}/{job}"} if job else found

    async def _reconcile(self, key: str) -> Result | None:
        live = self._jobs.store.get_key(key)
        if live is None:
            self._expectations.forget(key)
        await self._release_orphans(key, live)
        if live is None or (live["spec"].get("managedBy") or "") not in _OURS:
            return None
        job = {**live, "apiVersion": "batch/v1", "kind": "Job"}
        selector = selectors.from_label_selector(job["spec"].get("selector"))
        there = self._tracking.view(self._pods.store.list(namespace(job)))
        pods = await claim(self._client, lookup("pods"), job, selector, there)
        if is_finished(job):
            await self._release(pods)
            return None
        return await self._sync(key, job, pods)

    async def _release_orphans(self, key: str, live: Obj | None) -> None:
        """Take the finalizer from pods whose Job has gone."""
        space, _, job_name = key.partition("/")
        left = []
        for pod in self._tracking.view(self._pods.store.list(space)):
            if not is_tracked(pod):
                continue
            reference = controller_of(pod)
            if reference is None:
                if labels(pod).get(_JOB_NAME) == job_name and (live is None or is_terminal(pod)):
                    left.append(pod)
            elif (reference.get("kind"), reference.get("name")) == ("Job", job_name) and (
                live is None or reference.get("uid") != uid(live)
            ):
                left.append(pod)
        await self._release(left)

    async def _release(self, pods: Iterable[Obj]) -> None:
        _, problem = await self._tracking.release(pod for pod in pods if is_tracked(pod))
        if problem is not None:
            raise problem

    async def _sync(self, key: str, job: Obj, pods: list[Obj]) -> Result | None:
        all_seen = self._expectations.satisfied(key)
        before = job.get("status") or {}
        status = self._started(job)
        job = {**job, "status": status}
        suspended = bool(job["spec"].get("suspend"))
        active = [pod for pod in pods if is_active(pod)]
        tally = take(job, pods)
        counts = tally.counts(active, indexed=_is_indexed(job))
        since = status.get("startTime")
        seconds = seconds_since(since, self._clock.now()) if since and not suspended else None
        outcome = decide(job, counts, seconds)
        result: Result | None = None
        failure: errors.APIError | None = None
        if outcome is not None:
            # A Job that failed counts its last pods as failures; one that succeeded does not.
            await (self._delete if outcome.final == "Failed" else self._take_away)(key, job, active)
            active = []
        elif all_seen and not is_deleting(job):
            try:
                active, result = await self._manage(key, job, pods, active, tally, counts)
            except errors.APIError as error:
                failure = error
            self._suspension(job, status, suspended=suspended)
        self._fill(job, status, active, pods, tally)
        # While pods may be about that are not in the cache, the end is not told: nobody would delete them.
        over = self._end(status, outcome, pods, tally) if outcome is not None and all_seen else None
        await self._count(job, before, status, tally)
        if over is not None:
            self._tell_end(job, status, over)
        if failure is not None:
            raise failure
        return _sooner(result, self._deadline(job, seconds))

    def _started(self, job: Obj) -> Obj:
        """Return the status with a start time, where it is due."""
        status = dict(job.get("status") or {})
        if not job["spec"].get("suspend") and not status.get("startTime"):
            status["startTime"] = format_time(self._clock.now())
        return status

    def _deadline(self, job: Obj, seconds: float | None) -> Result | None:
        limit = job["spec"].get("activeDeadlineSeconds")
        if limit is None or seconds is None or seconds >= limit:
            return None
        return Result(requeue_after=limit - seconds + 0.05)

    # -- pods

    async def _manage(
        self, key: str, job: Obj, pods: list[Obj], active: list[Obj], tally: Tally, counts: Counts
    ) -> tuple[list[Obj], Result | None]:
        """Make and delete pods; returns those that are active afterwards."""
        spec = job["spec"]
        if spec.get("suspend"):
            await self._take_away(key, job, active)
            return [], None
        target = plan.wanted(spec, counts)
        gone = plan.superfluous(spec, active, len(active) - target)
        if gone:
            await self._take_away(key, job, gone)
            left = {uid(pod) for pod in gone}
            return [pod for pod in active if uid(pod) not in left], None
        ending = [pod for pod in pods if is_deleting(pod) and not is_terminal(pod)] if only_failed(job) else []
        missing = min(target - len(active) - len(ending), _BURST)
        if missing <= 0:
            return active, None
        wishes, wait = self._wishes(job, pods, [*active, *ending], tally, counts, missing)
        if wait > 0:
            return active, Result(requeue_after=wait + 0.01)
        return [*active, *await self._create(key, job, wishes)], None

    def _wishes(
        self, job: Obj, pods: list[Obj], there: list[Obj], tally: Tally, counts: Counts, missing: int
    ) -> tuple[list[tuple[Obj, str]], float]:
        """Return the templates and the name prefixes of pods to make, or how long to wait with them."""
        spec, now = job["spec"], self._clock.now().timestamp()
        per_index = spec.get("backoffLimitPerIndex") is not None
        wait = 0.0 if per_index else back_off.remaining(pods, now, only_failed=only_failed(job))
        if wait > 0:
            return [], wait
        if not _is_indexed(job):
            return [(plan.template(job), plan.prefix(name(job), None))] * missing, 0.0
        chosen = plan.next_indexes(spec, counts, {completion_index(pod) for pod in there}, missing)
        if per_index:
            chosen, wait = index_failures.due(chosen, tally.retried, now)
        return [
            (
                plan.template(job, index, index_failures.counts_after(spec, tally.retried.get(index))),
                plan.prefix(name(job), index),
            )
            for index in chosen
        ], wait

    async def _create(self, key: str, job: Obj, wishes: list[tuple[Obj, str]]) -> list[Obj]:
        made: list[Obj] = []
        batch = 1
        # In batches that double, so that a quota that is used up is not asked a hundred times.
        while wishes:
            now, wishes = wishes[:batch], wishes[batch:]
            self._expectations.expect_creations(key, len(now))
            results = await asyncio.gather(
                *(self._pod_control.create(job, one, prefix=prefix) for one, prefix in now), return_exceptions=True
            )
            for result in results:
                if isinstance(result, BaseException):
                    self._expectations.created(key)
                else:
                    made.append(result)
            problem = next((result for result in results if isinstance(result, BaseException)), None)
            if problem is not None:
                raise problem
            batch *= 2
        return made

    async def _take_away(self, key: str, job: Obj, pods: list[Obj]) -> None:
        """Delete pods that are not to count as failures."""
        released, problem = await self._tracking.release(pod for pod in pods if is_tracked(pod))
        await self._delete(key, job, [pod for pod in pods if not is_tracked(pod) or uid(pod) in released])
        if problem is not None:
            raise problem

    async def _delete(self, key: str, job: Obj, pods: list[Obj]) -> None:
        self._expectations.expect_deletions(key, {uid(pod) for pod in pods})
        results = await asyncio.gather(*(self._pod_control.delete(job, pod) for pod in pods), return_exceptions=True)
        for pod, result in zip(pods, results, strict=True):
            if result is not True:
                self._expectations.deleted(key, uid(pod))
        for result in results:
            if isinstance(result, BaseException):
                raise result

    # -- the status

    def _fill(self, job: Obj, status: Obj, active: list[Obj], pods: list[Obj], tally: Tally) -> None:
        status["active"] = len(active)
        status["ready"] = sum(is_ready(pod) for pod in active)
        status["terminating"] = sum(is_deleting(pod) and not is_terminal(pod) for pod in pods)
        self._write_tally(job, status, tally)

    def _write_tally(self, job: Obj, status: Obj, tally: Tally) -> None:
        status["succeeded"], status["failed"] = tally.succeeded, tally.failed
        if _is_indexed(job):
            status["completedIndexes"] = indexes.compress(tally.completed)
            if job["spec"].get("backoffLimitPerIndex") is not None:
                status["failedIndexes"] = indexes.compress(tally.failed_indexes)
        uncounted = {"succeeded": tally.uncounted_succeeded, "failed": tally.uncounted_failed}
        status["uncountedTerminatedPods"] = {kind: uids for kind, uids in uncounted.items() if uids}

    def _suspension(self, job: Obj, status: Obj, *, suspended: bool) -> None:
        there = is_true(status, "Suspended")
        if suspended:
            status.pop("startTime", None)
        if suspended == there:
            return
        reason, message = ("JobSuspended", "Job suspended") if suspended else ("JobResumed", "Job resumed")
        self._condition(status, "Suspended", reason, message, told="True" if suspended else "False")
        self._recorder.event(job, "Normal", "Suspended" if suspended else "Resumed", message)

    def _condition(self, status: Obj, kind: str, reason: str, message: str, *, told: str = "True") -> None:
        moment = format_time(self._clock.now())
        row = {"type": kind, "status": told, "lastProbeTime": moment, "reason": reason, "message": message}
        status["conditions"] = set_condition(status.get("conditions") or (), row, moment)

    def _end(self, status: Obj, outcome: Outcome, pods: list[Obj], tally: Tally) -> Outcome | None:
        """Write the conditions of the end; the last one when no pod is left. Returns what was told as the last one."""
        if get_condition(status, outcome.interim) is None:
            self._condition(status, outcome.interim, outcome.reason, outcome.message)
        released = {uid(pod) for pod in tally.to_release}
        if any(not is_terminal(pod) for pod in pods) or any(is_tracked(p) and uid(p) not in released for p in pods):
            return None
        self._condition(status, outcome.final, outcome.reason, outcome.message)
        if outcome.final == "Complete":
            status["completionTime"] = format_time(self._clock.now())
        return outcome

    def _tell_end(self, job: Obj, status: Obj, outcome: Outcome) -> None:
        if outcome.final == "Failed":
            self._recorder.event(job, "Warning", outcome.reason, outcome.message)
            return
        if status["succeeded"] > job["spec"].get("completions", status["succeeded"]):
            told = "Too many succeeded pods running after completion count reached"
            self._recorder.event(job, "Warning", "TooManySucceededPods", told)
        self._recorder.event(job, "Normal", "Completed", "Job completed")

    async def _count(self, job: Obj, before: Obj, status: Obj, tally: Tally) -> None:
        """Write the status, let counted pods go, and move the counters.

        Raises:
            Exception: The finalizer of a pod stayed; the next attempt counts it.
        """
        problem: Exception | None = None
        if tally.to_release:
            # The end is told only when everything is counted.
            finals = {"Complete", "Failed"}
            rows = [row for row in status.get("conditions") or () if row["type"] not in finals]
            first = {field: value for field, value in status.items() if field != "completionTime"}
            first["conditions"] = rows
            job = await self._write(job, before, first)
            released, problem = await self._tracking.release(tally.to_release)
            tally.settle(released)
            if problem is not None:
                status = first
            before = job.get("status") or {}
            self._write_tally(job, status, tally)
        await self._write(job, before, status)
        if problem is not None:
            raise problem

    async def _write(self, job: Obj, before: Obj, status: Obj) -> Obj:
        if _told(status) == _told(before):
            return job
        kinds = {"apiVersion": "batch/v1", "kind": "Job"}
        written = await self._client.update("jobs.batch", {**job, "status": _told(status)}, subresource="status")
        return {**written, **kinds}


def _told(status: Obj) -> Obj:
    """Return a status as it is written: without empty counters; what may be null upstream tells zero."""
    return {
        field: value
        for field, value in status.items()
        if value or field in ("ready", "terminating", "uncountedTerminatedPods", "failedIndexes")
    }


def _is_indexed(job: Obj) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def _sooner(one: Result | None, other: Result | None) -> Result | None:
    waits = [each.requeue_after for each in (one, other) if each is not None and each.requeue_after is not None]
    return Result(requeue_after=min(waits)) if waits else None
