"""Old CertificateSigningRequests are deleted: decided ones after an hour, others after a day.

Talks to the API server.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.errors import Conflict, NotFound
from apimachinery.objects.conditions import get_condition
from apimachinery.objects.metadata import metadata, name, uid
from apimachinery.objects.times import seconds_since
from controllers.certificates.signing import REQUESTS

if TYPE_CHECKING:
    import datetime

    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

_DECIDED_SECONDS: Final = 3600.0
_PENDING_SECONDS: Final = 24 * 3600.0


def seconds_left(request: Obj, now: datetime.datetime) -> float:
    """Return the seconds until a request may go."""
    status = request.get("status") or {}
    approved = get_condition(status, "Approved")
    over = get_condition(status, "Denied") or get_condition(status, "Failed")
    if over is None and status.get("certificate"):
        over = approved
    since = (over or approved or {}).get("lastUpdateTime") or metadata(request)["creationTimestamp"]
    return (_PENDING_SECONDS if over is None else _DECIDED_SECONDS) - seconds_since(since, now)


def new(context: Context) -> Controller:
    """Wire the controller."""
    requests = context.informers.informer(REQUESTS)

    async def reconcile(key: str) -> Result | None:
        request = requests.store.get_key(key)
        if request is None:
            return None
        left = seconds_left(request, context.clock.now())
        if left > 0:
            return Result(requeue_after=left)
        with contextlib.suppress(NotFound, Conflict):
            await context.client.delete(REQUESTS, name(request), options={"preconditions": {"uid": uid(request)}})
        return None

    controller = Controller("certificatesigningrequest-cleaner-controller", reconcile, workers=1)
    controller.watch(requests)
    return controller
