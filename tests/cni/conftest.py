"""A host made of network namespaces, and three ways to call a plugin there.

Everything happens in a namespace that stands for the host, so nothing of the real one is touched, and removing it
removes what a failed test has left.
"""

import contextlib
import io
import json
import subprocess
import threading
import uuid
from pathlib import Path

import pytest

from cni import executable, in_process, result
from cni.config import Call
from cni.errors import CNIError
from cni.install import install
from linux import links, netns, nftables

REFERENCE = "/usr/lib/cni"
CNI_VERSION = "1.0.0"


class Host:
    """A namespace that stands for a host, and the containers' namespaces."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = str(directory / "host")
        self.pins = [self.path]
        self._lock = threading.Lock()
        netns.pin_namespaces({"net": self.path}, prepare=lambda: links.set_up("lo"))

    def container(self) -> str:
        with self._lock:
            path = str(self.directory / f"c{len(self.pins)}")
            self.pins.append(path)
        netns.pin("net", path)
        return path

    def inside(self, function, *arguments):
        """Call a function on the host."""
        return netns.run_in(self.path, lambda: function(*arguments))

    def run(self, *words: str, path: str = "", check: bool = True, stdin: str = "") -> subprocess.CompletedProcess:
        """Run a program on the host, or in a container."""
        command = ["nsenter", f"--net={path or self.path}", *words]
        return subprocess.run(command, capture_output=True, text=True, check=check, timeout=30, input=stdin)

    def serve(self, path: str, port: int, answer: str, *, udp: bool = False, ipv6: bool = False):
        """Answer each connection in a container with a word; returns the socket, to be closed."""
        import socket

        def make():
            family = socket.AF_INET6 if ipv6 else socket.AF_INET
            made = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("::" if ipv6 else "0.0.0.0", port))
            if not udp:
                made.listen(16)
            return made

        server = netns.run_in(path, make)

        def loop():
            try:
                while True:
                    if udp:
                        _, peer = server.recvfrom(100)
                        server.sendto(f"{answer} {peer[0]}".encode(), peer)
                    else:
                        connection, peer = server.accept()
                        with connection:
                            connection.sendall(f"{answer} {peer[0]}".encode())
            except OSError:
                return

        threading.Thread(target=loop, daemon=True).start()
        return server

    def ask(self, address: str, port: int, *, path: str = "", udp: bool = False, source: str = "", timeout=3.0) -> str:
        """What a server answers to somebody on the host, or in a container."""
        import socket

        def talk():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as client:
                client.settimeout(timeout)
                if source:
                    client.bind((source, 0))
                client.connect((address, port))
                if udp:
                    client.send(b"hello")
                return client.recv(100).decode()

        return netns.run_in(path or self.path, talk)

    def close(self) -> None:
        for path in self.pins:
            netns.unpin(path)


def require_kernel(host, *words: str) -> None:
    """Skip where this kernel can't make such a link (`python -m e2e.vm` boots one that can)."""
    made = host.run("ip", "link", "add", "mktprobe", *words, check=False)
    if made.returncode:
        pytest.skip(f"this kernel has no {' '.join(words)}; run it in the machine of e2e/vm: {made.stderr.strip()}")
    host.run("ip", "link", "del", "mktprobe")


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def plugin_directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bin")
    with contextlib.redirect_stdout(io.StringIO()):
        install(str(directory))
    return str(directory)


class Way:
    """One of the ways to call a plugin."""

    def __init__(self, name: str, host: Host, directory: str) -> None:
        self.name, self.host, self.directory = name, host, directory

    def call(self, command, config, container="", ifname="eth0", cid="cid1", args=None):
        call = Call(command, config, container_id=cid, netns=container, ifname=ifname, args=args, path=[self.directory])
        if self.name == "in process":
            return self.host.inside(in_process.run, config["type"], call)
        return self.host.inside(executable.run, config["type"], call)

    def add(self, config, container, **more):
        return self.call("ADD", config, container, **more)

    def check(self, config, container, previous, **more):
        return self.call("CHECK", with_result(config, previous), container, **more)

    def delete(self, config, container, **more):
        return self.call("DEL", config, container, **more)

    def fails(self, command, config, container="", **more) -> CNIError:
        with pytest.raises(CNIError) as failure:
            self.call(command, config, container, **more)
        return failure.value

    @property
    def ours(self) -> bool:
        return self.name != "reference"


def with_result(config, previous):
    version = config.get("cniVersion", CNI_VERSION)
    return {**config, "prevResult": result.convert(previous, version)}


@pytest.fixture(params=["in process", "executable", "reference"])
def way(request, host, plugin_directory):
    if request.param == "reference":
        wanted = getattr(request.module, "REFERENCE_PLUGIN", None)
        if wanted is None or not Path(REFERENCE, wanted).exists():
            pytest.skip("no reference binary")
        return Way(request.param, host, REFERENCE)
    return Way(request.param, host, plugin_directory)


@pytest.fixture(params=["in process", "executable"])
def our_way(request, host, plugin_directory):
    return Way(request.param, host, plugin_directory)


def config(kind: str, **keys):
    return {"cniVersion": CNI_VERSION, "name": f"mkt{uuid.uuid4().hex[:8]}", "type": kind, **keys}


def host_local(directory, *subnets: str, **keys):
    return {
        "type": "host-local",
        "dataDir": str(directory / "networks"),
        "ranges": [[{"subnet": subnet}] for subnet in subnets or ("10.88.0.0/24",)],
        **keys,
    }


def tables(host: Host):
    return [one for one in host.inside(nftables.list_tables) if one[1].startswith("minikube_py")]


def addresses_in(path: str, name: str = "eth0"):
    return [a for a in netns.run_in(path, lambda: links.list_addresses(name)) if not a.startswith("fe80")]


def dump(value) -> str:
    return json.dumps(value, indent=1, sort_keys=True)
