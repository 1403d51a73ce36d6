"""Keeps Services and IPAddresses one to one, whatever crashes, old data or people have done to them.

Upstream's ipallocator-repair-controller. Looks at everything at start, every few minutes, and when an IPAddress goes
while a Service has its address. `plan` decides, `IPAddressRepair` writes and records events.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from apimachinery.client.events import EventRecorder
from apimachinery.errors import APIError
from apimachinery.objects.metadata import Obj
from apimachinery.objects.times import parse_time
from apiserver.registry.core.ip_addresses import IP_ADDRESSES, IPAddresses, is_labelled, is_managed, service_of
from apiserver.registry.lister import Lister
from apiserver.registry.service_ips import ServiceAddresses, family_of
from apiserver.storage.errors import StorageError
from component.clock import Clock
from component.logging import get_logger

_LOG = get_logger(__name__)
_EVERY_SECONDS = 180.0
_AGAIN_SECONDS = 5.0
_GRACE_SECONDS = 60  # a Service may be stored that long after its IPAddress


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing to mend.

    Attributes:
        delete, create_for: what happens to the IPAddress: it goes, it is made for a Service ("" for none).
        about, reason, message: the event.
    """

    address: str
    delete: bool
    create_for: str
    about: Obj
    reason: str
    message: str


def plan(
    services: Iterable[Obj],
    objects: Iterable[Obj],
    *,
    in_range: Callable[[str], bool],
    in_flight: Callable[[str], bool],
    now: datetime,
) -> list[Repair]:
    """Decide what to mend; addresses whose write is under way (`in_flight`) are left alone."""
    by_key = {f"{one['metadata']['namespace']}/{one['metadata']['name']}": one for one in services}
    by_address = {one["metadata"]["name"]: one for one in objects}
    found: list[Repair] = []
    for key, service in by_key.items():
        for address in _addresses(service):
            if not in_flight(address):
                found += _check_service(key, service, address, by_address.get(address), by_key, in_range)
    mended = {repair.address for repair in found}
    for address, obj in by_address.items():
        if is_managed(obj) and address not in mended and not in_flight(address):
            found += _check_object(address, obj, by_key, now)
    return found


def _addresses(service: Obj) -> list[str]:
    return [one for one in (service.get("spec") or {}).get("clusterIPs") or () if one and one != "None"]


def _check_service(
    key: str, service: Obj, address: str, obj: Obj | None, by_key: dict[str, Obj], in_range: Callable[[str], bool]
) -> list[Repair]:
    what = f"[{family_of(address)}]: {address}"
    if not in_range(address):
        why = f"Cluster IP {what} is not within any configured Service CIDR; please recreate service"
        return [Repair(address, False, "", service, "ClusterIPOutOfRange", why)]
    if obj is None:
        why = f"Cluster IP {what} is not allocated; repairing"
        return [Repair(address, False, key, service, "ClusterIPNotAllocated", why)]
    owner = service_of(obj)
    if owner == key and is_labelled(obj):
        return []
    if owner != key and owner in by_key and address in _addresses(by_key[owner]):
        why = f"Cluster IP {what} was assigned to multiple services; please recreate service"
        return [Repair(address, False, "", service, "ClusterIPAlreadyAllocated", why)]
    why = f"the ClusterIP {what} for Service {key} has a wrong reference; repairing"
    return [Repair(address, True, key, service, "ClusterIPNotAllocated", why)]


def _check_object(address: str, obj: Obj, by_key: dict[str, Obj], now: datetime) -> list[Repair]:
    owner = service_of(obj)
    what = f"IPAddress: {address} for Service {owner}"
    if owner is None:
        why = f"IPAddress {address} appears to have been modified, not referencing a Service: cleaning up"
        return [Repair(address, True, "", obj, "IPAddressNotAllocated", why)]
    if owner not in by_key:
        if (now - parse_time(obj["metadata"]["creationTimestamp"])).total_seconds() < _GRACE_SECONDS:
            return []
        return [Repair(address, True, "", obj, "IPAddressNotAllocated", f"{what} appears to have leaked: cleaning up")]
    if address in _addresses(by_key[owner]):
        return []
    return [Repair(address, True, "", obj, "IPAddressWrongReference", f"{what} has a wrong reference; cleaning up")]


class IPAddressRepair:
    """The loop."""

    def __init__(
        self,
        listers: Callable[[str], Lister],
        families: dict[str, ServiceAddresses],
        addresses: IPAddresses,
        recorder: EventRecorder,
        clock: Clock,
    ) -> None:
        self._listers = listers
        self._families = families
        self._addresses = addresses
        self._recorder = recorder
        self._clock = clock
        self._wake = asyncio.Event()
        self._wake.set()
        self.mended = False
        """Whether everything has been looked at once."""
        listers(IP_ADDRESSES).on_touch(self._touched)

    def _touched(self, address: str) -> None:
        family = self._families.get(family_of(address))
        if family is not None and family.lacks_object(address):
            self._wake.set()

    def _in_range(self, address: str) -> bool:
        family = self._families.get(family_of(address))
        return family is not None and family.covers(address)

    def _in_flight(self, address: str) -> bool:
        family = self._families.get(family_of(address))
        return family is not None and family.is_reserved(address)

    async def run(self) -> None:
        """Mend for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.mend()
                self.mended = True
            except (APIError, StorageError) as error:
                _LOG.warning("Cluster IPs are not all mended, trying again", error=str(error))
                await self._clock.sleep(_AGAIN_SECONDS)
                self._wake.set()

    async def mend(self) -> None:
        """Look at everything once."""
        repairs = plan(
            self._listers("services").list(),
            self._listers(IP_ADDRESSES).list(),
            in_range=self._in_range,
            in_flight=self._in_flight,
            now=self._clock.now(),
        )
        for repair in repairs:
            _LOG.warning("Mending a cluster IP", address=repair.address, why=repair.message)
            self._recorder.event(_subject(repair.about), "Warning", repair.reason, repair.message)
            if repair.delete:
                await self._addresses.release(repair.address)
            if repair.create_for:
                await self._addresses.claim(repair.address, repair.create_for)


def _subject(obj: Obj) -> Obj:
    """Return an object as listers give it with its kind."""
    if "parentRef" in (obj.get("spec") or {}):
        return {**obj, "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress"}
    return {**obj, "apiVersion": "v1", "kind": "Service"}
