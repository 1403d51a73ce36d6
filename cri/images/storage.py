"""The read side of containers/storage: which images there are, their names, sizes and configurations.

Shared with podman, buildah and skopeo: what they add is seen at the next look, since every look compares the last
writer's stamp (``cri.images.records``). Never takes a lock, so a long import by another tool delays nobody here.
"""

import base64
import dataclasses
import pathlib
import re
from typing import Any

import orjson

from cri import errors
from cri.images import configuration, reference
from cri.images.locks import StoreLocks
from cri.images.records import Record, RecordFile
from cri.images.registries_conf import RegistriesFile

_PLAIN_KEY = re.compile(r"[.0-9a-z]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """One image of the store."""

    id: str
    digest: str
    names: tuple[str, ...]  # tagged
    digested: tuple[str, ...]  # name@sha256:...
    top_layer: str
    size: int
    created: str
    user: str
    annotations: tuple[tuple[str, str], ...] = ()  # of the manifest


class ImageStore:
    """Images below one root directory."""

    def __init__(self, root: pathlib.Path, runroot: pathlib.Path, registries: RegistriesFile | None = None) -> None:
        """Describe the store; nothing is created before the first write.

        Args:
            root: Where the images are.
            runroot: Where the store keeps what a reboot may take away.
            registries: What short names stand for.
        """
        self._registries = registries or RegistriesFile()
        self.root = root
        self.runroot = runroot
        self.locks = StoreLocks()
        self.layers = RecordFile(self.locks, root / "overlay-layers/layers.json", root / "overlay-layers/layers.lock")
        self.images = RecordFile(self.locks, root / "overlay-images/images.json", root / "overlay-images/images.lock")
        self._known: bytes | None = None
        self._by_id: dict[str, Image] = {}
        self._by_name: dict[str, str] = {}
        self._configs: dict[str, dict[str, Any]] = {}
        self._annotations: dict[str, tuple[tuple[str, str], ...]] = {}

    def list(self) -> list[Image]:
        """Every image."""
        self._refresh()
        return list(self._by_id.values())

    def find(self, name: str) -> Image | None:
        """Look an image up by id, abbreviated id, ``sha256:ID``, tag, digest or short name."""
        self._refresh()
        key = name.removeprefix("sha256:")
        if key in self._by_id:
            return self._by_id[key]
        try:
            names = self._registries.local(name)
        except ValueError:
            names = []
        for candidate in names:
            image_id = self._by_name.get(candidate) or self._by_name.get(_without_tag(candidate))
            if image_id:
                return self._by_id[image_id]
        if reference.is_id(key):
            matches = [i for i in self._by_id.values() if i.id.startswith(key)]
            if len(matches) == 1:
                return matches[0]
        return None

    def config(self, image_id: str) -> dict[str, Any]:
        """The image's OCI configuration (``architecture``, ``config``, ``rootfs``, ...)."""
        known = self._configs.get(image_id)
        if known is None:
            path = self.root / "overlay-images" / image_id / big_data_name(f"sha256:{image_id}")
            try:
                known = orjson.loads(path.read_bytes())
            except FileNotFoundError as error:
                raise errors.NotFound(f"image {image_id} has no configuration in {self.root}") from error
            except ValueError as error:
                raise errors.Internal(f"configuration of image {image_id} is damaged: {error}") from error
            problem = configuration.problem(known)
            if problem:
                raise errors.InvalidArgument(f"configuration of image {image_id} is not valid: {problem}")
            assert known is not None
            self._configs[image_id] = known
        return known

    def manifest(self, image_id: str) -> dict[str, Any]:
        """The image's manifest; empty where the store keeps none that is readable."""
        try:
            found = orjson.loads((self.root / "overlay-images" / image_id / big_data_name("manifest")).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _refresh(self) -> None:
        # An image's layers never change, and are there before it: what containers do to the layers is no news.
        version = self.images.version
        if version == self._known:
            return
        layers = {layer["id"]: layer for layer in self.layers.read()}
        by_id: dict[str, Image] = {}
        by_name: dict[str, str] = {}
        for record in self.images.read():
            image = self._image(record, layers)
            by_id[image.id] = image
            for name in (*image.names, *image.digested):
                by_name.setdefault(name, image.id)
        self._configs = {key: value for key, value in self._configs.items() if key in by_id}
        self._annotations = {key: value for key, value in self._annotations.items() if key in by_id}
        self._by_id, self._by_name, self._known = by_id, by_name, version

    def _image(self, record: Record, layers: dict[str, Record]) -> Image:
        names = [n for n in record.get("names") or [] if "@" not in n]
        digested = [n for n in record.get("names") or [] if "@" in n]
        digests = list(record.get("big-data-digests", {}).items())
        manifests = [d for key, d in digests if key.startswith("manifest")] or [record.get("digest", "")]
        for name in names:
            repository = name.rsplit(":", 1)[0]
            digested.extend(f"{repository}@{digest}" for digest in manifests if digest)
        size = sum(int(v) for v in (record.get("big-data-sizes") or {}).values())
        layer = layers.get(record.get("layer", ""))
        while layer is not None:
            size += max(int(layer.get("diff-size") or 0), 0)
            layer = layers.get(layer.get("parent", ""))
        return Image(
            id=record["id"],
            digest=record.get("digest", ""),
            names=tuple(names),
            digested=tuple(dict.fromkeys(digested)),
            top_layer=record.get("layer", ""),
            size=max(size, 1),
            created=record.get("created", ""),
            user=self._user(record["id"]),
            annotations=self._annotated(record["id"]),
        )

    def _annotated(self, image_id: str) -> tuple[tuple[str, str], ...]:
        known = self._annotations.get(image_id)
        if known is None:
            found = self.manifest(image_id).get("annotations") or {}
            known = tuple((str(key), str(value)) for key, value in found.items()) if isinstance(found, dict) else ()
            self._annotations[image_id] = known
        return known

    def _user(self, image_id: str) -> str:
        try:
            return str((self.config(image_id).get("config") or {}).get("User") or "")
        except errors.CRIError:
            return ""


def big_data_name(key: str) -> str:
    """The file name of a piece of big data."""
    return key if _PLAIN_KEY.fullmatch(key) else "=" + base64.b64encode(key.encode()).decode()


def _without_tag(name: str) -> str:
    """``repo:tag@digest`` is stored as ``repo@digest``."""
    if "@" not in name:
        return name
    repository, digest = name.split("@", 1)
    head, slash, tail = repository.rpartition("/")
    return f"{head}{slash}{tail.split(':', 1)[0]}@{digest}"
