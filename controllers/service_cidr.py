"""ServiceCIDRs: ready while they live; a deleted one stays until no Service's address would be left without a range.

Talks to the API server. `blocks_deletion` decides; the finalizer goes some seconds after the deletion, so that API
servers have heard of it and give no more addresses from the range.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import finalizers, is_deleting, labels, metadata, name
from apimachinery.objects.times import format_time, seconds_since

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

_CIDRS = "servicecidrs.networking.k8s.io"
_ADDRESSES = "ipaddresses.networking.k8s.io"
_NAME = "service-cidr-controller"
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
_MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
_ALLOCATOR = "ipallocator.k8s.io"
_GRACE_SECONDS = 10.0
_READY = "Kubernetes Service CIDR is ready"
_IN_USE = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(cidr: Obj) -> list[Network]:
    """The networks of a ServiceCIDR."""
    return [ipaddress.ip_network(one, strict=False) for one in (cidr.get("spec") or {}).get("cidrs") or ()]


def _inside(network: Network, other: Network) -> bool:
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]


def blocks_deletion(cidr: Obj, others: Iterable[Obj], addresses: Iterable[str]) -> bool:
    """Whether an address would be in no range any more without a ServiceCIDR."""
    kept = [network for other in others if name(other) != name(cidr) for network in networks(other)]
    own = networks(cidr)
    if all(any(_inside(network, other) for other in kept) for network in own):
        return False
    for address in map(ipaddress.ip_address, addresses):
        if any(address in network for network in own) and not any(address in network for network in kept):
            return True
    return False


def condition(*, ready: bool, now: str) -> Obj:
    """The Ready condition."""
    return {
        "type": "Ready",
        "status": "True" if ready else "False",
        "reason": "" if ready else "Terminating",
        "message": _READY if ready else _IN_USE,
        "lastTransitionTime": now,
    }


def with_condition(cidr: Obj, wanted: Obj) -> Obj | None:
    """The ServiceCIDR with a condition, or None when it has it."""
    conditions = (cidr.get("status") or {}).get("conditions") or []
    for one in conditions:
        if all(one.get(field) == wanted[field] for field in ("type", "status", "reason", "message")):
            return None
        if one.get("type") == wanted["type"] and one.get("status") == wanted["status"]:
            wanted = {**wanted, "lastTransitionTime": one.get("lastTransitionTime") or wanted["lastTransitionTime"]}
    kept = [one for one in conditions if one.get("type") != wanted["type"]]
    return {**cidr, "status": {**(cidr.get("status") or {}), "conditions": [*kept, wanted]}}


def is_allocated(address: Obj) -> bool:
    """Whether an IPAddress was made by an API server for a Service."""
    return labels(address).get(_MANAGED_BY) == _ALLOCATOR


def new(context: Context) -> Controller:
    """Wire the controller."""
    cidrs = context.informers.informer(_CIDRS)
    addresses = context.informers.informer(_ADDRESSES)

    async def reconcile(key: str) -> Result | None:
        cidr = cidrs.store.get_key(key)
        if cidr is None:
            return None
        now = format_time(context.clock.now())
        if not is_deleting(cidr):
            if FINALIZER not in finalizers(cidr):
                patch = {"metadata": {"finalizers": [FINALIZER]}}
                await context.client.patch(_CIDRS, key, patch, patch_type="strategic", field_manager=_NAME)
                return None  # the change comes back as an event
            await tell(cidr, condition(ready=True, now=now))
            return None
        allocated = [name(one) for one in addresses.store.list() if is_allocated(one)]
        if blocks_deletion(cidr, cidrs.store.list(), allocated):
            await tell(cidr, condition(ready=False, now=now))
            return None
        passed = seconds_since(metadata(cidr)["deletionTimestamp"], context.clock.now())
        if passed < _GRACE_SECONDS:
            return Result(requeue_after=_GRACE_SECONDS - passed)
        if FINALIZER in finalizers(cidr):
            patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
            await context.client.patch(_CIDRS, key, patch, patch_type="strategic", field_manager=_NAME)
        return None

    async def tell(cidr: Obj, wanted: Obj) -> None:
        changed = with_condition(cidr, wanted)
        if changed is not None:
            await context.client.update(_CIDRS, changed, subresource="status")

    def deleted_ones(_changed: Obj) -> list[str]:
        """What may be let go, or must be held, when an address or another range comes or goes."""
        return [name(one) for one in cidrs.store.list() if is_deleting(one)]

    controller = Controller(_NAME, reconcile, workers=1)
    controller.watch(cidrs)
    controller.watch(cidrs, deleted_ones)
    controller.watch(addresses, deleted_ones)
    return controller
