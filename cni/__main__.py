"""The multi-call executable: `python -m cni PLUGIN`, a program named as a plugin, or `python -m cni library …`."""

import os
import sys

from cni import skel
from cni.errors import CNIError


def main(arguments: list[str]) -> int:
    """Be the plugin (or the command line of the library) that the program's name or first argument says."""
    words = [os.path.basename(arguments[0]), *arguments[1:]]
    if words[0] in ("__main__.py", "cni", "python", "python3"):
        words = words[1:]
    if not words or words[0] in ("-h", "--help"):
        sys.stderr.write("usage: python -m cni PLUGIN | library add|del|check|gc|status|install … | dhcp daemon …\n")
        return 0 if words else 2
    if words[0] == "library":
        from cni.command_line import run

        return run(words[1:])
    if words[:2] == ["dhcp", "daemon"]:
        from cni.plugins.dhcp.daemon import run_command

        return run_command(words[2:])
    try:
        kind = skel.kind_of(words[0])
    except CNIError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return skel.main(kind)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
