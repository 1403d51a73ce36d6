"""Nodes without machines, for tests of the controllers: what the scheduler and the kubelets do, done at once."""

import asyncio
import contextlib
import time

from apimachinery import errors
from apimachinery.objects import times
from apimachinery.objects.metadata import is_deleting, name, namespace
from controllers.daemon_set.placement import target_node


async def until(check, seconds=20):
    """Wait until a check tells something true; what is not there yet counts as false."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = await check()
        except errors.NotFound:
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, f"waited in vain: {found}"
        await asyncio.sleep(0.02)


class Nodes:
    """Nodes without machines: pods that are meant for them are bound, become ready and go."""

    def __init__(self, client):
        self.client = client
        self.names = []
        self.ready = lambda pod: True

    async def add(self, title, **labels):
        amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        status = {"allocatable": amounts, "capacity": amounts, "conditions": [{"type": "Ready", "status": "True"}]}
        meta = {"name": title, "labels": {"kubernetes.io/hostname": title, **labels}}
        await self.client.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": status})
        self.names.append(title)

    async def look(self, listed):
        for pod in listed["items"]:
            node = target_node(pod)
            if node in self.names:
                await self.tend(pod, node)

    async def tend(self, pod, node):
        if is_deleting(pod):
            await self.client.delete("pods", name(pod), namespace(pod), options={"gracePeriodSeconds": 0})
        elif not pod["spec"].get("nodeName"):
            binding = {"metadata": {"name": name(pod)}, "target": {"kind": "Node", "name": node}}
            binding = {"apiVersion": "v1", "kind": "Binding", **binding}
            await self.client.create("pods", binding, namespace(pod), name=name(pod), subresource="binding")
        elif not pod["status"].get("conditions") or pod["status"]["phase"] == "Pending":
            now = times.now()
            condition = {"type": "Ready", "status": str(self.ready(pod)), "lastTransitionTime": now}
            status = {"phase": "Running", "startTime": now, "conditions": [condition]}
            await self.client.patch("pods", name(pod), {"status": status}, namespace(pod), subresource="status")

    async def run(self):
        while True:
            with contextlib.suppress(errors.NotFound, errors.Conflict):
                await self.look(await self.client.list("pods"))
            await asyncio.sleep(0.05)
