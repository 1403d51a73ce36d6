"""The multi-call executable: `python -m cni PLUGIN`, a program named as a plugin, or `python -m cni library …`."""

import os
import sys

from cni import skel
from cni.plugins import registry


def main(arguments: list[str]) -> int:
    """Be the plugin (or the command line of the library) that the program's name or first argument says."""
    words = [os.path.basename(arguments[0]).removesuffix(".py"), *arguments[1:]]
    if words[0] in ("__main__", "cni", "python", "python3"):
        words = words[1:]
    if words[:1] == ["library"]:
        words = words[1:]
    if len(words) == 1 and words[0] in registry.PLUGINS:
        return skel.main(words[0])
    from cni.command_line import run

    return run(words)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
