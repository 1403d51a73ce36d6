"""ResourceQuotas: their limits taken over into the status, and their usage counted anew.

Talks to the API server. Admission books what is created; this controller counts when something
is deleted, ended or changed, when a quota is new or changed, and every five minutes. It does not
count because of a booking: the object booked may not be visible yet.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import is_deleting, key, namespace
from apimachinery.objects.pods import is_terminal
from apimachinery.objects.quantity import format_quantity, parse_quantity
from apimachinery.objects.quota_usage import counted_resource, in_scope, usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from apimachinery.client.informer import Event, Informer
    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

_EVERY_SECONDS = 300.0


def used(quota: Obj, objects: Callable[[str], list[Obj]]) -> dict[str, str]:
    """What is used of every limit.

    Args:
        quota: the quota.
        objects: the objects of a resource in the quota's namespace.
    """
    hard = (quota.get("spec") or {}).get("hard") or {}
    total = dict.fromkeys(hard, Decimal(0))
    for resource in sorted({counted_resource(name) for name in hard}):
        for obj in objects(resource):
            if not in_scope(quota, resource, obj):
                continue
            for name, amount in usage(resource, obj).items():
                if name in total and counted_resource(name) == resource:
                    total[name] += amount
    return {name: format_quantity(amount, like=str(hard[name])) for name, amount in total.items()}


def is_new(quota: Obj) -> bool:
    """Whether the status does not know the limits yet."""
    status = quota.get("status") or {}
    hard = (quota.get("spec") or {}).get("hard") or {}
    return (status.get("hard") or {}) != hard or set(status.get("used") or {}) != set(hard)


def _same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(parse_quantity(left[k]) == parse_quantity(right[k]) for k in left)


def new(context: Context) -> Controller:
    """Wire the controller."""
    quotas = context.informers.informer("resourcequotas")
    counted: dict[str, Informer | None] = {}

    def on_object(resource: str, event: Event) -> None:
        """A change that may lower (or, of what admission does not book, raise) the usage."""
        before, after = event.old, event.new
        lowers = event.type == "DELETED"
        if event.type == "MODIFIED" and before is not None:
            lowers = usage(resource, before) != usage(resource, after) or (
                resource == "pods" and is_terminal(before) != is_terminal(after)
            )
        if lowers:
            for quota in quotas.store.list(namespace(after)):
                controller.queue.add(key(quota))

    def follow(resource: str) -> Informer | None:
        if resource not in counted:
            try:
                informer = context.informers.informer(resource)
            except KeyError:
                # A custom resource, or nothing at all: admission's bookings are all there is.
                counted[resource] = None
                return None
            counted[resource] = informer
            informer.add_handler(lambda event: on_object(resource, event))
        return counted[resource]

    async def reconcile(one: str) -> Result | None:
        quota = quotas.store.get_key(one)
        if quota is None or is_deleting(quota):
            return None
        space = namespace(quota)
        hard = (quota.get("spec") or {}).get("hard") or {}
        for resource in {counted_resource(name) for name in hard}:
            informer = follow(resource)
            if informer is not None:
                await informer.wait_for_sync()

        def objects(resource: str) -> list[Obj]:
            informer = follow(resource)
            return informer.store.list(space) if informer is not None else []

        count = used(quota, objects)
        status = quota.get("status") or {}
        if is_new(quota) or not _same(status.get("used") or {}, count):
            # An update of what was read: a booking meanwhile makes it a conflict, and it is counted again.
            wanted = {**quota, "status": {"hard": hard, "used": count}}
            await context.client.update("resourcequotas", wanted, subresource="status")
        return Result(requeue_after=_EVERY_SECONDS)

    controller = Controller("resourcequota-controller", reconcile, workers=2)
    controller.watch(quotas, lambda quota: [key(quota)] if is_new(quota) else [])
    return controller
