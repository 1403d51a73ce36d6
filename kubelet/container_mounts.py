"""The mounts of one container: volumes, /etc/hosts, the termination log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubelet.environment import ContainerConfigError
from kubelet.runtime.container import Mount
from kubelet.volumes import subpath
from kubelet.volumes.source import Mounted

Obj = dict[str, Any]

HOSTS = "/etc/hosts"


def volume_mounts(container: Obj, volumes: Mapping[str, Mounted], variables: Mapping[str, str]) -> list[Mount]:
    """Mounts of the container's volumeMounts.

    Raises:
        ContainerConfigError: a subPath can't be prepared.
    """
    result = []
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(mount["name"])
        if volume is None:
            raise ContainerConfigError(
                f'cannot find volume "{mount["name"]}" to mount into container "{container["name"]}"'
            )
        sub = subpath.resolve_expression(mount, variables)
        read_only = bool(mount.get("readOnly")) or volume.read_only
        path = _container_path(container, mount["mountPath"])
        if volume.image:
            result.append(Mount(path, read_only=True, image=volume.image, image_sub_path=sub))
            continue
        host = subpath.prepare(volume.path, sub) if sub else volume.path
        recursive = mount.get("recursiveReadOnly") in {"Enabled", "IfPossible"} and read_only
        result.append(
            Mount(
                path,
                host,
                read_only,
                recursive and mount.get("recursiveReadOnly") == "Enabled",
                mount.get("mountPropagation"),
            )
        )
    return result


def _container_path(container: Obj, path: str) -> str:
    return path if path.startswith("/") else f"{container.get('workingDir') or '/'}/{path}".replace("//", "/")


def block_devices(container: Obj, volumes: Mapping[str, Mounted]) -> tuple[tuple[str, str, str], ...]:
    """(container path, host path, permissions) of volumeDevices."""
    found = []
    for device in container.get("volumeDevices") or ():
        volume = volumes.get(device["name"])
        if volume is not None:
            found.append((device["devicePath"], volume.path, "r" if volume.read_only else "mrw"))
    return tuple(found)


def has_hosts_mount(container: Obj) -> bool:
    """Whether the user mounts /etc/hosts himself; then ours stays away."""
    return any(m["mountPath"].rstrip("/") == HOSTS for m in container.get("volumeMounts") or ())


def hosts_mount(container: Obj, directory: Path, content: str) -> Mount | None:
    """Write the managed /etc/hosts and mount it."""
    if has_hosts_mount(container):
        return None
    path = directory / "etc-hosts"
    if not path.exists() or path.read_text() != content:
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o644)
    read_only = bool((container.get("securityContext") or {}).get("readOnlyRootFilesystem"))
    return Mount(HOSTS, str(path), read_only=read_only)


def termination_mount(container: Obj, directory: Path, attempt: int) -> Mount:
    """A fresh, world-writable file for the termination message."""
    path = directory / "containers" / container["name"] / f"{attempt:08x}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    path.chmod(0o666)
    return Mount(container.get("terminationMessagePath") or "/dev/termination-log", str(path))
