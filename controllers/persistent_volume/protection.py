"""Claims in use by pods and volumes bound to claims stay, though deleted, until they are free.

Talks to the API server: admission puts the finalizers on, these controllers take them off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import finalizers, is_deleting, name, namespace
from apimachinery.objects.pods import is_terminal

if TYPE_CHECKING:
    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
_BY_CLAIM = "claim"


def new_for_claims(context: Context) -> Controller:
    """Wire the controller that lets deleted claims go when no pod uses them."""
    claims = context.informers.informer("persistentvolumeclaims")
    pods = context.informers.informer("pods")
    pods.add_index(_BY_CLAIM, claims_of)

    async def reconcile(key: str) -> None:
        claim = claims.store.get_key(key)
        if claim is None or not is_deleting(claim) or CLAIM_FINALIZER not in finalizers(claim):
            return
        if any(not is_terminal(pod) and pod["spec"].get("nodeName") for pod in pods.store.by_index(_BY_CLAIM, key)):
            return
        await context.client.update("persistentvolumeclaims", without(claim, CLAIM_FINALIZER))

    controller = Controller("persistentvolumeclaim-protection-controller", reconcile, workers=1)
    controller.watch(claims)
    controller.watch(pods, claims_of)
    return controller


def new_for_volumes(context: Context) -> Controller:
    """Wire the controller that lets deleted volumes go when no claim is bound to them."""
    volumes = context.informers.informer("persistentvolumes")

    async def reconcile(key: str) -> None:
        volume = volumes.store.get_key(key)
        if volume is None or not is_deleting(volume) or VOLUME_FINALIZER not in finalizers(volume):
            return
        if (volume.get("status") or {}).get("phase") == "Bound":
            return
        await context.client.update("persistentvolumes", without(volume, VOLUME_FINALIZER))

    controller = Controller("persistentvolume-protection-controller", reconcile, workers=1)
    controller.watch(volumes)
    return controller


def claims_of(pod: Obj) -> list[str]:
    """Keys of the claims that a pod's volumes use."""
    found = []
    for volume in pod["spec"].get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            found.append(f"{namespace(pod)}/{claim.get('claimName')}")
        elif "ephemeral" in volume:
            found.append(f"{namespace(pod)}/{name(pod)}-{volume['name']}")
    return found


def without(obj: Obj, finalizer: str) -> Obj:
    """The object without one finalizer."""
    kept = [one for one in finalizers(obj) if one != finalizer]
    return {**obj, "metadata": {**obj["metadata"], "finalizers": kept}}
