"""The disk that the machine boots from: Debian 12 with systemd, what the tests need and our virtual environment.

Made with debootstrap and `mke2fs -d`, so without loop devices; kept, since it changes only with the lists of packages.
"""

import runpy
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
RELEASE = "bookworm"
VENV = "/opt/venv"
SIZE = "6G"

# What makes a machine of it; what the tests need stands in ./dev.
_SYSTEM_PACKAGES = (
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "linux-image-amd64",
    "python3",
    "ca-certificates",
    "iptables",
)
# Linters and generators are of no use in there.
_LEFT_OUT = ("mypy", "mypyc", "*__mypyc.*.so", "grpc_tools", "ruff*", "grimp")
# The initial RAM disk holds only what finds the root, as each MiB takes its time in an emulated machine.
_EARLY_MODULES = ("virtio_pci", "virtio_blk", "ext4")

_UNIT = """\
[Unit]
Description=What the machine was booted for
After=basic.target dbus.socket

[Service]
Type=oneshot
ExecStart=/bin/bash -c 'tar -x -C /run -f /dev/vdb vm-command && exec bash /run/vm-command'
StandardInput=null
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
TimeoutStartSec=infinity
OOMPolicy=continue

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Image:
    """Where the parts of the image lie."""

    directory: Path

    @property
    def root(self) -> Path:
        """The tree that the disk is packed from."""
        return self.directory / "root"

    @property
    def disk(self) -> Path:
        """The root file system."""
        return self.directory / "root.ext4"

    @property
    def kernel(self) -> Path:
        """The kernel."""
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initial RAM disk."""
        return self.directory / "initrd.img"

    def ready(self) -> bool:
        """Whether all parts are there."""
        return all(path.exists() for path in (self.disk, self.kernel, self.initrd))


def make(image: Image) -> None:
    """Make the image from nothing; takes minutes, and 4 GB of disk.

    Raises:
        CalledProcessError: a package could not be had, or a program is missing.
        ValueError: this Python's packages would not run under the guest's.
    """
    if sys.version_info[:2] != (3, 11):
        raise ValueError(f"Debian {RELEASE} has Python 3.11; the virtual environment to copy must be of the same")
    shutil.rmtree(image.root, ignore_errors=True)
    image.directory.mkdir(parents=True, exist_ok=True)
    packages = (*runpy.run_path(str(TREE / "dev"))["TEST_PACKAGES"], *_SYSTEM_PACKAGES)
    _run("debootstrap", "--variant=minbase", f"--include={','.join(packages)}", RELEASE, str(image.root))
    shutil.rmtree(image.root / "var/cache/apt/archives", ignore_errors=True)
    _configure(image.root)
    _copy_environment(Path(sys.prefix), image.root / VENV.lstrip("/"))
    _make_initrd(image.root)
    for found, kept in (("vmlinuz-*", image.kernel), ("initrd.img-*", image.initrd)):
        shutil.copyfile(max((image.root / "boot").glob(found)), kept)
    image.disk.unlink(missing_ok=True)
    _run("mke2fs", "-q", "-t", "ext4", "-d", str(image.root), str(image.disk), SIZE)
    shutil.rmtree(image.root)


def _configure(root: Path) -> None:
    (root / "etc/hostname").write_text("vm\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost vm\n::1 localhost\n")
    (root / "etc/fstab").write_text("/dev/vda / ext4 rw 0 0\n")
    units = root / "etc/systemd/system"
    (units / "vm-command.service").write_text(_UNIT)
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    (wanted / "vm-command.service").symlink_to("../vm-command.service")
    for name in ("serial-getty@ttyS0.service", "getty@tty1.service", "systemd-timesyncd.service", "timers.target"):
        (units / name).symlink_to("/dev/null")


def _copy_environment(venv: Path, target: Path) -> None:
    """Our virtual environment, on the guest's own Python."""
    shutil.copytree(venv, target, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    for name in ("python", "python3", "python3.11"):
        (target / "bin" / name).unlink(missing_ok=True)
        (target / "bin" / name).symlink_to("/usr/bin/python3.11")
    (target / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    for program in (target / "bin").iterdir():
        text = program.read_bytes() if program.is_file() and not program.is_symlink() else b""
        if text.startswith(b"#!" + str(venv).encode()):
            program.write_bytes(text.replace(str(venv).encode(), VENV.encode(), 1))


def _make_initrd(root: Path) -> None:
    (root / "etc/initramfs-tools/conf.d/modules").write_text("MODULES=list\nCOMPRESS=gzip\n")
    (root / "etc/initramfs-tools/modules").write_text("\n".join(_EARLY_MODULES) + "\n")
    _run("chroot", str(root), "update-initramfs", "-u")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
