"""Projected volumes: ConfigMaps, Secrets, downward API and ServiceAccount tokens in one directory, on tmpfs."""

from __future__ import annotations

from typing import Any

from kubelet.environment import contents, decoded
from kubelet.volumes import atomic_writer, memory_mount
from kubelet.volumes.atomic_writer import File
from kubelet.volumes.downward_api import payload as downward_payload
from kubelet.volumes.key_paths import select
from kubelet.volumes.source import Mounted, VolumeContext, VolumeError

Obj = dict[str, Any]


async def set_up(context: VolumeContext, volume: Obj) -> Mounted:
    """Project all sources; later ones win on the same path."""
    source = volume["projected"]
    mode = source.get("defaultMode", 0o644)
    files: dict[str, File] = {}
    for item in source.get("sources") or ():
        files.update(await _source(context, item, mode))
    memory_mount.ensure(context.directory)
    atomic_writer.write(context.directory, files, context.group)
    return Mounted(str(context.directory), read_only=True, managed=True)


async def _source(context: VolumeContext, item: Obj, mode: int) -> dict[str, File]:
    if item.get("serviceAccountToken"):
        return await _token(context, item["serviceAccountToken"], mode)
    if item.get("downwardAPI"):
        return downward_payload(context, item["downwardAPI"].get("items") or [], mode)
    for key, resource, kind in (("configMap", "configmaps", "configmap"), ("secret", "secrets", "secret")):
        reference = item.get(key)
        if not reference:
            continue
        obj = context.lookup(resource, reference.get("name") or "")
        optional = bool(reference.get("optional"))
        if obj is None and not optional:
            raise VolumeError(f'{kind} "{reference.get("name")}" not found')
        data: dict[str, bytes] = {}
        if obj is not None:
            data = decoded(obj) if resource == "secrets" else contents(resource, obj)
        return select(data, reference.get("items"), mode, optional=optional)
    kinds = ", ".join(item)
    raise VolumeError(f"projected volume source is not supported: {kinds}")


async def _token(context: VolumeContext, source: Obj, mode: int) -> dict[str, File]:
    token = await context.token(context.pod, source.get("audience") or "", source.get("expirationSeconds") or 3600)
    user = _common_user(context.pod)
    if user is not None or context.group is not None:
        mode = 0o600
    return {source["path"]: File(token.encode(), mode, user)}


def _common_user(pod: Obj) -> int | None:
    """The one user all containers run as, who then owns the token."""
    outer = (pod["spec"].get("securityContext") or {}).get("runAsUser")
    users = set()
    for container in [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]:
        inner = (container.get("securityContext") or {}).get("runAsUser")
        users.add(inner if inner is not None else outer)
    return int(users.pop() or 0) if len(users) == 1 and None not in users else None
