"""Bringing images into the cluster's store without a registry.

The store is containers/storage, shared with podman and buildah: what skopeo or buildah writes there is at once runnable
as a pod. Archives may be docker-archive or OCI, plain or compressed.
"""

import bz2
import gzip
import json
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minikube_py.profiles import Profile
from minikube_py.reasons import IMAGE_BUILD, IMAGE_LOAD, IMAGE_PUSH, IMAGE_SAVE, IMAGE_TAG, Failure, Reason

_COMPRESSIONS: tuple[tuple[bytes, Callable[[Path], Any] | None], ...] = (
    (b"\x1f\x8b", lambda path: gzip.open(path, "rb")),  # noqa: SIM115 - closed by the caller
    (b"BZh", lambda path: bz2.open(path, "rb")),  # noqa: SIM115 - closed by the caller
    (b"\xfd7zXZ", lambda path: lzma.open(path, "rb")),  # noqa: SIM115 - closed by the caller
    (b"\x28\xb5\x2f\xfd", None),  # zstd: the zstd program
)
_REF_NAME = "org.opencontainers.image.ref.name"
_FULL_NAMES = ("io.containerd.image.name", "com.github.containers.image.name")


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """One image of an archive: skopeo's source reference, and the name it is to get in the store."""

    source: str
    name: str


def storage_reference(profile: Profile, name: str) -> str:
    """Skopeo's name of an image in the profile's store."""
    return f"containers-storage:[overlay@{profile.storage_root}+{profile.storage_runroot}]{name}"


def load(profile: Profile, source: Path, tag: str = "") -> list[str]:
    """Load all images of an archive or OCI layout directory.

    Args:
        profile: Whose store.
        source: A docker-archive, an OCI archive (both plain or compressed), or an OCI layout directory.
        tag: The name to give, for a source with one image.

    Returns:
        The names of what was loaded.

    Raises:
        Failure: IMAGE_LOAD.
    """
    if source.is_dir():
        return _copy_all(profile, _layout_images("oci", source, _layout_index(source), tag))
    with tempfile.TemporaryDirectory(prefix="minikube-py-image-") as scratch:
        plain = _decompressed(source, Path(scratch) / "image.tar")
        return _copy_all(profile, _archive_images(plain, tag, source))


def _decompressed(source: Path, target: Path) -> Path:
    try:
        with source.open("rb") as opened:
            start = opened.read(8)
    except OSError as error:
        raise Failure(IMAGE_LOAD, f"{source} can't be read: {error.strerror}") from error
    for magic, reader in _COMPRESSIONS:
        if not start.startswith(magic):
            continue
        try:
            with target.open("wb") as written:
                if reader is None:
                    subprocess.run(["zstd", "-dc", str(source)], stdout=written, check=True)
                else:
                    with reader(source) as opened_stream:
                        shutil.copyfileobj(opened_stream, written)
        except (OSError, EOFError, lzma.LZMAError, subprocess.CalledProcessError) as error:
            raise Failure(IMAGE_LOAD, f"{source} can't be decompressed: {error}") from error
        return target
    return source


def _member(archive: Path, name: str) -> bytes | None:
    with tarfile.open(archive) as opened:
        for candidate in (name, f"./{name}"):
            try:
                extracted = opened.extractfile(candidate)
            except KeyError:
                continue
            return extracted.read() if extracted else None
    return None


def _archive_images(archive: Path, tag: str, shown: Path) -> list[ArchivedImage]:
    try:
        manifest, index = _member(archive, "manifest.json"), _member(archive, "index.json")
        if manifest is not None:
            return _docker_images(archive, json.loads(manifest), tag)
        if index is not None:
            return _layout_images("oci-archive", archive, json.loads(index), tag)
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        raise Failure(IMAGE_LOAD, f"{shown} is not an image archive: {error}") from error
    raise Failure(IMAGE_LOAD, f"{shown} is not an image archive: it has neither manifest.json nor index.json")


def _docker_images(archive: Path, manifest: list[dict[str, list[str] | None]], tag: str) -> list[ArchivedImage]:
    found = []
    for position, entry in enumerate(manifest):
        names = [tag] if tag else entry.get("RepoTags") or []
        found += [ArchivedImage(f"docker-archive:{archive}:@{position}", name) for name in names]
    return found


def _layout_index(directory: Path) -> dict[str, list[dict[str, dict[str, str]]]]:
    try:
        index: dict[str, list[dict[str, dict[str, str]]]] = json.loads((directory / "index.json").read_bytes())
    except (OSError, ValueError) as error:
        raise Failure(IMAGE_LOAD, f"{directory} is not an OCI layout: {error}") from error
    return index


def _layout_images(
    transport: str, where: Path, index: dict[str, list[dict[str, dict[str, str]]]], tag: str
) -> list[ArchivedImage]:
    manifests = index.get("manifests") or []
    found = []
    for entry in manifests:
        annotations = entry.get("annotations") or {}
        reference = annotations.get(_REF_NAME, "")
        full = next((annotations[key] for key in _FULL_NAMES if annotations.get(key)), "")
        name = tag or full or reference
        if name:
            # A layout with one image needs no reference; one with several is chosen from by it.
            chosen = f":{reference}" if reference and len(manifests) > 1 else ""
            found.append(ArchivedImage(f"{transport}:{where}{chosen}", name))
    return found


def _copy_all(profile: Profile, images: list[ArchivedImage]) -> list[str]:
    if not images:
        raise Failure(IMAGE_LOAD, "the archive names no image; give a name with --tag")
    for image in images:
        command = ["skopeo", "--insecure-policy", "copy", "-q", image.source, storage_reference(profile, image.name)]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode:
            raise Failure(IMAGE_LOAD, f"{image.name}: {result.stderr.strip()[-1000:]}")
    return [image.name for image in images]


def _buildah(profile: Profile) -> list[str]:
    return [
        "buildah",
        f"--root={profile.storage_root}",
        f"--runroot={profile.storage_runroot}",
        "--storage-driver=overlay",
    ]


def _finish(profile: Profile, reason: Reason, *words: str) -> None:
    result = subprocess.run(
        [*_buildah(profile), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise Failure(reason, result.stderr.strip()[-1000:])


def tag(profile: Profile, name: str, further: str) -> None:
    """Give an image of the profile's store a further name.

    Raises:
        Failure: IMAGE_TAG.
    """
    _finish(profile, IMAGE_TAG, "tag", name, further)


def save(profile: Profile, name: str, target: Path) -> None:
    """Write an image to a docker-archive, as `docker save` makes it; what was there is replaced.

    Raises:
        Failure: IMAGE_SAVE.
    """
    if not target.parent.is_dir():
        raise Failure(IMAGE_SAVE, f"{target.parent} is not a directory")
    with tempfile.TemporaryDirectory(prefix=".minikube-py-", dir=target.parent) as scratch:
        half = Path(scratch) / "image.tar"
        # An archive must not exist before, and what is half written must not replace a whole one.
        _finish(profile, IMAGE_SAVE, "push", "-q", name, f"docker-archive:{half}:{name}")
        half.replace(target)


def push(profile: Profile, name: str) -> None:
    """Push an image to the registry that its name begins with.

    Raises:
        Failure: IMAGE_PUSH.
    """
    host = name.partition("/")[0]
    plain = host.partition(":")[0] in ("localhost", "127.0.0.1") or host in profile.insecure_registries
    _finish(profile, IMAGE_PUSH, "push", "-q", f"--tls-verify={str(not plain).lower()}", name, f"docker://{name}")


def build(profile: Profile, context: Path, *, tag: str, dockerfile: Path | None, build_args: tuple[str, ...]) -> None:
    """Build a Dockerfile with buildah into the profile's store; the builder's output goes to the terminal.

    Raises:
        Failure: IMAGE_BUILD.
    """
    if not context.is_dir():
        raise Failure(IMAGE_BUILD, f"{context} is not a directory")
    command = [
        *_buildah(profile),
        "build",
        # chroot needs no OCI runtime, so RUN works on every host that can start a pod.
        "--isolation=chroot",
        *([f"--tag={tag}"] if tag else []),
        *([f"--file={dockerfile}"] if dockerfile else []),
        *[f"--build-arg={argument}" for argument in build_args],
        str(context),
    ]
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    with tempfile.NamedTemporaryFile("w", prefix="minikube-py-containers-", suffix=".conf") as settings:
        # Limits above the host's own can't be set everywhere; a build needs none.
        settings.write("[containers]\ndefault_ulimits = []\n")
        settings.flush()
        environment.setdefault("CONTAINERS_CONF", settings.name)
        result = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
    if result.returncode:
        raise Failure(IMAGE_BUILD, f"the build ended with code {result.returncode}")
