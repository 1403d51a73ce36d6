"""subPath and subPathExpr: a path inside a volume that can't lead out of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubelet.environment import ContainerConfigError

Obj = dict[str, Any]


def resolve_expression(mount: Obj, variables: Mapping[str, str]) -> str:
    """The subPath of a volumeMount, expanded.

    Raises:
        ContainerConfigError: it is absolute, climbs, or names an unset variable.
    """
    path = str(mount.get("subPath") or "")
    expression = mount.get("subPathExpr")
    if expression:
        path = _expand_strict(expression, variables)
    if not path:
        return ""
    if os.path.isabs(path):
        raise ContainerConfigError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in Path(path).parts:
        raise ContainerConfigError(f"unable to provision SubPath `{path}`: must not contain '..'")
    return path


def _expand_strict(expression: str, variables: Mapping[str, str]) -> str:
    from kubelet.environment import expand

    class _Strict(dict[str, str]):
        def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002 -- Mapping's shape
            if key not in variables:
                raise ContainerConfigError(f'missing value for "{key}"')
            return variables[key]

    return expand(expression, _Strict())


def prepare(volume_path: str, sub_path: str) -> str:
    """The real path behind a subPath; a missing one is made as a directory with the volume's mode.

    Raises:
        ContainerConfigError: it leads out of the volume.
    """
    root = os.path.realpath(volume_path)
    full = os.path.realpath(os.path.join(root, sub_path))
    if full != root and not full.startswith(root.rstrip("/") + "/"):
        raise ContainerConfigError(
            f'failed to prepare subPath for volumeMount: subpath "{full}" not within volume path "{root}"'
        )
    if not os.path.lexists(full):
        info = os.stat(root)
        missing = []
        path = full
        while not os.path.exists(path):
            missing.append(path)
            path = os.path.dirname(path)
        for directory in reversed(missing):
            os.mkdir(directory)
            os.chmod(directory, info.st_mode & 0o7777)
            if info.st_mode & 0o2000:
                os.chown(directory, -1, info.st_gid)
    return full
