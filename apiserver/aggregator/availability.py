"""Keeps APIServices and their Available conditions true, and the ConfigMap extension servers read.

Local ones (for what this server serves itself) follow the registry. Remote ones are asked every now and then; how
they answer becomes their condition.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from apimachinery.errors import AlreadyExists, APIError, Conflict, NotFound
from apimachinery.objects.metadata import Obj
from apimachinery.objects.times import now_rfc3339
from apimachinery.resources import RESOURCES, Resource
from apiserver.admission.webhook_client import WebhookUnreachableError
from apiserver.aggregator.apiservice import AUTO, RESOURCE, local_services, remote, with_condition
from apiserver.apiextensions import crd as definitions
from component.logging import get_logger

if TYPE_CHECKING:
    from apiserver.aggregator.proxy import Aggregator

_LOG = get_logger("aggregator")
_CONFIG_MAP: Final = "extension-apiserver-authentication"
_INTERVAL: Final = 15.0
_SOON: Final = 1.0
_SETTLE: Final = 0.5
_AFTER_START: Final = 3.0


def authentication_config(options: Any) -> dict[str, str]:
    """Return what extension servers need to trust requests from here (pure but for reading two files)."""
    data: dict[str, str] = {}
    if options.client_ca_file:
        data["client-ca-file"] = Path(options.client_ca_file).read_text(encoding="utf-8")
    if options.requestheader_client_ca_file:
        data["requestheader-client-ca-file"] = Path(options.requestheader_client_ca_file).read_text(encoding="utf-8")
        lists = {
            "requestheader-allowed-names": options.requestheader_allowed_names,
            "requestheader-username-headers": options.requestheader_username_headers,
            "requestheader-uid-headers": options.requestheader_uid_headers,
            "requestheader-group-headers": options.requestheader_group_headers,
            "requestheader-extra-headers-prefix": options.requestheader_extra_headers_prefix,
        }
        data.update({key: json.dumps(list(value)) for key, value in lists.items()})
    return data


class Availability:
    """The controller part of the aggregator."""

    def __init__(self, options: Any, listers: Callable[[str], Any], client: Any, aggregator: Aggregator) -> None:
        self._options = options
        self._services = listers(RESOURCE)
        self._crds = listers(definitions.RESOURCE)
        self._client = client
        self._aggregator = aggregator
        self._wake = asyncio.Event()
        for lister in (self._services, self._crds):
            lister.on_touch(self._touched)
        self._backends = listers("services")
        self._slices = listers("endpointslices.discovery.k8s.io")
        for lister in (self._backends, self._slices):
            lister.on_touch(self._endpoints_touched)

    def _touched(self, _key: str) -> None:
        self._wake.set()

    def _endpoints_touched(self, key: str) -> None:
        if any(key.startswith(prefix) for prefix in self._aggregator.watched_services):
            self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._publish()
        # What starts the cluster goes first; this is for clients that list APIServices.
        await asyncio.sleep(_AFTER_START)
        while True:
            failing = False
            self._wake.clear()  # what changes from here on is looked at again
            try:
                await self._local()
                failing = await self._remote()
            except Conflict:
                failing = True
            except APIError as error:
                _LOG.error("APIServices could not be brought up to date", error=error)
                failing = True
            wait = _SOON if failing else _INTERVAL if self._aggregator.watched_services else None
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
                # Bursts (a chart with twenty CRDs) are one round.
                await asyncio.sleep(_SETTLE if wait != _SOON else 0.1)
            except TimeoutError:
                continue

    async def _publish(self) -> None:
        data = authentication_config(self._options)
        metadata = {"name": _CONFIG_MAP, "namespace": "kube-system"}
        wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        delay = 0.05
        while data:
            try:
                live = await self._client.get("configmaps", _CONFIG_MAP, "kube-system")
                merged = {**(live.get("data") or {}), **data}
                if merged != live.get("data"):
                    await self._client.update("configmaps", {**live, "data": merged})
                return
            except NotFound:
                try:
                    await self._client.create("configmaps", wanted, "kube-system")
                    return
                except (APIError, KeyError):
                    # kube-system is made a moment later.
                    await asyncio.sleep(delay)
            except APIError:
                await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)

    def _custom(self) -> list[Resource]:
        return [
            definitions.resource(crd, version)
            for crd in self._crds.list()
            if definitions.is_established(crd)
            for version in definitions.served_versions(crd)
        ]

    async def _local(self) -> None:
        wanted = local_services(RESOURCES, self._custom())
        present = {service["metadata"]["name"]: service for service in self._services.list()}
        for name, service in wanted.items():
            live = present.get(name)
            if live is None:
                try:
                    live = await self._client.create(RESOURCE, service)
                except AlreadyExists:
                    continue
            if remote(live) is not None:
                continue
            text = "Local APIServices are always available"
            new = with_condition(copy.deepcopy(live), now_rfc3339(), ok=True, reason="Local", message=text)
            if new is not None:
                await self._client.update(RESOURCE, new, subresource="status")
        for name, service in present.items():
            managed = (service["metadata"].get("labels") or {}).get(AUTO) == "true"
            if name not in wanted and managed and remote(service) is None:
                await self._client.delete(RESOURCE, name)

    async def _remote(self) -> bool:
        """Check the remote ones; True when one of them is not available."""
        failing = False
        for service in self._services.list():
            if remote(service) is None:
                continue
            ok, reason, message = await self._check(service)
            failing |= not ok
            new = with_condition(copy.deepcopy(service), now_rfc3339(), ok=ok, reason=reason, message=message)
            if new is not None:
                try:
                    await self._client.update(RESOURCE, new, subresource="status")
                except NotFound:
                    continue
            if ok:
                await self._aggregator.documents.refresh(service)
        return failing

    async def _check(self, service: Obj) -> tuple[bool, str, str]:
        target = remote(service) or {}
        space, name = target.get("namespace", ""), target.get("name", "")
        slices = [
            part
            for part in self._slices.list(space)
            if (part["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == name
        ]
        unreachable = problem(target, self._backends.get(space, name), slices)
        if unreachable is not None:
            return (False, *unreachable)
        spec = service["spec"]
        try:
            status, url = await self._aggregator.check(service, f"/apis/{spec['group']}/{spec['version']}")
        except WebhookUnreachableError as error:
            where = re.match(r'Get "([^"]+)"', str(error))
            told = f"failing or missing response from {where[1]}: {error}" if where else str(error)
            return False, "FailedDiscoveryCheck", told
        if 200 <= status < 300:
            return True, "Passed", "all checks passed"
        told = f"failing or missing response from {url}: bad status from {url}: {status}"
        return False, "FailedDiscoveryCheck", told


def problem(target: Obj, service: Obj | None, slices: list[Obj]) -> tuple[str, str] | None:
    """Return (reason, message) of what keeps a Service from being reached, None where nothing does. Pure."""
    subject = f'service/{target.get("name")} in "{target.get("namespace")}"'
    if service is None:
        return "ServiceNotFound", f"{subject} is not present"
    spec = service.get("spec") or {}
    if spec.get("type", "ClusterIP") != "ClusterIP":
        return None
    number = target.get("port") or 443
    port = next((one for one in spec.get("ports") or () if one.get("port") == number), None)
    if port is None:
        return "ServicePortError", f"{subject} is not listening on port {number}"
    if not slices:
        return "EndpointsNotFound", f"cannot find endpointslices for {subject}"
    wanted = port.get("name") or ""
    for part in slices:
        ready = any((one.get("conditions") or {}).get("ready") is not False for one in part.get("endpoints") or ())
        if ready and any((one.get("name") or "") == wanted for one in part.get("ports") or ()):
            return None
    return "MissingEndpoints", f'endpointslices for {subject} have no addresses with port name "{wanted}"'
