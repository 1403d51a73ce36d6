"""Generic ephemeral volumes: the claim that belongs to a pod's volume is made, and goes with the pod.

Talks to the API server (KEP-1698). The pod owns the claim, so garbage collection removes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apimachinery.controller.runner import Controller
from apimachinery.errors import AlreadyExists
from apimachinery.objects.metadata import is_deleting, name, namespace
from apimachinery.objects.owner_references import is_controlled_by, new_controller_ref
from apimachinery.objects.pods import is_terminal

if TYPE_CHECKING:
    from apimachinery.objects.metadata import Obj
    from controllers.context import Context


def wanted_claims(pod: Obj) -> list[Obj]:
    """The claims of a pod's ephemeral volumes."""
    found = []
    for volume in pod["spec"].get("volumes") or ():
        if "ephemeral" not in volume:
            continue
        template = volume["ephemeral"].get("volumeClaimTemplate") or {}
        meta = template.get("metadata") or {}
        made = {
            "name": f"{name(pod)}-{volume['name']}",
            "namespace": namespace(pod),
            "ownerReferences": [new_controller_ref(pod, "v1", "Pod")],
        }
        made.update({field: meta[field] for field in ("labels", "annotations") if meta.get(field)})
        found.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": made,
                "spec": template.get("spec") or {},
            }
        )
    return found


def new(context: Context) -> Controller:
    """Wire the controller."""
    pods = context.informers.informer("pods")
    claims = context.informers.informer("persistentvolumeclaims")
    recorder = context.recorder("ephemeral_volume")

    async def reconcile(key: str) -> None:
        pod = pods.store.get_key(key)
        if pod is None or is_deleting(pod) or is_terminal(pod):
            return
        for claim in wanted_claims(pod):
            found = claims.store.get(namespace(pod), name(claim))
            if found is not None:
                if not is_controlled_by(found, pod):
                    text = f"PVC {namespace(pod)}/{name(claim)} was not created for pod {key} (pod is not owner)"
                    recorder.event(pod, "Warning", "ConflictingClaim", text)
                continue
            try:
                await context.client.create("persistentvolumeclaims", claim)
            except AlreadyExists:
                continue

    controller = Controller("ephemeral-volume-controller", reconcile, workers=1)
    controller.watch(pods, lambda pod: [f"{namespace(pod)}/{name(pod)}"] if wanted_claims(pod) else [])
    controller.watch(claims, _pods_of)
    return controller


def _pods_of(claim: Obj) -> list[str]:
    """A claim that went away while its pod lives is made again."""
    references = claim["metadata"].get("ownerReferences") or ()
    return [f"{namespace(claim)}/{one['name']}" for one in references if one.get("kind") == "Pod"]
