"""Binding: the scheduler's word that a pod belongs to a node."""

from __future__ import annotations

from apimachinery.errors import BadRequest, Conflict
from apimachinery.objects.metadata import Obj
from apiserver.registry.store import Admit, Store
from apiserver.registry.strategy import Call


class _NoAdmission:
    """The binding itself has been admitted; the pod it changes is not admitted again."""

    async def mutate(self, obj: Obj | None, old: Obj | None, *, create: bool) -> Obj | None:
        """Return the object as it is."""
        del old, create
        return obj

    async def validate(self, obj: Obj | None, old: Obj | None, *, create: bool) -> None:
        """Accept."""


NO_ADMISSION: Admit = _NoAdmission()


async def bind(pods: Store, binding: Obj, call: Call) -> None:
    """Set a pod's node; `Conflict` when it has one or is going away, `BadRequest` for other targets."""
    target = binding.get("target") or {}
    if not isinstance(target, dict) or target.get("kind") not in (None, "", "Node") or not target.get("name"):
        raise BadRequest("binding target must be a Node with a name")
    uid = binding["metadata"].get("uid")

    async def change(pod: Obj | None) -> Obj:
        assert pod is not None
        if uid and uid != pod["metadata"].get("uid"):
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {pod['metadata'].get('uid')}"
            raise Conflict.of(pods.resource, call.name, why)
        pod["metadata"].pop("resourceVersion", None)
        name = pod["metadata"]["name"]
        if pod["metadata"].get("deletionTimestamp"):
            raise Conflict.of(pods.resource, name, f"pod {name} is being deleted, cannot be assigned to a host")
        node = pod["spec"].get("nodeName")
        if node:
            raise Conflict.of(pods.resource, name, f'pod {name} is already assigned to node "{node}"')
        if pod["spec"].get("schedulingGates"):
            raise Conflict.of(pods.resource, name, f"pod {name} has non-empty .spec.schedulingGates")
        pod["spec"]["nodeName"] = target["name"]
        added = binding["metadata"].get("annotations")
        if added:
            pod["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), **added}
        labels = binding["metadata"].get("labels")
        if labels:
            # Topology labels of the node, put there by admission (KEP-4742).
            pod["metadata"]["labels"] = {**(pod["metadata"].get("labels") or {}), **labels}
        _scheduled(pod, call.now)
        return pod

    call.subresource = "binding"
    await pods.update(call, change, NO_ADMISSION)


def _scheduled(pod: Obj, now: str) -> None:
    status = pod.setdefault("status", {})
    conditions = [one for one in status.get("conditions") or [] if one.get("type") != "PodScheduled"]
    condition = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    generation = pod["metadata"].get("generation")
    if generation:
        condition["observedGeneration"] = generation
    status["conditions"] = [*conditions, condition]
