"""The storage provisioner: directories of the node for claims of the class `standard`.

Talks to the API server and the file system below its root. Promises that a directory is
there before its volume is, is removed only when the volume was released for deletion, and
that nothing outside the root is ever removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from addons.storage_provisioner.volumes import (
    default_storage_class,
    needs_deletion,
    needs_volume,
    new_volume,
    volume_name,
    volume_path,
)
from apimachinery.controller.runner import Controller
from apimachinery.errors import AlreadyExists, APIError, NotFound
from component.logging import get_logger
from component.tasks import Tasks

if TYPE_CHECKING:
    from apimachinery.client.events import EventRecorder
    from apimachinery.client.informer import InformerFactory
    from apimachinery.client.rest import Client
    from apimachinery.objects.metadata import Obj

_LOG = get_logger("storage")
_CLASSES = "storageclasses.storage.k8s.io"
_MODE = 0o777  # any user of any container may write, as with minikube's provisioner


class StorageProvisioner:
    """Makes and removes volumes.

    Args:
        client: to the API server.
        factory: of informers.
        recorder: for the events of claims.
        root: where the directories are.
    """

    def __init__(self, client: Client, factory: InformerFactory, recorder: EventRecorder, root: str) -> None:
        self._client = client
        self._recorder = recorder
        self._root = root
        self._claims = factory.informer("persistentvolumeclaims")
        self._volumes = factory.informer("persistentvolumes")
        self._classes = factory.informer(_CLASSES)
        self._provision = Controller("provision", self._reconcile_claim, workers=2)
        self._provision.watch(self._claims)
        self._provision.watch(self._classes, self._claims_of_class)
        self._provision.follow(self._volumes)
        self._delete = Controller("delete", self._reconcile_volume, workers=1)
        self._delete.watch(self._volumes)

    async def run(self) -> None:
        """Works until cancelled."""
        async with Tasks() as tasks:
            tasks.spawn(self._ensure_class, name="storage class", restart=True)
            tasks.spawn(self._provision.run, name="provision", restart=True)
            tasks.spawn(self._delete.run, name="delete", restart=True)
            await tasks.wait()

    async def _ensure_class(self) -> None:
        """The default class, once per start: who deletes it later means it."""
        pause = 0.1
        while True:
            try:
                await self._client.create(_CLASSES, default_storage_class())
            except AlreadyExists:
                return
            except APIError as error:
                _LOG.debug("Default class not made yet", err=error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
            else:
                return

    def _claims_of_class(self, storage_class: Obj) -> list[str]:
        """Claims may come before their class."""
        name = storage_class["metadata"]["name"]
        return [
            f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
            for claim in self._claims.store.list()
            if (claim.get("spec") or {}).get("storageClassName") == name
        ]

    async def _reconcile_claim(self, key: str) -> None:
        claim = self._claims.store.get_key(key)
        if claim is None:
            return
        storage_class = self._classes.store.get(None, (claim.get("spec") or {}).get("storageClassName") or "")
        if not needs_volume(claim, storage_class) or storage_class is None:
            return
        if self._volumes.store.get(None, volume_name(claim)) is not None:
            return
        path = volume_path(self._root, claim)
        await asyncio.to_thread(_make_directory, path)
        try:
            await self._client.create("persistentvolumes", new_volume(claim, storage_class, self._root))
        except AlreadyExists:
            return
        _LOG.info("Volume made", claim=key, volume=volume_name(claim), path=path)
        message = f"Successfully provisioned volume {volume_name(claim)}"
        self._recorder.event(claim, "Normal", "ProvisioningSucceeded", message)

    async def _reconcile_volume(self, key: str) -> None:
        volume = self._volumes.store.get_key(key)
        if volume is None or not needs_deletion(volume):
            return
        path = str((volume["spec"].get("hostPath") or {}).get("path") or "")
        await asyncio.to_thread(remove_directory, self._root, path)
        with contextlib.suppress(NotFound):
            await self._client.delete("persistentvolumes", volume["metadata"]["name"])
        _LOG.info("Volume removed", volume=key, path=path)


def _make_directory(path: str) -> None:
    Path(path).mkdir(parents=True, exist_ok=True)
    os.chmod(path, _MODE)  # mkdir's own mode is subject to the umask


def remove_directory(root: str, path: str) -> None:
    """Removes a volume's directory, if it is really below the root.

    A volume's path is what its object says, and whoever may write volumes may write any path.
    """
    real_root = Path(root).resolve()
    parent = Path(path).parent.resolve()
    target = parent / Path(path).name
    if Path(path).name in ("", ".", "..") or not parent.is_relative_to(real_root) or parent == real_root:
        _LOG.warning("Directory is kept: it is not below the root", path=path, root=root)
        return
    if target.is_symlink():
        target.unlink()
    elif target.exists():
        shutil.rmtree(target)
