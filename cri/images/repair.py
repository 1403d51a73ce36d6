"""Mends a store that lost a part of itself with the power: only what is broken, and before anybody reads it.

A record file that is cut off keeps the records that are whole; layers that it lost are described again from the images
that stand on them. Links and lists of lower layers are made anew from the records. An image that still lacks a layer or
its configuration is taken out, so that the next pod pulls it again: skopeo loads what is missing and nothing else.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import string
from typing import Any

import orjson

from component.logging import get_logger
from cri.images import orphans
from cri.images.layers import ContainerLayers, owner
from cri.images.records import Record, RecordFile
from cri.images.storage import ImageStore, big_data_name

_log = get_logger("images")
_PATIENCE_WITH_OTHERS = 2.0  # seconds
_CLOCKS_APART = 2.0  # seconds
_LINK_LETTERS = string.ascii_uppercase + "234567"


def salvage(data: bytes) -> list[Record]:
    """The records that are whole in a file of records that is not; pure."""
    text = data.decode("utf-8", "replace").lstrip()
    if not text.startswith("["):
        return []
    found: list[Record] = []
    decoder = json.JSONDecoder()
    place = 1
    with contextlib.suppress(ValueError):
        while True:
            record, place = decoder.raw_decode(text, place)
            if not isinstance(record, dict) or "id" not in record:
                break
            found.append(record)
            if text[place : place + 1] != ",":
                break
            place += 1
    return found


def layer_chain(config: dict[str, Any], manifest: dict[str, Any]) -> list[Record]:
    """The layers of an image as its pull wrote them down, lowest first; pure.

    The lowest has the digest of its content as its id, each other one that of its parent's id and its own content's.
    """
    chain: list[Record] = []
    blobs = manifest.get("layers") or []
    for number, digest in enumerate((config.get("rootfs") or {}).get("diff_ids") or []):
        content = str(digest).removeprefix("sha256:")
        parent = chain[-1]["id"] if chain else ""
        name = hashlib.sha256(f"{parent}+{content}".encode()).hexdigest() if parent else content
        record: Record = {"id": name, "diff-digest": digest}
        if parent:
            record["parent"] = parent
        if number < len(blobs):
            record["compressed-diff-digest"] = blobs[number].get("digest", "")
            record["compressed-size"] = blobs[number].get("size", 0)
        chain.append(record)
    return chain


class Repair:
    """One look over one store."""

    def __init__(
        self, store: ImageStore, layers: ContainerLayers, *, lost_since: float | None, alive: frozenset[str]
    ) -> None:
        """Look at nothing yet.

        Args:
            store: The store.
            layers: Its layers.
            lost_since: Layers that were made since then may have lost their content.
            alive: Containers of ours that still exist, as far as we know.
        """
        self._store = store
        self._layers = layers
        self._lost_since = lost_since
        self._alive = alive
        self._home = layers.home
        self._links: dict[str, str] = {}

    def run(self) -> None:
        """Find and mend; blocks. A store in order is only read.

        Raises:
            BlockingIOError: another process works on the store.
        """
        with self._layers.lock_records(_PATIENCE_WITH_OTHERS):
            for file in (self._store.layers, self._store.images, self._layers.container_records):
                for path in file.paths:
                    self._mend_file(file, path)
            self._links = {os.path.basename(os.path.dirname(os.readlink(p))): p.name for p in self._symlinks()}
            self._describe_lost_layers()
            whole = self._mend_layers()
            self._take_out_broken_images(whole)

    def _symlinks(self) -> list[pathlib.Path]:
        return [path for path in (self._home / "l").iterdir() if path.is_symlink()]

    def _mend_file(self, file: RecordFile, path: pathlib.Path) -> None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return
        try:
            if not data or isinstance(orjson.loads(data), list | None):
                return
        except ValueError:
            pass
        kept = salvage(data)
        aside = path.with_name(path.name + ".damaged")
        path.replace(aside)
        file.replace(path, kept)
        _log.warning("Mended a damaged record file", file=str(path), kept=len(kept), aside=str(aside))

    def _describe_lost_layers(self) -> None:
        records = self._store.layers.reload()
        known = {record["id"] for record in records}
        lost: list[Record] = []
        for image in self._store.images.reload():
            if image.get("layer", "") in known:
                continue
            for record in layer_chain(self._config(image["id"]), self._store.manifest(image["id"])):
                if record["id"] not in known and (self._home / record["id"] / "diff").is_dir():
                    known.add(record["id"])
                    lost.append({**record, "created": image.get("created", ""), "diff-size": self._size(record["id"])})
        if lost:
            self._store.layers.write([*records, *lost])
            _log.warning("Described lost layers again", layers=len(lost))

    def _size(self, layer_id: str) -> int:
        return self._layers.usage(layer_id)[0]

    def _mend_layers(self) -> set[str]:
        """Make links and lists of lower layers again where they are gone; returns the layers that are whole."""
        whole: set[str] = set()
        lowers: dict[str, str] = {}
        for record in _parents_first(self._store.layers.read()):
            name, parent = record["id"], record.get("parent", "")
            directory = self._home / name
            if not (directory / "diff").is_dir() or (parent and parent not in whole) or self._is_lost(record):
                continue
            link = self._link(name, directory)
            below = lowers.get(parent, "") if parent else ""
            lowers[name] = f"l/{link}:{below}" if below else f"l/{link}"
            if parent and not self._resolves(_text(directory / "lower")):
                _log.warning("Mended a layer's list of lower layers", layer=name)
                (directory / "lower").write_text(below)
            whole.add(name)
        return whole

    def _is_lost(self, layer: Record) -> bool:
        if self._lost_since is None:
            return False
        created = orphans.created(layer)
        return created is not None and created.timestamp() >= self._lost_since - _CLOCKS_APART

    def _containers(self) -> list[Record]:
        """Those of other tools, and of ours those that have not died with the last boot."""
        return [r for r in self._layers.containers() if owner(r) != self._layers.mark or r["id"] in self._alive]

    def _link(self, name: str, directory: pathlib.Path) -> str:
        link = _text(directory / "link")
        if not link:
            link = self._links.get(name) or "".join(random.SystemRandom().choices(_LINK_LETTERS, k=26))
            (directory / "link").write_text(link)
            _log.warning("Mended a layer's link", layer=name)
        if self._links.get(name) != link:
            path = self._home / "l" / link
            path.unlink(missing_ok=True)
            path.symlink_to(f"../{name}/diff")
            self._links[name] = link
        return link

    def _resolves(self, lower: str) -> bool:
        return bool(lower) and all((self._home / part).is_dir() for part in lower.split(":") if part)

    def _take_out_broken_images(self, whole: set[str]) -> None:
        images = self._store.images.read()
        in_use = {record.get("image") for record in self._containers()}
        broken = [
            image["id"]
            for image in images
            if image["id"] not in in_use
            and ((image.get("layer") and image["layer"] not in whole) or not self._config(image["id"]))
        ]
        if broken:
            self._store.images.write([image for image in images if image["id"] not in broken])
            for name in broken:
                _log.warning("Took out a broken image: it is pulled again when a pod needs it", image=name)
        unusable = {record["id"] for record in self._store.layers.read()} - whole
        used = {record.get("layer") for record in self._containers()}
        if unusable - used:
            self._store.layers.write([r for r in self._store.layers.read() if r["id"] not in unusable - used])
            _log.warning("Took out broken layers", layers=len(unusable - used))

    def _config(self, image_id: str) -> dict[str, Any]:
        path = self._store.images.path.parent / image_id / big_data_name(f"sha256:{image_id}")
        try:
            found = orjson.loads(path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _parents_first(records: list[Record]) -> list[Record]:
    by_id = {record["id"]: record for record in records}
    ordered: dict[str, Record] = {}

    for record in records:
        line = []
        step: Record | None = record
        while step is not None and step["id"] not in ordered and step not in line:
            line.append(step)
            step = by_id.get(step.get("parent", ""))
        for one in reversed(line):
            ordered[one["id"]] = one
    return list(ordered.values())


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_text().strip().strip("\0")
    except (OSError, UnicodeDecodeError):
        return ""
