"""hostPath with its type checks."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubelet.volumes.source import Mounted, VolumeContext, VolumeError

Obj = dict[str, Any]

_CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def check(path: Path, kind: str) -> None:
    """Verify, and create for the `OrCreate` types.

    Raises:
        VolumeError: with upstream's wording.
    """
    if kind == "DirectoryOrCreate" and not path.exists():
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif kind == "FileOrCreate" and not path.exists():
        try:
            path.touch(mode=0o644)
        except OSError as error:
            raise VolumeError(str(error)) from error
    base = kind.removesuffix("OrCreate")
    if base not in _CHECKS:
        return
    test, what = _CHECKS[base]
    if not path.exists() or not test(path.stat().st_mode):
        raise VolumeError(f"hostPath type check failed: {path} is not {what}")


async def set_up(context: VolumeContext, volume: Obj) -> Mounted:
    """The path itself."""
    del context
    source = volume["hostPath"]
    check(Path(source["path"]), source.get("type") or "")
    return Mounted(source["path"])
