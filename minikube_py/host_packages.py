"""Debian packages that the node's programs need, and how they get onto the host."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from minikube_py.reasons import PACKAGE_INSTALL, Failure


@dataclass(frozen=True, slots=True)
class HostPackage:
    """A Debian package and a program that shows it is there."""

    name: str
    program: str


PACKAGES: tuple[HostPackage, ...] = (
    HostPackage("etcd-server", "etcd"),
    HostPackage("crun", "crun"),
    HostPackage("runc", "runc"),
    HostPackage("conmon", "conmon"),
    HostPackage("skopeo", "skopeo"),
    HostPackage("buildah", "buildah"),
    HostPackage("nftables", "nft"),
    HostPackage("conntrack", "conntrack"),
    HostPackage("iproute2", "ip"),
)
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing() -> list[str]:
    """The packages whose program is not on the path."""
    path = f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}"
    return [package.name for package in PACKAGES if shutil.which(package.program, path=path) is None]


def install(packages: list[str], progress: Callable[[str], None]) -> None:
    """Install Debian packages.

    Args:
        packages: Their names.
        progress: Told each step in a few words.

    Raises:
        Failure: PACKAGE_INSTALL, with the last lines that apt said.
    """
    if shutil.which("apt-get") is None:
        raise Failure(PACKAGE_INSTALL, f"missing: {', '.join(packages)}; no apt-get here", packages=" ".join(packages))
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Services that the packages would start (etcd) are ours to start: a policy script that says no is Debian's way.
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for attempt in (["apt-get", "update", "-qq"], command):
        progress(" ".join(attempt[:2]))
        result = subprocess.run(
            attempt, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if result.returncode:
            said = "\n".join((result.stderr or result.stdout).strip().splitlines()[-5:])
            raise Failure(PACKAGE_INSTALL, f"{' '.join(attempt[:2])} failed:\n{said}", packages=" ".join(packages))
