"""Claims that pods use, bound volumes and the classes of either stay, though deleted, until they are free.

Talks to the API server: admission puts the finalizers on (these controllers too, where it has not), these controllers
take them off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import finalizers, is_deleting, name, namespace
from apimachinery.objects.pods import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from apimachinery.client.informer import Informer
    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
CLASS_FINALIZER = "kubernetes.io/vac-protection"
_CLASSES = "volumeattributesclasses.storage.k8s.io"
_BY_CLAIM = "claim"


def new_for_claims(context: Context) -> Controller:
    """Wire the controller that lets deleted claims go when no pod uses them."""
    claims = context.informers.informer("persistentvolumeclaims")
    pods = context.informers.informer("pods")
    pods.add_index(_BY_CLAIM, claims_of)

    def in_use(claim: Obj) -> bool:
        users = pods.store.by_index(_BY_CLAIM, f"{namespace(claim)}/{name(claim)}")
        return any(not is_terminal(pod) and pod["spec"].get("nodeName") for pod in users)

    controller = _protecting(context, "persistentvolumeclaim", claims, CLAIM_FINALIZER, in_use)
    controller.watch(pods, claims_of)
    return controller


def new_for_volumes(context: Context) -> Controller:
    """Wire the controller that lets deleted volumes go when no claim is bound to them."""
    volumes = context.informers.informer("persistentvolumes")

    def in_use(volume: Obj) -> bool:
        return (volume.get("status") or {}).get("phase") == "Bound"

    return _protecting(context, "persistentvolume", volumes, VOLUME_FINALIZER, in_use)


def new_for_classes(context: Context) -> Controller:
    """Wire the controller that lets deleted VolumeAttributesClasses go when no claim or volume names them."""
    classes = context.informers.informer(_CLASSES)
    claims = context.informers.informer("persistentvolumeclaims")
    volumes = context.informers.informer("persistentvolumes")

    def in_use(one: Obj) -> bool:
        return any(name(one) in classes_of(user) for user in (*claims.store.list(), *volumes.store.list()))

    controller = _protecting(context, "volumeattributesclass", classes, CLASS_FINALIZER, in_use)
    controller.watch(claims, classes_of)
    controller.watch(volumes, classes_of)
    return controller


def _protecting(
    context: Context, kind: str, objects: Informer, finalizer: str, in_use: Callable[[Obj], bool]
) -> Controller:
    async def reconcile(key: str) -> None:
        live = objects.store.get_key(key)
        if live is None:
            return
        protected = finalizer in finalizers(live)
        if is_deleting(live) and protected and not in_use(live):
            await context.client.update(objects.resource, without(live, finalizer))
        elif not is_deleting(live) and not protected:
            kept = [*finalizers(live), finalizer]
            await context.client.update(
                objects.resource, {**live, "metadata": {**live["metadata"], "finalizers": kept}}
            )

    controller = Controller(f"{kind}-protection-controller", reconcile, workers=1)
    controller.watch(objects)
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


def classes_of(user: Obj) -> list[str]:
    """The VolumeAttributesClasses that a claim or a volume has or is to have."""
    wished, had = (user.get("spec") or {}), (user.get("status") or {})
    coming = had.get("modifyVolumeStatus") or {}
    named = (
        wished.get("volumeAttributesClassName"),
        had.get("currentVolumeAttributesClassName"),
        coming.get("targetVolumeAttributesClassName"),
    )
    return [one for one in named if one]


def without(obj: Obj, finalizer: str) -> Obj:
    """The object without one finalizer."""
    kept = [one for one in finalizers(obj) if one != finalizer]
    return {**obj, "metadata": {**obj["metadata"], "finalizers": kept}}
