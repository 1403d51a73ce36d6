"""Finds and deletes what nobody in the store needs: traces of processes that were killed.

- Layers of ours without a container: we died between the two records.
- Incomplete layers: whoever made one did so under the lock that we hold.
- Layers that no image and no container stands on, a day old: a pull that was cut off and never taken up again. Until
  then they are kept, as the next try uses them, and as another tool may just be about to name their image.
- Directories, links and layer indexes without a record: made just before the record would have been.

Other tools write a layer's record before its directory, under the same lock, so nothing of theirs is mistaken.
"""

import contextlib
import datetime
import pathlib
import re
import shutil

from component.logging import get_logger
from cri.images.layers import ContainerLayers, owner
from cri.images.records import Record
from cri.images.storage import ImageStore
from linux import mounts

_log = get_logger("images")
PATIENCE = datetime.timedelta(days=1)
_ID = re.compile(r"[0-9a-f]{64}")
_PATIENCE_WITH_OTHERS = 2.0  # seconds
_INDEX = ".tar-split.gz"
_ASIDE = ".doomed-"


def unneeded(
    layers: list[Record], images: list[Record], containers: list[Record], mark: str, before: datetime.datetime
) -> set[str]:
    """Ids of layers to delete; pure.

    Args:
        layers: All layers' records.
        images: All images'.
        containers: All containers'.
        mark: Our name on records of ours.
        before: Layers of others have to be older than that.
    """
    parents = {layer["id"]: layer.get("parent", "") for layer in layers}
    used = {image.get("layer", "") for image in images} | {container.get("layer", "") for container in containers}
    used |= {layer for image in images for layer in image.get("mapped-layers") or ()}
    kept = {
        layer["id"]
        for layer in layers
        if layer["id"] in used
        or (
            owner(layer) != mark
            and not (layer.get("flags") or {}).get("incomplete")
            and (layer.get("names") or not _older(layer, before))
        )
    }
    return parents.keys() - _with_parents(kept, parents)


def _with_parents(layers: set[str], parents: dict[str, str]) -> set[str]:
    found: set[str] = set()
    for layer in layers:
        while layer and layer not in found:
            found.add(layer)
            layer = parents.get(layer, "")
    return found


def created(layer: Record) -> datetime.datetime | None:
    """When a layer was made, to the second."""
    try:
        return datetime.datetime.fromisoformat(str(layer.get("created", ""))[:19]).replace(tzinfo=datetime.UTC)
    except ValueError:
        return None


def _older(layer: Record, before: datetime.datetime) -> bool:
    made = created(layer)
    return made is not None and made < before


def collect(store: ImageStore, layers: ContainerLayers, now: datetime.datetime) -> int:
    """Delete what nobody needs; returns how many layers and directories that were. Blocks.

    Raises:
        BlockingIOError: another process works on the store.
    """
    doomed: list[pathlib.Path] = []
    with layers.lock_records(_PATIENCE_WITH_OTHERS):
        records = store.layers.reload()
        gone = unneeded(records, store.images.reload(), layers.containers(), layers.mark, now - PATIENCE)
        if gone:
            store.layers.write([record for record in records if record["id"] not in gone])
        known = {record["id"] for record in records} - gone
        doomed += _unknown(layers.home, known)
        doomed += _unknown(store.images.path.parent, {record["id"] for record in store.images.read()})
        containers = {record["id"] for record in layers.containers()}
        for base in (store.root, store.runroot):
            doomed += _unknown(base / "overlay-containers", containers)
        for index in store.layers.path.parent.glob(f"*{_INDEX}"):
            if index.name.removesuffix(_INDEX) not in known:
                index.unlink(missing_ok=True)
        # Out of the way under the lock, so that a layer of the same name can be made again at once.
        doomed = [_set_aside(path) for path in doomed]
        for link in (layers.home / "l").iterdir():
            if not link.exists():
                with contextlib.suppress(OSError):
                    link.unlink()
    bases = (layers.home, store.images.path.parent, store.root / "overlay-containers")
    doomed += [path for base in bases for path in base.glob(f"{_ASIDE}*")]
    for path in set(doomed):
        shutil.rmtree(path, ignore_errors=True)
    if gone or doomed:
        _log.info("Deleted what nobody needs", layers=len(gone), directories=len(doomed))
    return len(doomed)


def tidy(store: ImageStore, layers: ContainerLayers) -> None:
    """As ``collect``, as of now; a store that others work on stays as it is for this time."""
    try:
        collect(store, layers, datetime.datetime.now(datetime.UTC))
    except BlockingIOError:
        _log.warning("The image store is busy, so it is not cleaned this time")


def _set_aside(path: pathlib.Path) -> pathlib.Path:
    mounts.unmount_tree(str(path))
    target = path.with_name(f"{_ASIDE}{path.name}")
    shutil.rmtree(target, ignore_errors=True)
    path.rename(target)
    return target


def _unknown(base: pathlib.Path, known: set[str]) -> list[pathlib.Path]:
    return [
        path
        for path in (base.iterdir() if base.is_dir() else ())
        if _ID.fullmatch(path.name) and path.name not in known
    ]
