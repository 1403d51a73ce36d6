"""The files a pod's containers share: resolv.conf, hostname, shared memory. Blocks; call it in a thread."""

import contextlib
import os
import pathlib
import shutil

from cri import errors
from linux import mounts
from protocols.cri import api_pb2

_NODE_RESOLV_CONF = pathlib.Path("/etc/resolv.conf")


def resolv_conf(dns: api_pb2.DNSConfig) -> str:
    """The text of a pod's resolv.conf."""
    lines = [f"nameserver {server}" for server in dns.servers]
    if dns.searches:
        lines.insert(0, f"search {' '.join(dns.searches)}")
    if dns.options:
        lines.append(f"options {' '.join(dns.options)}")
    for line in lines:
        if "\n" in line:
            raise errors.InvalidArgument("a DNS setting contains a line break")
    return "".join(f"{line}\n" for line in lines)


def write(directory: pathlib.Path, config: api_pb2.PodSandboxConfig, hostname: str) -> None:
    """Write resolv.conf and hostname into the sandbox's directory."""
    text = resolv_conf(config.dns_config)
    if not text and not config.HasField("dns_config"):
        with contextlib.suppress(OSError):
            text = _NODE_RESOLV_CONF.read_text()
    (directory / "resolv.conf").write_text(text)
    (directory / "hostname").write_text(hostname + "\n")
    for name in ("resolv.conf", "hostname"):
        (directory / name).chmod(0o644)


def make_shm(directory: pathlib.Path, size: int) -> None:
    """Mount the pod's /dev/shm."""
    path = directory / "shm"
    path.mkdir(mode=0o1777, exist_ok=True)
    mounts.mount(
        "shm", str(path), "tmpfs", mounts.MS_NOEXEC | mounts.MS_NOSUID | mounts.MS_NODEV, f"mode=1777,size={size}"
    )


def remove(directory: pathlib.Path) -> None:
    """Unmount what was mounted below a sandbox's directory; absent is fine."""
    for mounted in ("shm", "idmapped-store"):
        with contextlib.suppress(OSError):
            mounts.umount(str(directory / mounted), lazy=True)
    namespaces = directory / "ns"
    if namespaces.is_dir():
        for entry in namespaces.iterdir():
            with contextlib.suppress(OSError):
                mounts.umount(str(entry), lazy=True)
            with contextlib.suppress(OSError):
                entry.unlink()
    with contextlib.suppress(OSError):
        shutil.rmtree(namespaces)


def make_log_directory(path: str) -> None:
    """Create the directory the kubelet named for the pod's logs."""
    if not path:
        return
    if not path.startswith("/"):
        raise errors.InvalidArgument(f"log directory {path!r} is not an absolute path")
    try:
        os.makedirs(path, mode=0o755, exist_ok=True)
    except OSError as error:
        raise errors.Internal(f"cannot create the log directory {path}: {error.strerror}") from error
