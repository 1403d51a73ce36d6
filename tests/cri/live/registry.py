"""Debian's docker-registry on a loopback port, with the ways to guard it that registries have."""

from __future__ import annotations

import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from tests.cri.live.cri_service import until

BCRYPT_OF = {"geheim": "$2y$05$aaaaaaaaaaaaaaaaaaaaaOULOK8DP8SzlWPBf6YfsBmNbCsFdp54u"}


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def htpasswd(directory: Path, password: str) -> str:
    """The ``auth`` part of a registry that asks for a name and a password."""
    path = directory / "htpasswd"
    path.write_text(f"me:{BCRYPT_OF[password]}\n")
    return f"auth:\n  htpasswd:\n    realm: test\n    path: {path}\n"


class Registry:
    """A registry, and pushes into it."""

    def __init__(self, directory: Path, *, auth: str = "", tls: tuple[Path, Path] | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.host = f"127.0.0.1:{free_port()}"
        self.scheme = "https" if tls else "http"
        pair = f"  tls:\n    certificate: {tls[0]}\n    key: {tls[1]}\n" if tls else ""
        config = directory / "registry.yml"
        config.write_text(
            f"version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {directory / 'blobs'}\n"
            f"http:\n  addr: {self.host}\n{pair}{auth}"
        )
        self.blobs = directory / "blobs/docker/registry/v2/blobs/sha256"
        self.log = (directory / "registry.log").open("wb")
        self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=self.log, stderr=self.log)
        until(self._answers)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://{self.host}/v2/", timeout=1)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def push(self, layout: Path, name: str, *flags: str, credentials: str = "") -> None:
        """Bring an OCI layout into the registry."""
        if credentials:
            flags = (*flags, "--dest-creds", credentials)
        target = f"docker://{self.host}/{name}"
        command = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", *flags, f"oci:{layout}", target]
        subprocess.run(command, check=True, capture_output=True)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()
        self.log.close()
