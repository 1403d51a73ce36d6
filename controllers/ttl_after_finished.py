"""Jobs that ended long enough ago (`ttlSecondsAfterFinished`) are deleted, with their pods.

Talks to the API server.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.errors import Conflict, NotFound
from apimachinery.objects.metadata import is_deleting, name, namespace, uid
from apimachinery.objects.times import seconds_since

if TYPE_CHECKING:
    import datetime

    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

_JOBS = "jobs.batch"


def seconds_left(job: Obj, now: datetime.datetime) -> float | None:
    """Seconds until the job may go; None when it never goes by itself, or has not ended."""
    ttl = (job.get("spec") or {}).get("ttlSecondsAfterFinished")
    if ttl is None or is_deleting(job):
        return None
    ended = [
        condition["lastTransitionTime"]
        for condition in (job.get("status") or {}).get("conditions") or ()
        if condition.get("type") in ("Complete", "Failed")
        and condition.get("status") == "True"
        and condition.get("lastTransitionTime")
    ]
    return float(ttl) - seconds_since(ended[0], now) if ended else None


def new(context: Context) -> Controller:
    """Wire the controller."""
    jobs = context.informers.informer(_JOBS)

    async def reconcile(key: str) -> Result | None:
        job = jobs.store.get_key(key)
        left = seconds_left(job, context.clock.now()) if job is not None else None
        if job is None or left is None:
            return None
        if left > 0:
            return Result(requeue_after=left)
        options = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid(job)}}
        with contextlib.suppress(NotFound, Conflict):
            await context.client.delete(_JOBS, name(job), namespace(job), options=options)
        return None

    controller = Controller("ttl-after-finished-controller", reconcile, workers=1)
    controller.watch(jobs)
    return controller
