"""Container file systems: one writable overlay layer over an image's layers, in containers/storage.

The write side of the shared store, reduced to what a runtime needs: make a container's layer, mount it, unmount it,
delete it; images themselves are imported and deleted by skopeo's side. Layout, order of locks and of steps are those of
containers/storage, so podman, buildah and CRI-O see consistent records at any moment. A crash leaves at worst a
directory without a record or a layer without a container: ``cri.images.orphans`` knows ours by the owner's mark that
every record of ours carries. Everything here blocks; call it in a thread.
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import stat
import string
from collections.abc import Iterator
from typing import Any

from cri import errors
from cri.images.records import Record, RecordFile
from cri.images.storage import Image, ImageStore
from linux import mounts

_PAGE = 4000  # mount(2) copies one page of options
_LINK_LETTERS = string.ascii_uppercase + "234567"
_UNKNOWN_FORMATS = ("lower-layers",)
_RESERVE = 1 << 20


_OWNER = "minikube-py-state"


def owner(record: Record) -> str:
    """Whose a layer or a container is; empty for those of other tools."""
    try:
        value = json.loads(record.get("metadata") or "{}")
    except ValueError:
        return ""
    return str(value.get(_OWNER, "")) if isinstance(value, dict) else ""


class ContainerLayers:
    """Writable layers and container records of one store."""

    def __init__(self, store: ImageStore, mark: str, *, durable: bool = True) -> None:
        """Work on the same files as ``store``.

        Args:
            store: The store.
            mark: Our name on what we put there.
            durable: Whether files are brought to the disk before each rename.
        """
        self._store = store
        self.mark = mark
        self._home = store.root / "overlay"
        base = store.root / "overlay-containers"
        self._layers = RecordFile(store.locks, store.layers.path, store.layers.lock, durable=durable)
        self.container_records = self._containers = RecordFile(
            store.locks, base / "containers.json", base / "containers.lock", durable=durable
        )
        mounted = store.runroot / "overlay-layers"
        self._mounted = RecordFile(
            store.locks, mounted / "mountpoints.json", mounted / "mountpoints.lock", durable=False
        )
        self._storage_lock = store.root / "storage.lock"
        self._reserve = store.root / "overlay-containers/.reserve"

    def prepare(self) -> None:
        """Make the store's directories, and bind its home on itself.

        podman and buildah bind ``overlay/`` on itself at their first call; a container mounted before that would be
        shadowed by it, so we do it first, and see to it again at each mount.
        """
        for path in ("overlay/l", "overlay-layers", "overlay-images", "overlay-containers"):
            (self._store.root / path).mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in ("overlay-layers", "overlay-containers", "overlay-locks"):
            (self._store.runroot / path).mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._store.locks.exclusive(self._storage_lock):
            self._hold_home()
        self._keep_reserve()

    def _hold_home(self) -> None:
        """Make the home a mount point. Another tool that found nothing mounted may have undone that since last time."""
        if _mount_id(self._home) == _mount_id(self._store.root):
            home = str(self._home)
            mounts.bind(home, home)
            mounts.make_private(home)

    def release(self) -> None:
        """Undo the bind mount of ``prepare``, unless layers (anyone's) are still mounted on it."""
        home = str(self._home)
        below = mounts.mounts_under(home)
        if below and all(m.path == home for m in below):
            mounts.umount(home)

    def containers(self) -> list[Record]:
        """All container records of the store, other tools' too."""
        return self._containers.read()

    def uses(self, image_id: str) -> list[str]:
        """Ids of the containers (of any tool) that stand on an image."""
        return [r["id"] for r in self._containers.read() if r.get("image") == image_id]

    def create(self, container_id: str, names: list[str], image: Image, metadata: dict[str, Any], created: str) -> str:
        """Make a container's layer and its record; returns the layer's id.

        Raises:
            ResourceExhausted: the disk is full; nothing is left behind.
        """
        layer_id = os.urandom(32).hex()
        lower, shape = self._below(image)
        record = {
            "id": container_id,
            "names": names,
            "image": image.id,
            "layer": layer_id,
            "metadata": json.dumps({_OWNER: self.mark, **metadata}),
            "created": created,
            "flags": {"MountLabel": "", "ProcessLabel": ""},
        }
        with self._store.locks.exclusive(self._layers.lock, self._containers.lock):
            try:
                self._make_directories(layer_id, lower, shape)
                self._layers.write([*self._layers.read(), self._layer_record(layer_id, image, created)])
                self._containers.write([*self._containers.read(), record])
            except OSError as error:
                self._take_back(layer_id)
                raise errors.ResourceExhausted(f"cannot create a layer in {self._home}: {error}") from error
        return layer_id

    def _take_back(self, layer_id: str) -> None:
        """Undo as much of ``create`` as was done. A record that cannot be taken out keeps its directory."""
        try:
            if any(r["id"] == layer_id for r in self._layers.read()):
                self._layers.write([r for r in self._layers.read() if r["id"] != layer_id])
        except OSError:
            return
        self._unlink(layer_id)
        shutil.rmtree(self._home / layer_id, ignore_errors=True)

    def _layer_record(self, layer_id: str, image: Image, created: str) -> Record:
        record: Record = {"id": layer_id, "created": created, "metadata": json.dumps({_OWNER: self.mark})}
        if image.top_layer:
            record["parent"] = image.top_layer
        return record

    def directory(self, container_id: str) -> pathlib.Path:
        """What lies beside a container's layer, on the same disk, and goes with it."""
        return self._store.root / "overlay-containers" / container_id / "userdata"

    @property
    def home(self) -> pathlib.Path:
        """Where the layers' directories are."""
        return self._home

    def mount(self, layer_id: str, view: str = "") -> str:
        """Mount a layer over those below it; returns the path of the root file system.

        Args:
            layer_id: The uppermost layer.
            view: Another path of the home, by which the owners of the layers below are mapped into a user namespace.
                The uppermost one can not be reached through it, as the kernel writes there in the node's name.
        """
        home = self._home
        directory = home / layer_id
        merged = directory / "merged"
        try:
            lower = (directory / "lower").read_text().split(":")
        except FileNotFoundError as error:
            raise errors.NotFound(f"layer {layer_id} is not in {home}") from error
        prefix = str(home)
        options = _overlay_options((view or prefix) + "/", lower, f"{prefix}/{layer_id}")
        with self._store.locks.exclusive(self._storage_lock, self._layers.lock, self._mounted.lock):
            self._hold_home()
            if len(options) < _PAGE:
                mounts.mount("overlay", str(merged), "overlay", 0, options)
            else:
                _mount_by_descriptor(view or prefix, str(merged), lower, str(directory))
            points = [r for r in self._mounted.read() if r.get("id") != layer_id]
            self._mounted.write([*points, {"id": layer_id, "path": str(merged), "count": 1}])
        return str(merged)

    def give_to(self, layer_id: str, uid: int, gid: int) -> None:
        """Make a layer's root directory belong to the root of a user namespace."""
        for name in ("diff", "work"):
            os.chown(self._home / layer_id / name, uid, gid)

    def unmount(self, layer_id: str) -> None:
        """Undo ``mount``; a layer that is not mounted is fine."""
        with self._store.locks.exclusive(self._storage_lock, self._layers.lock, self._mounted.lock):
            self._unmount(layer_id)

    def _unmount(self, layer_id: str) -> None:
        with contextlib.suppress(OSError):
            mounts.umount(str(self._home / layer_id / "merged"), lazy=True)
        points = self._mounted.read()
        if any(r.get("id") == layer_id for r in points):
            self._mounted.write([r for r in points if r.get("id") != layer_id])

    def delete(self, container_id: str) -> None:
        """Unmount and delete a container's layer and its record; what is gone already is fine.

        Raises:
            ResourceExhausted: there is no room for the shorter records, not even that of the reserve.
        """
        try:
            layer_id = self._forget(container_id)
        except OSError:
            self._reserve.unlink(missing_ok=True)
            try:
                layer_id = self._forget(container_id)
            except OSError as error:
                raise errors.ResourceExhausted(f"cannot delete a layer in {self._home}: {error}") from error
        # The bulk of the files goes outside the locks, as others wait for them.
        if layer_id:
            shutil.rmtree(self._home / layer_id, ignore_errors=True)
        for base in (self._store.root, self._store.runroot):
            shutil.rmtree(base / "overlay-containers" / container_id, ignore_errors=True)
        self._keep_reserve()

    def _forget(self, container_id: str) -> str:
        """Unmount a container's layer and take out its records; returns the layer's id."""
        with self._store.locks.exclusive(
            self._storage_lock, self._layers.lock, self._containers.lock, self._mounted.lock
        ):
            containers = self._containers.read()
            mine = next((r for r in containers if r["id"] == container_id), None)
            if mine is None:
                return ""
            layer_id = str(mine.get("layer", ""))
            if layer_id:
                self._unmount(layer_id)
            # The container first: a crash in between leaves a layer with our mark, not a container without a layer.
            self._containers.write([r for r in containers if r["id"] != container_id])
            if layer_id:
                self._unlink(layer_id)
                self._layers.write([r for r in self._layers.read() if r["id"] != layer_id])
            return layer_id

    def _keep_reserve(self) -> None:
        """Hold some room back: on a full disk it is what the records need for something to be deleted at all."""
        if self._reserve.exists():
            return
        try:
            with self._reserve.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, _RESERVE)
        except OSError:
            self._reserve.unlink(missing_ok=True)  # the next deletion tries again

    def usage(self, layer_id: str) -> tuple[int, int]:
        """Bytes and inodes of a container's writable layer."""
        used = inodes = 0
        for directory, _, files in os.walk(self._home / layer_id / "diff"):
            inodes += 1
            for name in files:
                with contextlib.suppress(OSError):
                    status = os.lstat(os.path.join(directory, name))
                    used += status.st_blocks * 512
                    inodes += 1
        return used, inodes

    @contextlib.contextmanager
    def lock_records(self, patience: float) -> Iterator[None]:
        """Hold all records of the store for writing, unless others do for longer than we can wait.

        Raises:
            BlockingIOError: they do: one who unpacks a large layer holds the lock all the time.
        """
        names = (self._storage_lock, self._layers.lock, self._store.images.lock, self._containers.lock)
        with self._store.locks.exclusive(*names, patience=patience):
            yield

    def _below(self, image: Image) -> tuple[str, os.stat_result | None]:
        """The ``lower`` file of a layer on top of the image, and whose mode and owner its root takes."""
        if not image.top_layer:
            return "", None
        top = self._home / image.top_layer
        if any((top / name).exists() for name in _UNKNOWN_FORMATS):
            raise errors.FailedPrecondition(
                f"the image store {self._store.root} was written by a newer version than we know"
            )
        try:
            link = (top / "link").read_text().strip()
            below = (top / "lower").read_text().strip() if (top / "lower").exists() else ""
            shape = (top / "diff").stat()
        except FileNotFoundError as error:
            raise errors.Internal(f"image {image.id} is damaged: layer {image.top_layer} is incomplete") from error
        return (f"l/{link}:{below}" if below else f"l/{link}"), shape

    def _make_directories(self, layer_id: str, lower: str, shape: os.stat_result | None) -> None:
        directory = self._home / layer_id
        directory.mkdir(mode=0o700)
        diff = directory / "diff"
        diff.mkdir(mode=0o755)
        if shape is not None:
            diff.chmod(stat.S_IMODE(shape.st_mode))
            if (shape.st_uid, shape.st_gid) != (0, 0):
                os.chown(diff, shape.st_uid, shape.st_gid)
        for name in ("work", "merged"):
            (directory / name).mkdir(mode=0o700)
        link = "".join(random.SystemRandom().choices(_LINK_LETTERS, k=26))
        (directory / "link").write_text(link)
        if not lower:
            (directory / "empty").mkdir(mode=0o700)
            lower = ""
        (directory / "lower").write_text(lower)
        (self._home / "l" / link).symlink_to(f"../{layer_id}/diff")

    def _unlink(self, layer_id: str) -> None:
        with contextlib.suppress(OSError):
            link = (self._home / layer_id / "link").read_text().strip()
            (self._home / "l" / link).unlink()


def _mount_id(path: pathlib.Path) -> str:
    """Which mount a directory is on: cheaper than searching the mount table, which grows with the containers."""
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        for line in pathlib.Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines():
            if line.startswith("mnt_id:"):
                return line.split()[1]
    finally:
        os.close(descriptor)
    return ""


def _overlay_options(prefix: str, lower: list[str], layer: str) -> str:
    below = [prefix + part for part in lower if part] or [f"{layer}/empty"]
    return f"lowerdir={':'.join(below)},upperdir={layer}/diff,workdir={layer}/work"


def _mount_by_descriptor(home: str, target: str, lower: list[str], layer: str) -> None:
    """Mount with short names, by way of a descriptor, where the option string would not fit into a page."""
    descriptor = os.open(home, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        options = _overlay_options(f"/dev/fd/{descriptor}/", lower, layer)
        mounts.mount("overlay", target, "overlay", 0, options)
    finally:
        os.close(descriptor)
