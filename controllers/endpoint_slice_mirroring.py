"""EndpointSlices for Endpoints that people write themselves, for Services without a selector.

Talks to the API server. One slice per subset and IP family, owned by the Endpoints; slices that
fit already are left as they are.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from apimachinery.controller.runner import Controller
from apimachinery.errors import NotFound
from apimachinery.objects.metadata import annotations as notes_of
from apimachinery.objects.metadata import is_deleting, key, labels, name, namespace
from apimachinery.objects.owner_references import new_controller_ref

if TYPE_CHECKING:
    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

MANAGER = "endpointslicemirroring-controller.k8s.io"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_SERVICE_NAME = "kubernetes.io/service-name"
_SKIP = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED = {"kubectl.kubernetes.io/last-applied-configuration", "endpoints.kubernetes.io/last-change-trigger-time"}
_SLICES = "endpointslices.discovery.k8s.io"
_MIRRORED = "mirrored"
_MOST = 1000


def is_mirrored(endpoints: Obj, service: Obj | None) -> bool:
    """Whether Endpoints want mirroring: a Service of that name has no selector, and nothing forbids it."""
    return (
        service is not None
        and not (service.get("spec") or {}).get("selector")
        and not is_deleting(endpoints)
        and labels(endpoints).get(_SKIP) != "true"
        and _LEADER not in notes_of(endpoints)
    )


def wanted_slices(endpoints: Obj) -> list[Obj]:
    """The slices that mirror the Endpoints, without names."""
    found = []
    for subset in endpoints.get("subsets") or ():
        ports = [
            {"name": p.get("name") or "", "port": p["port"], "protocol": p.get("protocol") or "TCP"}
            | ({"appProtocol": p["appProtocol"]} if p.get("appProtocol") else {})
            for p in subset.get("ports") or ()
        ]
        by_family: dict[str, list[Obj]] = {}
        for field, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(field) or ():
                family = f"IPv{ipaddress.ip_address(address['ip']).version}"
                by_family.setdefault(family, []).append(_endpoint(address, ready=ready))
        for family, members in sorted(by_family.items()):
            found.append(_slice(endpoints, family, ports, members[:_MOST]))
    return found


def _endpoint(address: Obj, *, ready: bool) -> Obj:
    made: Obj = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    made.update({field: address[field] for field in ("hostname", "nodeName", "targetRef") if address.get(field)})
    return made


def _slice(endpoints: Obj, family: str, ports: list[Obj], members: list[Obj]) -> Obj:
    meta: Obj = {
        "generateName": f"{name(endpoints)}-",
        "namespace": namespace(endpoints),
        "labels": {**labels(endpoints), _SERVICE_NAME: name(endpoints), _MANAGED_BY: MANAGER},
        "ownerReferences": [new_controller_ref(endpoints, "v1", "Endpoints")],
    }
    if copied := {k: v for k, v in notes_of(endpoints).items() if k not in _NOT_COPIED}:
        meta["annotations"] = copied
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta,
        "addressType": family,
        "endpoints": members,
        "ports": ports,
    }


def _identity(one: Obj) -> tuple[Any, ...]:
    ports = one.get("ports") or ()
    known = sorted((p.get("name") or "", p.get("protocol") or "TCP", p.get("port") or 0) for p in ports)
    return (one["addressType"], tuple(known))


def _content(one: Obj) -> tuple[Any, ...]:
    return (one.get("endpoints") or [], one.get("ports") or [], labels(one), notes_of(one))


def plan(wanted: list[Obj], existing: list[Obj]) -> tuple[list[Obj], list[Obj], list[Obj]]:
    """What to create, to update and to delete, so that what exists becomes what is wanted."""
    left = list(existing)
    create, update = [], []
    for one in wanted:
        match = next((e for e in left if _identity(e) == _identity(one)), None)
        match = match or next((e for e in left if e["addressType"] == one["addressType"]), None)
        if match is None:
            create.append(one)
            continue
        left.remove(match)
        if _content(match) != _content(one):
            meta = {**match["metadata"], **{k: one["metadata"].get(k, {}) for k in ("labels", "annotations")}}
            update.append({**match, "metadata": meta, "endpoints": one["endpoints"], "ports": one["ports"]})
    return create, update, left


def new(context: Context) -> Controller:
    """Wire the controller."""
    all_endpoints = context.informers.informer("endpoints")
    services = context.informers.informer("services")
    slices = context.informers.informer(_SLICES)
    slices.add_index(_MIRRORED, _mirrored_service)

    async def reconcile(one: str) -> None:
        endpoints = all_endpoints.store.get_key(one)
        mirrored = endpoints is not None and is_mirrored(endpoints, services.store.get_key(one))
        wanted = wanted_slices(endpoints) if endpoints is not None and mirrored else []
        create, update, delete = plan(wanted, slices.store.by_index(_MIRRORED, one))
        for made in create:
            await context.client.create(_SLICES, made)
        for changed in update:
            await context.client.update(_SLICES, changed)
        for gone in delete:
            try:
                await context.client.delete(_SLICES, name(gone), namespace(gone))
            except NotFound:
                continue

    controller = Controller("endpointslice-mirroring-controller", reconcile, workers=2)
    controller.watch(all_endpoints)
    controller.watch(services, lambda service: [] if (service.get("spec") or {}).get("selector") else [key(service)])
    controller.watch(slices, _mirrored_service)
    return controller


def _mirrored_service(one: Obj) -> list[str]:
    if labels(one).get(_MANAGED_BY) != MANAGER:
        return []
    return [f"{namespace(one)}/{labels(one).get(_SERVICE_NAME)}"]
