"""Builds small OCI images in Python, out of Debian's busybox-static."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

BUSYBOX = Path("/bin/busybox")
Files = dict[str, tuple[bytes, int]]
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def busybox_layer() -> bytes:
    """A root file system with every applet."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "etc", "root", "proc", "sys", "dev", "var", "data"):
            _add(tar, name, kind=tarfile.DIRTYPE)
        _add(tar, "tmp", mode=0o1777, kind=tarfile.DIRTYPE)
        _add(tar, "bin/busybox", BUSYBOX.read_bytes())
        applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, check=True).stdout.decode().split()
        for applet in applets:
            if applet != "busybox":
                _add(tar, f"bin/{applet}", kind=tarfile.SYMTYPE, link="busybox")
        _add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nwww:x:1002:1003::/:/bin/sh\n", 0o644)
        _add(tar, "etc/group", b"root:x:0:\nwww:x:1003:\nextra:x:50000:www\n", 0o644)
        _add(tar, "data/file", b"from the image\n", 0o644)
    return buffer.getvalue()


def setuid_layer() -> bytes:
    """``/setuid-cat``: the host's cat with its libraries, owned by root and setuid (busybox would drop privileges)."""
    cat = Path("/bin/cat")
    words = subprocess.run(["ldd", cat], capture_output=True, text=True, check=True).stdout.split()
    files = {word.lstrip("/"): (Path(word).read_bytes(), 0o755) for word in words if word.startswith("/")}
    return files_layer({**files, "setuid-cat": (cat.read_bytes(), 0o4755)})


def files_layer(files: Files) -> bytes:
    """A layer of plain files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (data, mode) in files.items():
            _add(tar, name, data, mode)
    return buffer.getvalue()


def _add(
    tar: tarfile.TarFile, name: str, data: bytes = b"", mode: int = 0o755, kind: bytes = b"", link: str = ""
) -> None:
    info = tarfile.TarInfo(name)
    info.mode = mode
    if kind:
        info.type, info.linkname = kind, link
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def add_blob(directory: Path, data: bytes, kind: str) -> dict[str, Any]:
    """Put a blob into a layout; returns its descriptor."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}


def write(
    directory: Path,
    config: dict[str, Any],
    *layers: bytes,
    architecture: str = "amd64",
    annotations: dict[str, str] | None = None,
) -> str:
    """Write an OCI layout; returns the image's id."""
    descriptors = [add_blob(directory, gzip.compress(layer, 1, mtime=0), _LAYER) for layer in layers]
    document = {
        "architecture": architecture,
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
        "history": [{"created_by": "test"} for _ in layers],
    }
    configuration = add_blob(directory, json.dumps(document).encode(), _CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": configuration, "layers": descriptors}
    if annotations:
        manifest["annotations"] = annotations
    index = {"schemaVersion": 2, "manifests": [add_blob(directory, json.dumps(manifest).encode(), _MANIFEST)]}
    (directory / "index.json").write_text(json.dumps(index))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return str(configuration["digest"]).removeprefix("sha256:")


def load(store: str, directory: Path, name: str) -> None:
    """Bring a layout into a store under a name."""
    command = ["skopeo", "copy", "--quiet", f"oci:{directory}", f"containers-storage:{store}{name}"]
    subprocess.run(command, check=True)
