"""CronJobs: a Job at each time of the schedule, as the concurrency policy allows; old ones are cleared away.

Decisions stand in `timing` and `history`. Talks to the API server.
"""

import contextlib
import datetime
from typing import Any

from apimachinery import errors
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import Obj, is_deleting, metadata, name, namespace, uid
from apimachinery.objects.owner_references import controller_of, new_controller_ref
from apimachinery.objects.times import format_time, parse_time
from controllers.context import Context
from controllers.cron_job import history, timing

_COMPONENT = "cronjob-controller"
_SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_LATER_SECONDS = 0.1


def new(context: Context) -> Controller:
    """Wire the controller."""
    return CronJobs(context).controller


def _job_keys(job: Obj) -> tuple[str, ...]:
    reference = controller_of(job)
    if reference is None or reference.get("kind") != "CronJob":
        return ()
    return (f"{namespace(job)}/{reference['name']}",)


def job_of(cron_job: Obj, scheduled: datetime.datetime) -> Obj:
    """Return the Job for a time of the schedule; its name tells the minute, so that it is made once."""
    template = cron_job["spec"].get("jobTemplate") or {}
    meta = template.get("metadata") or {}
    zone = timing.zone_of(cron_job["spec"])
    annotations = {**(meta.get("annotations") or {}), _SCHEDULED: _in_zone(scheduled, zone)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{name(cron_job)}-{int(scheduled.timestamp()) // 60}",
            "namespace": namespace(cron_job),
            **({"labels": meta["labels"]} if meta.get("labels") else {}),
            "annotations": annotations,
            "ownerReferences": [new_controller_ref(cron_job, "batch/v1", "CronJob")],
        },
        "spec": template.get("spec") or {},
    }


def _in_zone(moment: datetime.datetime, zone: datetime.tzinfo) -> str:
    text = moment.astimezone(zone).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")


class CronJobs:
    """The reconciler."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._clock = context.clock
        self._cron_jobs = context.informers.informer("cronjobs.batch")
        self._jobs = context.informers.informer("jobs.batch")
        self._recorder = context.recorder(_COMPONENT)
        self.controller = Controller(_COMPONENT, self._reconcile, workers=2)
        self.controller.watch(self._cron_jobs)
        self.controller.watch(self._jobs, _job_keys)

    async def _reconcile(self, key: str) -> Result | None:
        live = self._cron_jobs.store.get_key(key)
        if live is None:
            return None
        cron_job = {**live, "apiVersion": "batch/v1", "kind": "CronJob"}
        status = dict(live.get("status") or {})
        jobs = [
            job for job in self._jobs.store.list(namespace(live)) if (controller_of(job) or {}).get("uid") == uid(live)
        ]
        await self._follow(cron_job, status, jobs)
        result = None
        try:
            if not is_deleting(live):
                await self._clear(cron_job, jobs)
                result = await self._start(cron_job, status, jobs)
        finally:
            await self._write(live, status)
        return result

    def _event(self, cron_job: Obj, kind: str, reason: str, message: str) -> None:
        self._recorder.event(cron_job, kind, reason, message)

    async def _follow(self, cron_job: Obj, status: Obj, jobs: list[Obj]) -> None:
        """Bring the list of active Jobs up to date."""
        active: list[Obj] = list(status.get("active") or ())
        by_uid = {uid(job): job for job in jobs}
        kept = []
        for reference in active:
            job = by_uid.get(reference.get("uid", ""))
            if job is None:
                with contextlib.suppress(errors.NotFound):
                    # The cache may lag behind a Job made a moment ago.
                    found = await self._client.get("jobs.batch", reference["name"], namespace(cron_job))
                    if uid(found) == reference.get("uid"):
                        kept.append(reference)
                        continue
                self._event(cron_job, "Normal", "MissingJob", f"Active job went missing: {reference['name']}")
            elif history.ending_of(job):
                told = f"Saw completed job: {name(job)}, condition: {history.ending_of(job)}"
                self._event(cron_job, "Normal", "SawCompletedJob", told)
            else:
                kept.append(reference)
        known = {reference.get("uid") for reference in active}
        for job in jobs:
            if uid(job) not in known and not history.ending_of(job):
                told = f"Saw a job that the controller did not create or forgot: {name(job)}"
                self._event(cron_job, "Warning", "UnexpectedJob", told)
        ends = [
            job["status"]["completionTime"]
            for job in jobs
            if history.ending_of(job) == "Complete" and job["status"].get("completionTime")
        ]
        if ends:
            status["lastSuccessfulTime"] = max([*ends, status.get("lastSuccessfulTime") or ""])
        status["active"] = kept

    async def _clear(self, cron_job: Obj, jobs: list[Obj]) -> None:
        for job in history.surplus(cron_job["spec"], jobs):
            await self._delete(cron_job, job)

    async def _delete(self, cron_job: Obj, job: Obj) -> None:
        options: Any = {"propagationPolicy": "Background"}
        with contextlib.suppress(errors.NotFound):
            await self._client.delete("jobs.batch", name(job), namespace(job), options=options)
        self._event(cron_job, "Normal", "SuccessfulDelete", f"Deleted job {name(job)}")

    async def _start(self, cron_job: Obj, status: Obj, jobs: list[Obj]) -> Result | None:
        spec, now = cron_job["spec"], self._clock.now()
        if spec.get("suspend"):
            return None
        try:
            due = timing.due({**cron_job, "status": status}, now)
        except ValueError as error:
            reason = "UnknownTimeZone" if "timeZone" in str(error) else "UnparseableSchedule"
            self._event(cron_job, "Warning", reason, str(error))
            return None
        wait = Result(requeue_after=(due.next - now).total_seconds() + _LATER_SECONDS) if due.next else None
        if due.too_many_missed:
            told = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self._event(cron_job, "Warning", "TooManyMissedTimes", told)
        if due.latest is None:
            return wait
        if timing.is_too_late(spec, due.latest, now):
            told = f"Missed scheduled time to start a job: {due.latest:%a, %d %b %Y %H:%M:%S +0000}"
            self._event(cron_job, "Warning", "MissSchedule", told)
            return wait
        active: list[Obj] = status["active"]
        if spec.get("concurrencyPolicy") == "Forbid" and active:
            told = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._event(cron_job, "Normal", "JobAlreadyActive", told)
            return wait
        if spec.get("concurrencyPolicy") == "Replace":
            for job in jobs:
                if uid(job) in {reference.get("uid") for reference in active}:
                    await self._delete(cron_job, job)
            status["active"] = active = []
        made = await self._create(cron_job, due.latest)
        if made is not None:
            reference = {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": name(made),
                "namespace": namespace(made),
                "uid": uid(made),
                "resourceVersion": metadata(made).get("resourceVersion", ""),
            }
            status["active"] = [*active, reference]
        status["lastScheduleTime"] = format_time(due.latest)
        return wait

    async def _create(self, cron_job: Obj, scheduled: datetime.datetime) -> Obj | None:
        """Make the Job of a time; None where it is there already and has ended."""
        job = job_of(cron_job, scheduled)
        try:
            made = await self._client.create("jobs.batch", job)
        except errors.AlreadyExists:
            # Made before the status could be written.
            made = await self._client.get("jobs.batch", name(job), namespace(job))
            return None if history.ending_of(made) else made
        except errors.APIError as error:
            self._event(cron_job, "Warning", "FailedCreate", f"Error creating job: {error.message}")
            raise
        self._event(cron_job, "Normal", "SuccessfulCreate", f"Created job {name(made)}")
        return made

    async def _write(self, live: Obj, status: Obj) -> None:
        before = live.get("status") or {}
        wanted = {field: value for field, value in status.items() if value}
        if wanted.get("lastScheduleTime") and before.get("lastScheduleTime"):
            later = max(parse_time(wanted["lastScheduleTime"]), parse_time(before["lastScheduleTime"]))
            wanted["lastScheduleTime"] = format_time(later)
        if wanted != {field: value for field, value in before.items() if value}:
            await self._client.update("cronjobs.batch", {**live, "status": wanted}, subresource="status")
