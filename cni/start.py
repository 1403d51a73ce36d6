"""What an installed plugin begins with: modules come out of the one file that all of them were compiled into.

Looking for thirty files and reading them takes two milliseconds, a sixth of what a call takes. cni/install.py writes
that file; this module is the first of it to run, before there is any way to import another.
"""

from __future__ import annotations

import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, NoReturn

    # Of each module: whether it is a package, where its code begins behind the file's head, and its length.
    Index = dict[str, tuple[bool, int, int]]


class Finder:
    """Finds modules among those of the file; both what importlib calls a finder and what it calls a loader."""

    __slots__ = ("_descriptor", "_head", "_index")

    def __init__(self, index: Index, descriptor: int, head: int) -> None:
        self._index, self._descriptor, self._head = index, descriptor, head

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        """How to load a module; None where it is none of these."""
        found = self._index.get(name)
        return ModuleSpec(name, self, is_package=found[0]) if found else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Let importlib make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module."""
        _, begin, length = self._index[module.__name__]
        code = marshal.loads(posix.pread(self._descriptor, length, self._head + begin))  # noqa: S302 - our own file
        exec(code, module.__dict__)  # noqa: S102


def main(kind: str, index: Index, descriptor: int, head: int) -> NoReturn:
    """Be the plugin of that type, and end the process.

    Args:
        kind: The plugin's type.
        index: What is where in the file.
        descriptor: The file.
        head: Where in it its head ends.
    """
    sys.meta_path.insert(0, Finder(index, descriptor, head))
    if kind == "dhcp" and sys.argv[1:2] == ["daemon"]:
        from cni.plugins.dhcp.daemon import run_command

        raise SystemExit(run_command(sys.argv[2:]))
    from cni import skel

    status = skel.main(kind)
    sys.stderr.flush()
    posix._exit(status)  # noqa: SLF001 - taking the interpreter down in order would cost two milliseconds more
