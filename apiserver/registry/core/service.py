"""Services: addresses and ports are allocated as part of the write, and given back when it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from apimachinery.errors import AlreadyExists, APIError, InternalError, Invalid
from apimachinery.objects.field_path import FieldError, FieldPath, invalid
from apimachinery.objects.metadata import Obj
from apiserver.registry import generic
from apiserver.registry.client import LoopbackClient
from apiserver.registry.core import service_families
from apiserver.registry.core.ip_addresses import IP_ADDRESSES, IPAddresses
from apiserver.registry.node_ports import NodePorts
from apiserver.registry.service_ips import TAKEN, AddressError, RangeFullError, ServiceAddresses, family_of
from apiserver.registry.strategy import Call, Strategy
from apiserver.storage.cache.entry import Entry
from apiserver.storage.cache.history import CacheEvent
from apiserver.storage.cache.watch_cache import WatchCache
from apiserver.storage.errors import StorageError
from component.logging import get_logger

_LOG = get_logger(__name__)
_SPEC = FieldPath("spec")
_CIDRS = "servicecidrs.networking.k8s.io"
DEFAULT_RANGE = "kubernetes"
_WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
_NONE = "None"


def _type(obj: Obj) -> str:
    return (obj.get("spec") or {}).get("type") or "ClusterIP"


def _needs_address(obj: Obj) -> bool:
    return _type(obj) != "ExternalName" and (obj.get("spec") or {}).get("clusterIP") != _NONE


def _addresses(spec: Obj) -> list[str]:
    found = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    return [address for address in found if address and address != _NONE]


def _ports(spec: Obj) -> list[int]:
    found = {port.get("nodePort") for port in spec.get("ports") or []} | {spec.get("healthCheckNodePort")}
    return [port for port in found if port]


class ServiceRules:
    """The strategy of Services, with its allocators."""

    def __init__(self, cidrs: tuple[str, ...], port_range: tuple[int, int]) -> None:
        self.families = {family_of(cidr): ServiceAddresses() for cidr in cidrs}
        self.ports = NodePorts(*port_range)
        self._objects: IPAddresses | None = None
        self._offer(DEFAULT_RANGE, {"spec": {"cidrs": list(cidrs)}})  # until the object is there

    def follow(self, cache: Callable[[str], WatchCache], client: LoopbackClient) -> None:
        """Take over what is stored, and keep in step with it."""
        self._objects = IPAddresses(client)
        for name, changed in (
            (_CIDRS, self._range_changed),
            (IP_ADDRESSES, self._object_changed),
            ("services", self._changed),
        ):
            for entry in cache(name).select():
                changed(CacheEvent(entry, None, deleted=False))
            cache(name).listeners.append(changed)

    def _changed(self, event: CacheEvent) -> None:
        if event.previous is not None:
            for address, port in _held(event.previous):
                self._drop(address, port, event.previous.key)
        if not event.deleted:
            for address, port in _held(event.entry):
                self._hold(address, port, event.entry.key)

    def _hold(self, address: str, port: int, key: str) -> None:
        if port:
            self.ports.hold(port, key)
        elif (family := self.families.get(family_of(address))) is not None:
            family.hold(address, key)

    def _drop(self, address: str, port: int, key: str) -> None:
        if port:
            self.ports.drop(port, key)
        elif (family := self.families.get(family_of(address))) is not None:
            family.drop(address, key)

    def _object_changed(self, event: CacheEvent) -> None:
        family = self.families.get(family_of(event.entry.key))
        if family is not None:
            (family.drop_object if event.deleted else family.hold_object)(event.entry.key)

    def _range_changed(self, event: CacheEvent) -> None:
        if event.deleted:
            for family in self.families.values():
                family.withdraw(event.entry.key)
        else:
            self._offer(event.entry.key, event.entry.parse())

    def _offer(self, name: str, obj: Obj) -> None:
        """Take over a ServiceCIDR; without a condition it counts as ready (no controller may be running)."""
        conditions = (obj.get("status") or {}).get("conditions") or ()
        ready = all(one.get("status") == "True" for one in conditions if one.get("type") == "Ready")
        ready = ready and not (obj.get("metadata") or {}).get("deletionTimestamp")
        for family, addresses in self.families.items():
            cidrs = [cidr for cidr in (obj.get("spec") or {}).get("cidrs") or () if family_of(cidr) == family]
            addresses.offer(name, cidrs, ready=ready)

    def strategy(self, base: Strategy) -> Strategy:
        """Return the strategy of Services."""
        return replace(
            base,
            prepare_create=self._create,
            prepare_update=self._update,
            validate_create=lambda obj, call: base.validate_create(obj, call) or self._allocate(obj, {}, call),
            validate_update=lambda new, old, call: (
                base.validate_update(new, old, call)
                or ([] if call.subresource else self._allocate(new, old.get("spec") or {}, call))
            ),
            secure=self._secure,
            settle=self._settle,
        )

    async def _secure(self, new: Obj, old: Obj | None, call: Call) -> None:
        """Make the IPAddresses of the addresses that are new."""
        assert self._objects is not None
        spec, key = new.get("spec") or {}, f"{call.namespace}/{call.name}"
        for address in _addresses(spec):
            if address in _addresses((old or {}).get("spec") or {}):
                continue
            family, objects = self.families[family_of(address)], self._objects
            claimed = address
            while True:
                try:
                    await objects.claim(claimed, key)
                    break
                except AlreadyExists:  # another server was faster
                    family.hold_object(claimed)
                    if not family.is_replaceable(claimed):
                        raise Invalid.of("Service", "", call.name, [_refused(spec, claimed, TAKEN)]) from None
                    family.release(claimed)
                    claimed = family.allocate()
            call.cleanup.append(partial(family.release, claimed))
            call.undo.append(partial(self._release, claimed))
            if claimed != address:
                spec["clusterIPs"] = [claimed if one == address else one for one in spec["clusterIPs"]]
                spec["clusterIP"] = spec["clusterIPs"][0]

    async def _settle(self, new: Obj | None, old: Obj) -> None:
        """Take away the IPAddresses of the addresses that are given up."""
        kept = _addresses((new or {}).get("spec") or {})
        for address in _addresses(old.get("spec") or {}):
            if address not in kept:
                await self._release(address)

    async def _release(self, address: str) -> None:
        assert self._objects is not None
        try:
            await self._objects.release(address)
        except (APIError, StorageError) as error:  # the Service is stored or gone all the same; the repair comes by
            _LOG.warning("An IPAddress stays behind", address=address, error=str(error))

    def _create(self, obj: Obj, call: Call) -> None:
        del call
        obj["status"] = {"loadBalancer": {}}
        self._families(obj, {})  # what is wrong is told by the allocation

    def _families(self, obj: Obj, before: Obj) -> list[FieldError]:
        """Fill in IP families where the type has any."""
        spec = obj.setdefault("spec", {})
        if _type(obj) == "ExternalName":
            return []
        if spec.get("clusterIP") == _NONE:
            spec["clusterIPs"] = [_NONE]
        elif spec.get("clusterIP") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]]
        was = {} if (before.get("type") or "ExternalName") == "ExternalName" else before
        return service_families.settle(spec, was, tuple(self.families))

    def _update(self, new: Obj, old: Obj, call: Call) -> None:
        generic.keep_status(new, old, call)
        spec, before = new.setdefault("spec", {}), old.get("spec") or {}
        same = _type(new) == _type(old)
        _follow_address(spec, before)
        if _needs_address(new) and _needs_address(old):
            if not spec.get("clusterIP") and not spec.get("clusterIPs"):
                spec["clusterIP"], spec["clusterIPs"] = before.get("clusterIP"), before.get("clusterIPs")
            elif spec.get("clusterIP") and spec.get("clusterIP") == before.get("clusterIP"):
                spec.setdefault("clusterIPs", before.get("clusterIPs"))
        elif _type(new) == "ExternalName" and _type(old) != "ExternalName":
            for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
                if spec.get(key) == before.get(key) or key in ("ipFamilies", "ipFamilyPolicy"):
                    spec.pop(key, None)
        if same or (_type(new) in _WITH_NODE_PORTS and _type(old) in _WITH_NODE_PORTS):
            _keep_ports(spec, before)
        elif _type(new) not in _WITH_NODE_PORTS:
            _forget_ports(spec, before)
        self._families(new, before)
        if _type(new) != "LoadBalancer" and _type(old) == "LoadBalancer" and "status" in new:
            new["status"] = {"loadBalancer": {}}

    def _allocate(self, obj: Obj, before: Obj, call: Call) -> list[FieldError]:
        """Reserve what the Service needs and write it into the spec."""
        spec = obj["spec"]
        key = f"{call.namespace}/{call.name}"
        errors = self._families(obj, before)
        if errors:
            return errors
        try:
            if _needs_address(obj):
                self._allocate_addresses(spec, before, call)
            if _type(obj) in _WITH_NODE_PORTS:
                self._allocate_ports(spec, key, call)
        except _RefusedError as refused:
            return [refused.error]
        return []

    def _allocate_addresses(self, spec: Obj, before: Obj, call: Call) -> None:
        known, kept = _addresses(spec), _addresses(before)
        result = []
        for index, family in enumerate(spec["ipFamilies"]):
            allocator = self.families[family]
            address = known[index] if index < len(known) else ""
            if address and address in kept:
                result.append(address)
                continue
            try:
                if address:
                    allocator.take(address)
                else:
                    address = allocator.allocate()
            except RangeFullError as error:
                raise InternalError.of(f"failed to allocate a serviceIP: {error}") from error
            except AddressError as error:
                raise _RefusedError(_refused(spec, address, str(error))) from error
            call.cleanup.append(partial(allocator.release, address))
            result.append(address)
        spec["clusterIP"], spec["clusterIPs"] = result[0], result

    def _allocate_ports(self, spec: Obj, key: str, call: Call) -> None:
        if _is_off(spec):
            return
        by_number: dict[tuple[int, str], int] = {}
        taken: set[int] = set()
        for index, port in enumerate(spec.get("ports") or []):
            wanted = port.get("nodePort")
            path = _SPEC.child("ports").index(index).child("nodePort")
            twin = by_number.get((port.get("port"), ""))
            if not wanted and twin and (twin, port.get("protocol")) not in by_number:
                wanted = twin  # the same port for TCP and UDP shares one node port, as upstream
            if wanted not in taken:
                wanted = self._take_port(path, wanted, key, call)
                taken.add(wanted)
            port["nodePort"] = wanted
            by_number[(port.get("port"), "")] = wanted
            by_number[(wanted, port.get("protocol"))] = wanted
        if spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
            path = _SPEC.child("healthCheckNodePort")
            spec["healthCheckNodePort"] = self._take_port(path, spec.get("healthCheckNodePort"), key, call)

    def _take_port(self, path: FieldPath, wanted: int | None, key: str, call: Call) -> int:
        try:
            if wanted:
                self.ports.take(wanted, key)
                port = wanted
            else:
                port = self.ports.allocate()
        except AddressError as error:
            raise _RefusedError(invalid(path, wanted or 0, str(error))) from error
        call.cleanup.append(lambda: self.ports.release(port))
        return port


def _held(entry: Entry) -> list[tuple[str, int]]:
    """Return the (address, 0) and ("", port) pairs that a stored Service has."""
    spec = entry.parse().get("spec") or {}
    return [*((address, 0) for address in _addresses(spec)), *(("", port) for port in _ports(spec))]


def _refused(spec: Obj, address: str, why: str) -> FieldError:
    return invalid(_SPEC.child("clusterIPs"), _addresses(spec), f"failed to allocate IP {address}: {why}")


def _follow_address(spec: Obj, before: Obj) -> None:
    """Who knows only `clusterIP` changes it alone: the list follows."""
    address = spec.get("clusterIP")
    if address == before.get("clusterIP") or spec.get("clusterIPs") != before.get("clusterIPs"):
        return
    if address:
        spec["clusterIPs"] = [address]
    else:
        spec.pop("clusterIPs", None)


class _RefusedError(Exception):
    """An allocation that can't be had."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(str(error))
        self.error = error


def _is_off(spec: Obj) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False


def _keep_ports(spec: Obj, before: Obj) -> None:
    """Ports that the client left out stay as they were allocated."""
    old: dict[tuple[Any, Any], Any] = {
        (port.get("port"), port.get("protocol")): port.get("nodePort") for port in before.get("ports") or []
    }
    taken = {port.get("nodePort") for port in spec.get("ports") or []}
    for port in spec.get("ports") or []:
        known = old.get((port.get("port"), port.get("protocol")))
        if not port.get("nodePort") and known and known not in taken:
            port["nodePort"] = known
    if spec.get("externalTrafficPolicy") == "Local" and not spec.get("healthCheckNodePort"):
        known = before.get("healthCheckNodePort")
        if known:
            spec["healthCheckNodePort"] = known


def _forget_ports(spec: Obj, before: Obj) -> None:
    """A Service that no longer has node ports loses those it had, unless the client set others (an error then)."""
    old = {port.get("nodePort") for port in before.get("ports") or []}
    for port in spec.get("ports") or []:
        if port.get("nodePort") in old:
            port.pop("nodePort", None)
    if spec.get("healthCheckNodePort") == before.get("healthCheckNodePort"):
        spec.pop("healthCheckNodePort", None)
    for key in ("externalTrafficPolicy", "allocateLoadBalancerNodePorts"):
        if spec.get(key) == before.get(key):
            spec.pop(key, None)
