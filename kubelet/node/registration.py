"""Creates the Node object and keeps its status true.

The status is written when something in it changes and otherwise every five minutes; the Lease is the heartbeat
(`lease`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from apimachinery.client.informer import Event
from apimachinery.client.rest import Client
from apimachinery.errors import AlreadyExists, APIError, NotFound
from component.clock import Clock
from component.logging import get_logger
from kubelet.node.machine import architecture
from kubelet.node.status import NodeFacts, allocatable, differs, foreign, node_status

Obj = dict[str, Any]

FIRST_RETRY = 0.05
LONGEST_RETRY = 2.0

log = get_logger("kubelet.node")


class Node:
    """This kubelet's Node object."""

    def __init__(  # noqa: PLR0913 -- what a node is made of
        self,
        client: Client,
        clock: Clock,
        gather: Callable[[], Awaitable[NodeFacts]],
        *,
        name: str,
        labels: dict[str, str],
        taints: list[Obj],
        register: bool,
        check: float,
        report: float,
    ) -> None:
        self._client = client
        self._clock = clock
        self._gather = gather
        self.name = name
        self._labels = labels
        self._taints = taints
        self._register = register
        self._check = check
        self._report = report
        self._dirty = asyncio.Event()
        self._facts: NodeFacts | None = None
        self.object: Obj | None = None

    def touch(self) -> None:
        """Something the status shows may have changed; look now."""
        self._dirty.set()

    def observe(self, event: Event) -> None:
        """The Node object was changed, by us or by somebody else."""
        if self.object is None or _version(event.new) < _version(self.object):
            return
        if event.type == "DELETED":
            self.object = None
            self.touch()
            return
        self.object = event.new
        told = event.new.get("status") or {}
        if any((told.get("allocatable") or {}).get(key) != value for key, value in foreign(told).items()):
            self.touch()

    def allocatable(self) -> dict[str, str]:
        """What pods may use."""
        if self._facts is None:
            return {}
        told = (self.object or {}).get("status") or {}
        return {**allocatable(self._facts), **foreign(told)}

    def labels(self) -> dict[str, str]:
        """Labels as the API has them, or as we would register them."""
        if self.object is not None:
            return dict(self.object["metadata"].get("labels") or {})
        return self._own_labels()

    async def refresh(self) -> None:
        """Read the Node object anew.

        Raises:
            APIError: it could not be read.
        """
        self.object = await self._client.get("nodes", self.name)

    def _own_labels(self) -> dict[str, str]:
        return {
            "beta.kubernetes.io/arch": architecture(),
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture(),
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            **self._labels,
        }

    def now(self) -> str:
        """Time as it stands in objects."""
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    async def gather(self) -> NodeFacts:
        """Look at the machine and the runtime."""
        self._facts = await self._gather()
        return self._facts

    async def run(self) -> None:
        """Register, then keep the status true, for ever."""
        retry = FIRST_RETRY
        written = float("-inf")
        while True:
            pause = self._check
            try:
                facts = await self.gather()
                if self.object is None:
                    await self._ensure(facts)
                    written = float("-inf")
                stale = self._clock.monotonic() - written > self._report
                if await self._write(facts, force=stale):
                    written = self._clock.monotonic()
                retry = FIRST_RETRY
                if facts.not_ready:
                    pause = min(pause, 0.25)
            except NotFound:
                self.object = None
                pause = retry
            except (APIError, OSError, TimeoutError) as error:
                log.debug("node status not written", error=str(error))
                pause, retry = retry, min(retry * 2, LONGEST_RETRY)
            self._dirty.clear()
            try:
                await asyncio.wait_for(self._dirty.wait(), pause)
            except TimeoutError:
                continue

    async def _ensure(self, facts: NodeFacts) -> None:
        try:
            found = await self._client.get("nodes", self.name)
        except NotFound:
            if not self._register:
                raise
        else:
            await self._reconcile_labels(found)
            return
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "labels": self._own_labels(),
                "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
            },
            "spec": {"taints": self._taints} if self._taints else {},
            "status": node_status(facts, {}, self.now()),
        }
        try:
            self.object = await self._client.create("nodes", node)
            log.info("node registered", node=self.name)
        except AlreadyExists:
            self.object = await self._client.get("nodes", self.name)

    async def _reconcile_labels(self, found: Obj) -> None:
        have = found["metadata"].get("labels") or {}
        missing = {k: v for k, v in self._own_labels().items() if k not in have}
        self.object = (
            await self._client.patch("nodes", self.name, {"metadata": {"labels": missing}}) if missing else found
        )

    async def _write(self, facts: NodeFacts, *, force: bool) -> bool:
        if self.object is None:
            return False
        old = self.object.get("status") or {}
        fresh = node_status(facts, old, self.now())
        if not force and not differs(old, fresh):
            return False
        patch = {key: value for key, value in fresh.items() if key != "addresses" and old.get(key) != value}
        if old.get("addresses") != fresh["addresses"]:
            patch["addresses"] = [*fresh["addresses"], {"$patch": "replace"}]
        if "capacity" in patch or "allocatable" in patch:
            patch["capacity"], patch["allocatable"] = fresh["capacity"], fresh["allocatable"]
        was = _ready(old)
        self.object = await self._client.patch(
            "nodes", self.name, {"status": patch}, patch_type="strategic", subresource="status"
        )
        if _ready(fresh) != was:
            log.info("node ready" if _ready(fresh) else "node not ready", node=self.name, why=facts.not_ready)
        return True


def _version(node: Obj) -> int:
    text = str(node["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdecimal() else 0


def _ready(status: Obj) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
