"""Mirror pods: what the API shows of static pods. Created and deleted here; their statuses are those of the static
pod.
"""

from __future__ import annotations

import asyncio
from typing import Any

from apimachinery.client.rest import Client
from apimachinery.errors import AlreadyExists, APIError, NotFound
from component.logging import get_logger
from kubelet.pod_workers import PodWorkers

Obj = dict[str, Any]

MIRROR = "kubernetes.io/config.mirror"
HASH = "kubernetes.io/config.hash"
SOURCE = "kubernetes.io/config.source"

log = get_logger("kubelet.mirror")


def is_mirror(pod: Obj) -> bool:
    """Whether an API pod only shows a static one."""
    return MIRROR in (pod["metadata"].get("annotations") or {})


def mirror_of(static: Obj, node_uid: str, node: str) -> Obj:
    """The API object of a static pod."""
    meta = static["metadata"]
    annotations = dict(meta.get("annotations") or {})
    annotations[MIRROR] = annotations[HASH]
    copy: Obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": meta.get("labels") or {},
            "annotations": annotations,
        },
        "spec": static["spec"],
    }
    if node_uid:
        owner = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node_uid, "controller": True}
        copy["metadata"]["ownerReferences"] = [owner]
    return copy


class MirrorPods:
    """Keeps one mirror per static pod."""

    def __init__(self, client: Client, node: str) -> None:
        self._client = client
        self._node = node
        self._mirrors: dict[str, Obj] = {}
        self._statics: dict[str, Obj] = {}
        self._wake = asyncio.Event()
        self.workers: PodWorkers | None = None

    def observe(self, mirror: Obj, *, gone: bool) -> None:
        """A mirror pod appeared, changed or went."""
        key = f"{mirror['metadata']['namespace']}/{mirror['metadata']['name']}"
        if gone:
            self._mirrors.pop(key, None)
        else:
            self._mirrors[key] = mirror
            static = self._statics.get(key)
            if static is not None and _matches(static, mirror):
                self._attach(static, mirror)
        self._wake.set()

    def set_statics(self, pods: dict[str, Obj]) -> None:
        """The static pods there are now, by namespace/name."""
        self._statics = pods
        self._wake.set()

    def _attach(self, static: Obj, mirror: Obj) -> None:
        if self.workers is None:
            return
        memory = self.workers.memory(static["metadata"]["uid"])
        if memory is not None:
            before = memory.mirror["metadata"]["uid"] if memory.mirror else ""
            memory.mirror = mirror
            self.workers.parts.statuses.writer.observe(mirror)
            if before != mirror["metadata"]["uid"]:
                self.workers.wake(memory.uid)

    async def run(self) -> None:
        """Reconcile whenever something changed."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._reconcile()
            except (APIError, OSError, TimeoutError) as error:
                log.debug("mirror pods not reconciled", error=str(error))
                await asyncio.sleep(1)
                self._wake.set()

    async def _reconcile(self) -> None:
        for key, mirror in list(self._mirrors.items()):
            static = self._statics.get(key)
            if static is None or not _matches(static, mirror) or mirror["metadata"].get("deletionTimestamp"):
                await self._delete(key, mirror)
        for key, static in list(self._statics.items()):
            if key not in self._mirrors:
                await self._create(key, static)

    async def _delete(self, key: str, mirror: Obj) -> None:
        meta = mirror["metadata"]
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
        try:
            await self._client.delete("pods", meta["name"], meta["namespace"], options=options)
        except NotFound:
            self._mirrors.pop(key, None)
        self._mirrors.pop(key, None)

    async def _create(self, key: str, static: Obj) -> None:
        node = await self._client.get("nodes", self._node)
        try:
            mirror = await self._client.create("pods", mirror_of(static, node["metadata"]["uid"], self._node))
        except AlreadyExists:
            return
        self._mirrors[key] = mirror
        self._attach(static, mirror)


def _matches(static: Obj, mirror: Obj) -> bool:
    return bool((mirror["metadata"].get("annotations") or {}).get(MIRROR) == static["metadata"]["annotations"][HASH])
