"""One boot of the emulated machine: a copy of the tree goes in, the console's text and an exit status come out.

The machine has no network. Its disk is written to a scratch file, so that the image stays as it was made. KVM is not
asked for: what this is for has to run inside virtual machines too.
"""

import io
import os
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from e2e.vm.image import TREE, VENV, Image

_MARK = "vm-command ended with status "
_NO_ANSWER = 125
_LEFT_OUT = {".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "bench", "node_modules"}
_DISK_BLOCK = 512
_KERNEL_ARGUMENTS = "root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 mitigations=off systemd.show_status=no"

_COMMAND = f"""\
set -u
export HOME=/root PATH={VENV}/bin:/usr/sbin:/usr/bin:/sbin:/bin MINIKUBE_PY_VENV={VENV}
export LANG=C.UTF-8 TERM=dumb NO_COLOR=1
ip link set lo up
mkdir -p /src && tar -x -C /src -f /dev/vdb && cd /src
cksum /src/pyproject.toml >{VENV}/.minikube-py
echo "booted in $(cut -d. -f1 /proc/uptime) s"
( %s )
echo "{_MARK}$?"
"""


def run(
    image: Image,
    command: str,
    *,
    seconds: float = 1800,
    memory: str = "4096",
    kernel_arguments: str = "",
    say: Callable[[str], None] = print,
) -> int:
    """Boot, run a shell command in a copy of the tree, power off; returns the command's exit status.

    Args:
        image: What to boot.
        command: For bash, as root, in the tree's directory.
        seconds: After these the machine is ended.
        memory: MiB of main memory.
        kernel_arguments: Added to the kernel's command line.
        say: Gets each line of the console as it comes.
    """
    with tempfile.TemporaryDirectory(prefix="minikube-py-vm-") as scratch:
        tree = Path(scratch, "tree.tar")
        pack_tree(tree, _COMMAND % command)
        overlay = Path(scratch, "root.qcow2")
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image.disk.resolve()), str(overlay)],
            check=True,
        )
        words = command_line(image, overlay, tree, memory, kernel_arguments)
        return _watch(["timeout", "--signal=KILL", str(seconds), *words], say)


def command_line(image: Image, disk: Path, tree: Path, memory: str, kernel_arguments: str) -> list[str]:
    """Qemu's command line."""
    boot = (
        f"root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 mitigations=off systemd.show_status=no {kernel_arguments}"
    )
    return [
        "qemu-system-x86_64",
        *("-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", memory),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", boot.strip()),
        *("-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe"),
        *("-drive", f"file={tree},if=virtio,format=raw,readonly=on"),
        *("-nic", "none", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"),
        *("-device", "virtio-rng-pci"),
    ]


def _watch(words: list[str], say: Callable[[str], None]) -> int:
    status = _NO_ANSWER
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as machine:
        assert machine.stdout is not None
        for raw in machine.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            if line.startswith(_MARK):
                status = int(line.removeprefix(_MARK))
                # Its disk is thrown away: there is nothing to shut down in order. The group, as timeout(1) is but
                # the parent of the machine.
                os.killpg(machine.pid, signal.SIGKILL)
            else:
                say(line)
    return status


def pack_tree(path: Path, command: str) -> None:
    """Write the tree and the command as a tar file whose size fits a disk."""
    with tarfile.open(path, "w") as archive:
        text = command.encode()
        entry = tarfile.TarInfo("vm-command")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
        for found in sorted(TREE.iterdir()):
            if found.name not in _LEFT_OUT:
                archive.add(found, found.name, filter=_wanted)
    assert path.stat().st_size % _DISK_BLOCK == 0


def _wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if entry.name.split("/")[-1] in _LEFT_OUT else entry
