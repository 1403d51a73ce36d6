"""Claims find volumes, and volumes learn what became of their claims.

Talks to the API server. A claim is bound in four writes (volume's claimRef, volume's phase,
claim's volumeName, claim's phase), each of which is skipped when it is there: whatever was
interrupted goes on where it stopped. Volumes are made and removed by provisioners; the binder
only asks them, by annotation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import annotations as notes_of
from apimachinery.objects.metadata import is_deleting, key, name, uid
from controllers.persistent_volume import matching

if TYPE_CHECKING:
    from apimachinery.client.informer import Informer
    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

_CLAIM, _VOLUME = "claim:", "volume:"
_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
_PROVISIONER_BETA = "volume.beta.kubernetes.io/storage-provisioner"
_NO_PROVISIONER = "kubernetes.io/no-provisioner"


def new(context: Context) -> Controller:
    """Wire the controller."""
    binder = _Binder(context)
    controller = Controller("persistentvolume-binder-controller", binder.reconcile, workers=2)
    binder.controller = controller
    controller.watch(binder.claims, binder.keys_of_claim)
    controller.watch(binder.volumes, binder.keys_of_volume)
    controller.watch(binder.classes, binder.claims_of_class)
    return controller


class _Binder:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._recorder = context.recorder("persistentvolume-controller")
        self.claims: Informer = context.informers.informer("persistentvolumeclaims")
        self.volumes: Informer = context.informers.informer("persistentvolumes")
        self.classes: Informer = context.informers.informer("storageclasses.storage.k8s.io")
        self.controller: Controller | None = None

    # -- which keys a change concerns

    def keys_of_claim(self, claim: Obj) -> list[str]:
        """The claim, and the volume it has (or had)."""
        keys = [_CLAIM + key(claim)]
        if volume := claim["spec"].get("volumeName"):
            keys.append(_VOLUME + volume)
        return keys

    def keys_of_volume(self, volume: Obj) -> list[str]:
        """The volume, and the claim it is for; a free one concerns every claim that waits."""
        keys = [_VOLUME + name(volume)]
        reference = volume["spec"].get("claimRef")
        if reference:
            return [*keys, f"{_CLAIM}{reference.get('namespace')}/{reference.get('name')}"]
        waiting = (c for c in self.claims.store.list() if (c.get("status") or {}).get("phase") != "Bound")
        return [*keys, *(_CLAIM + key(claim) for claim in waiting)]

    def claims_of_class(self, storage_class: Obj) -> list[str]:
        """Claims that came before their class."""
        wanted = name(storage_class)
        return [_CLAIM + key(c) for c in self.claims.store.list() if matching.storage_class_of(c) == wanted]

    async def reconcile(self, one: str) -> None:
        """Looks after one claim or one volume."""
        if one.startswith(_VOLUME):
            volume = self.volumes.store.get_key(one.removeprefix(_VOLUME))
            if volume is not None:
                await self._volume(volume)
            return
        claim = self.claims.store.get_key(one.removeprefix(_CLAIM))
        if claim is not None:
            await (self._bound_claim(claim) if matching.BIND_COMPLETED in notes_of(claim) else self._new_claim(claim))

    # -- claims

    async def _new_claim(self, claim: Obj) -> None:
        wanted = claim["spec"].get("volumeName")
        if wanted:
            volume = self.volumes.store.get(None, wanted)
            free = volume is not None and not volume["spec"].get("claimRef") and matching.satisfies(volume, claim)
            if volume is not None and (free or matching.is_reserved_for(volume, claim)):
                await self._bind(volume, claim)
                return
            await self._claim_phase(claim, {"phase": "Pending"})
            return
        storage_class = self.classes.store.get(None, matching.storage_class_of(claim))
        delayed = (
            storage_class is not None
            and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"
            and matching.SELECTED_NODE not in notes_of(claim)
        )
        volume = matching.best_volume(claim, self.volumes.store.list(), reserved_only=delayed)
        if volume is not None:
            await self._bind(volume, claim)
            return
        await self._claim_phase(claim, {"phase": "Pending"})
        if delayed:
            text = "waiting for first consumer to be created before binding"
            self._recorder.event(claim, "Normal", "WaitForFirstConsumer", text)
        elif storage_class is not None:
            await self._ask_provisioner(claim, str(storage_class.get("provisioner")))
        elif matching.storage_class_of(claim):
            text = f'storageclass.storage.k8s.io "{matching.storage_class_of(claim)}" not found'
            self._recorder.event(claim, "Warning", "ProvisioningFailed", text)
        else:
            text = "no persistent volumes available for this claim and no storage class is set"
            self._recorder.event(claim, "Normal", "FailedBinding", text)

    async def _ask_provisioner(self, claim: Obj, provisioner: str) -> None:
        if provisioner == _NO_PROVISIONER or is_deleting(claim):
            return
        if notes_of(claim).get(_PROVISIONER) != provisioner:
            notes = {_PROVISIONER: provisioner, _PROVISIONER_BETA: provisioner}
            await self._client.patch(
                "persistentvolumeclaims",
                name(claim),
                {"metadata": {"annotations": notes}},
                claim["metadata"]["namespace"],
            )
        text = (
            f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
            "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
            "correctly registered."
        )
        self._recorder.event(claim, "Normal", "ExternalProvisioning", text)

    async def _bound_claim(self, claim: Obj) -> None:
        volume_name = claim["spec"].get("volumeName")
        volume = self.volumes.store.get(None, volume_name) if volume_name else None
        if volume is None:
            text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            await self._lost(claim, "ClaimLost", text)
        elif not volume["spec"].get("claimRef") or matching.is_reserved_for(volume, claim):
            await self._bind(volume, claim)
        else:
            text = "Two claims are bound to the same volume, this one is bound incorrectly"
            await self._lost(claim, "ClaimMisbound", text)

    async def _lost(self, claim: Obj, reason: str, text: str) -> None:
        if (claim.get("status") or {}).get("phase") != "Lost":
            self._recorder.event(claim, "Warning", reason, text)
            await self._claim_phase(claim, {"phase": "Lost"})

    async def _bind(self, volume: Obj, claim: Obj) -> None:
        complete = matching.reserved(volume, claim)
        if complete is not volume:
            complete = await self._client.update("persistentvolumes", complete)
        await self._volume_phase(complete, "Bound")
        with_volume = matching.bound(claim, complete)
        if with_volume is not claim:
            with_volume = await self._client.update("persistentvolumeclaims", with_volume)
        await self._claim_phase(with_volume, matching.bound_status(complete))

    async def _claim_phase(self, claim: Obj, status: Obj) -> None:
        current = claim.get("status") or {}
        if all(current.get(field) == value for field, value in status.items()):
            return
        await self._client.patch(
            "persistentvolumeclaims",
            name(claim),
            {"status": status},
            claim["metadata"]["namespace"],
            subresource="status",
        )

    # -- volumes

    async def _volume(self, volume: Obj) -> None:
        reference = volume["spec"].get("claimRef")
        if not reference or not reference.get("uid"):
            await self._volume_phase(volume, "Available")
            return
        claim = self.claims.store.get(reference.get("namespace"), reference.get("name"))
        if claim is None or uid(claim) != reference["uid"]:
            if (volume.get("status") or {}).get("phase") != "Failed":
                await self._volume_phase(volume, "Released")
            return
        taken = claim["spec"].get("volumeName")
        if taken == name(volume):
            await self._volume_phase(volume, "Bound")
        elif taken and matching.BOUND_BY_CONTROLLER in notes_of(volume):
            await self._client.update("persistentvolumes", matching.released(volume))
        elif not taken and self.controller is not None:
            self.controller.queue.add(_CLAIM + key(claim))

    async def _volume_phase(self, volume: Obj, phase: str) -> None:
        if (volume.get("status") or {}).get("phase") != phase:
            await self._client.patch(
                "persistentvolumes", name(volume), {"status": {"phase": phase}}, subresource="status"
            )
