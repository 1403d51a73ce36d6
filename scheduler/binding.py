"""Carrying a decision out: the scheduler's writes to the API server.

The shell around the pure cycle. Talks to the API server only. Promises that a pod
is bound by one POST, that waiting claims are prepared before it, and that what a
failure leaves behind (condition, nomination, victims) is written at most once per change.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from apimachinery.errors import APIError, Conflict, NotFound
from apimachinery.objects import times

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apimachinery.client.events import EventRecorder
    from apimachinery.client.rest import Client
    from apimachinery.objects.metadata import Obj
    from component.clock import Clock
    from scheduler.plugins.volume_binding import VolumePlan
    from scheduler.pod_info import PodInfo
    from scheduler.preemption import Candidate
    from scheduler.snapshot import Snapshot

SELECTED_NODE = "volume.kubernetes.io/selected-node"
_BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
_MAX_MESSAGE = 1024


class VolumeBindingTimeoutError(Exception):
    """The claims of a pod were not bound in time."""


class Binder:
    """Writes decisions.

    Args:
        client: to the API server.
        recorder: for the events that users see.
        snapshot: read for the state of claims while waiting for them.
        clock: the time of conditions.
        bind_timeout: seconds to wait for claims (upstream: 600).
    """

    def __init__(
        self,
        client: Client,
        recorder: EventRecorder,
        snapshot: Snapshot,
        clock: Clock,
        *,
        bind_timeout: float = 600.0,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._snapshot = snapshot
        self._clock = clock
        self._bind_timeout = bind_timeout
        self._claims_changed = asyncio.Event()

    def claim_changed(self) -> None:
        """A claim or volume changed: bindings that wait for it look again."""
        self._claims_changed.set()
        self._claims_changed = asyncio.Event()

    async def bind(self, pod: PodInfo, node_name: str, plan: VolumePlan) -> None:
        """Prepares the pod's claims and binds it to the node.

        Raises:
            APIError: if the server refuses.
            VolumeBindingTimeoutError: if claims stay unbound.
        """
        if plan.bindings or plan.provisions:
            await self._bind_volumes(pod, node_name, plan)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"kind": "Node", "name": node_name},
        }
        await self._client.create("pods", binding, pod.namespace, name=pod.name, subresource="binding")
        message = f"Successfully assigned {pod.namespace}/{pod.name} to {node_name}"
        self._recorder.event(pod.obj, "Normal", "Scheduled", message)

    async def _bind_volumes(self, pod: PodInfo, node_name: str, plan: VolumePlan) -> None:
        for volume, claim in plan.bindings:
            reserved = reserve(volume, claim)
            if reserved is not volume:
                await self._client.update("persistentvolumes", reserved)
        for claim in plan.provisions:
            if (claim["metadata"].get("annotations") or {}).get(SELECTED_NODE) == node_name:
                continue
            await self._client.patch(
                "persistentvolumeclaims",
                claim["metadata"]["name"],
                {"metadata": {"annotations": {SELECTED_NODE: node_name}}},
                claim["metadata"]["namespace"],
            )
        try:
            async with asyncio.timeout(self._bind_timeout):
                while not all(self._is_bound(pod, name) for name in pod.claims):
                    await self._claims_changed.wait()
        except TimeoutError:
            raise VolumeBindingTimeoutError("binding volumes: context deadline exceeded") from None

    def _is_bound(self, pod: PodInfo, name: str) -> bool:
        claim = self._snapshot.get("persistentvolumeclaims", f"{pod.namespace}/{name}")
        if claim is None:
            raise NotFound(f'persistentvolumeclaim "{name}" not found')
        return (claim.get("status") or {}).get("phase") == "Bound" and bool(claim["spec"].get("volumeName"))

    async def report_failure(self, pod: PodInfo, reason: str, message: str, nominated: str | None = None) -> None:
        """Tells why a pod has no node: event, PodScheduled condition, and the promised node.

        Args:
            pod: the pod.
            reason: `Unschedulable` or `SchedulerError`.
            message: the sentence for both.
            nominated: the promised node; empty withdraws one, None leaves it.
        """
        self._recorder.event(pod.obj, "Warning", "FailedScheduling", message[:_MAX_MESSAGE])
        patch = failure_patch(pod.obj, reason, message, nominated, times.now_rfc3339(self._clock))
        if patch is None:
            return
        with contextlib.suppress(NotFound):
            await self._client.patch(
                "pods", pod.name, patch, pod.namespace, patch_type="strategic", subresource="status"
            )

    async def preempt(self, pod: PodInfo, candidate: Candidate, scheduler_name: str) -> None:
        """Makes the victims go: condition, event, deletion."""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{scheduler_name}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": times.now_rfc3339(self._clock),
        }
        for victim in candidate.victims:
            if victim.terminating:
                continue
            with contextlib.suppress(NotFound, Conflict):
                await self._client.patch(
                    "pods",
                    victim.name,
                    {"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}},
                    victim.namespace,
                    patch_type="strategic",
                    subresource="status",
                )
                await self._client.delete(
                    "pods", victim.name, victim.namespace, options={"preconditions": {"uid": victim.uid}}
                )
            message = f"Preempted by pod {pod.uid} on node {candidate.node_name}"
            self._recorder.event(victim.obj, "Normal", "Preempted", message)

    async def withdraw_nominations(self, pods: Iterable[PodInfo]) -> None:
        """Takes back promises that a more important pod has overridden."""
        for pod in pods:
            with contextlib.suppress(APIError):
                await self._client.patch(
                    "pods",
                    pod.name,
                    {"status": {"nominatedNodeName": None}},
                    pod.namespace,
                    patch_type="strategic",
                    subresource="status",
                )


def reserve(volume: Obj, claim: Obj) -> Obj:
    """The volume with its claimRef set to the claim; the same object when it is set already."""
    meta = claim["metadata"]
    reference = volume["spec"].get("claimRef") or {}
    if reference.get("uid") == meta.get("uid"):
        return volume
    annotations = dict(volume["metadata"].get("annotations") or {})
    if not reference:
        annotations[_BOUND_BY_CONTROLLER] = "yes"
    reference = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta.get("uid"),
        "resourceVersion": meta.get("resourceVersion"),
    }
    return {
        **volume,
        "metadata": {**volume["metadata"], "annotations": annotations},
        "spec": {**volume["spec"], "claimRef": reference},
    }


def failure_patch(pod: Obj, reason: str, message: str, nominated: str | None, now: str) -> dict[str, Any] | None:
    """The status patch for a pod without a node, or None when it says so already."""
    status = pod.get("status") or {}
    existing: dict[str, Any] = next((c for c in status.get("conditions") or () if c.get("type") == "PodScheduled"), {})
    changed: dict[str, Any] = {}
    if (existing.get("status"), existing.get("reason"), existing.get("message")) != ("False", reason, message):
        same_status = existing.get("status") == "False"
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": message,
            "lastTransitionTime": existing.get("lastTransitionTime", now) if same_status else now,
        }
        if generation := pod["metadata"].get("generation"):
            condition["observedGeneration"] = generation
        changed["conditions"] = [condition]
    if nominated is not None and nominated != (status.get("nominatedNodeName") or ""):
        changed["nominatedNodeName"] = nominated or None
    return {"metadata": {"uid": pod["metadata"].get("uid")}, "status": changed} if changed else None
