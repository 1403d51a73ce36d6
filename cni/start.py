"""What an installed plugin begins with: modules come out of the one file that all of them were compiled into.

Looking for thirty files and reading them takes two milliseconds, a sixth of what a call takes. cni/install.py writes
that file; this module is the first of it to run, before there is any way to import another.
"""

from __future__ import annotations

import marshal
import sys
from _frozen_importlib import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, NoReturn


class Finder:
    """Finds modules among those of the file; both what importlib calls a finder and what it calls a loader."""

    __slots__ = ("_modules",)

    def __init__(self, modules: dict[str, tuple[bool, bytes]]) -> None:
        self._modules = modules

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        """How to load a module; None where it is none of these."""
        found = self._modules.get(name)
        return ModuleSpec(name, self, is_package=found[0]) if found else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Let importlib make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module."""
        exec(marshal.loads(self._modules[module.__name__][1]), module.__dict__)  # noqa: S102, S302 - our own file


def main(kind: str, modules: dict[str, tuple[bool, bytes]]) -> NoReturn:
    """Be the plugin of that type, and end the process."""
    sys.meta_path.insert(0, Finder(modules))
    if kind == "dhcp" and sys.argv[1:2] == ["daemon"]:
        from cni.plugins.dhcp.daemon import run_command

        raise SystemExit(run_command(sys.argv[2:]))
    import os

    from cni import skel

    status = skel.main(kind)
    sys.stderr.flush()
    os._exit(status)  # taking the interpreter down in order would cost two milliseconds more
