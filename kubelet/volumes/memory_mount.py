"""A tmpfs on a directory, mounted once."""

from __future__ import annotations

import os
from pathlib import Path

from linux import mounts


def ensure(directory: Path, size: int = 0, mode: int = 0) -> None:
    """Mount a tmpfs there unless one is there already."""
    directory.mkdir(parents=True, exist_ok=True)
    if os.stat(directory).st_dev != os.stat(directory.parent).st_dev:
        return
    options = [f"size={size}"] if size else []
    if mode:
        options.append(f"mode={mode:o}")
    mounts.mount("tmpfs", str(directory), "tmpfs", 0, ",".join(options))
