"""The node's heartbeat: a Lease in kube-node-lease, renewed every quarter of its duration."""

from __future__ import annotations

import asyncio
from typing import Any

from apimachinery.client.rest import Client
from apimachinery.errors import AlreadyExists, APIError, Conflict, NotFound
from component.clock import Clock
from component.logging import get_logger
from kubelet.node.registration import Node

Obj = dict[str, Any]

NAMESPACE = "kube-node-lease"

log = get_logger("kubelet.lease")


class NodeLease:
    """Keeps one Lease fresh."""

    def __init__(self, client: Client, clock: Clock, node: Node, seconds: int) -> None:
        self._client = client
        self._clock = clock
        self._node = node
        self._seconds = seconds
        self._lease: Obj | None = None

    async def run(self) -> None:
        """Renew for ever."""
        retry = 0.2
        while True:
            try:
                await self.renew()
            except (APIError, OSError, TimeoutError) as error:
                log.debug("lease not renewed", error=str(error))
                self._lease = None
                await asyncio.sleep(retry)
                retry = min(retry * 2, 7.0)
                continue
            retry = 0.2
            await asyncio.sleep(self._seconds / 4)

    async def renew(self) -> None:
        """Renew or create."""
        stamp = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if self._lease is None:
            await self._acquire(stamp)
            return
        fresh = {**self._lease, "spec": {**self._lease["spec"], "renewTime": stamp}}
        try:
            self._lease = await self._client.update("leases.coordination.k8s.io", fresh)
        except (Conflict, NotFound):
            self._lease = None
            await self._acquire(stamp)

    async def _acquire(self, stamp: str) -> None:
        name = self._node.name
        spec = {"holderIdentity": name, "leaseDurationSeconds": self._seconds, "renewTime": stamp}
        try:
            found = await self._client.get("leases.coordination.k8s.io", name, NAMESPACE)
        except NotFound:
            metadata: Obj = {"name": name, "namespace": NAMESPACE}
            if self._node.object is not None:
                metadata["ownerReferences"] = [
                    {"apiVersion": "v1", "kind": "Node", "name": name, "uid": self._node.object["metadata"]["uid"]}
                ]
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            try:
                self._lease = await self._client.create("leases.coordination.k8s.io", lease, NAMESPACE)
            except AlreadyExists:
                self._lease = None
            return
        self._lease = await self._client.update(
            "leases.coordination.k8s.io", {**found, "spec": {**(found.get("spec") or {}), **spec}}
        )
