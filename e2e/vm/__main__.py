"""`python -m e2e.vm`: make the image, and run tests or a command in the machine. See README.md beside this file."""

import argparse
import shlex
from pathlib import Path

from e2e.vm import machine
from e2e.vm.image import Image, make

_DEFAULT_DIRECTORY = Path.home() / ".cache/minikube-py-vm"


def main() -> int:
    """Run the command line; returns the exit status of what ran in the machine."""
    parser = argparse.ArgumentParser(prog="python -m e2e.vm", description=__doc__)
    parser.add_argument("--image", type=Path, default=_DEFAULT_DIRECTORY, help="the image's directory")
    parser.add_argument("--seconds", type=float, default=1800, help="after these the machine is ended")
    parser.add_argument("--memory", default="4096", help="MiB of main memory")
    parser.add_argument("--kernel-arguments", default="", help="for the kernel's command line")
    parser.add_argument("task", choices=("make", "test", "run"), help="make the image, run pytest or a shell command")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="pytest's arguments, or the command")
    given = parser.parse_args()

    image = Image(given.image)
    if given.task == "make" or not image.ready():
        make(image)
    if given.task == "make":
        return 0
    command = "exec python -m pytest -p no:cacheprovider " + shlex.join(given.words)
    if given.task == "run":
        command = " ".join(given.words)
    return machine.run(
        image,
        command,
        seconds=given.seconds,
        memory=given.memory,
        kernel_arguments=given.kernel_arguments,
        say=lambda line: print(line, flush=True),  # noqa: T201
    )


if __name__ == "__main__":
    raise SystemExit(main())
