"""A node of its own for live tests: etcd, API server, runtime and kubelet, on free ports, in a temporary directory."""

import asyncio
import contextlib
import hashlib
import io
import json
import os
import secrets
import socket
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from apimachinery.client.rest import Client
from apimachinery.errors import APIError
from component.certificates import CertificateAuthority, new_signing_key

TREE = Path(__file__).resolve().parents[2]
IMAGE = "docker.io/library/busybox:t"
APPLETS = ["sh", "sleep", "echo", "cat", "ls", "touch", "rm", "env", "true", "false", "httpd", "id"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def image_archive(path):
    """A docker-archive of static busybox."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        for name in APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name in ("tmp", "etc"):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(directory)
    data = layer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/bin/sleep", "100000"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    name = hashlib.sha256(config).hexdigest()
    manifest = json.dumps([{"Config": f"{name}.json", "RepoTags": [IMAGE], "Layers": [f"{digest}.tar"]}]).encode()
    with tarfile.open(path, "w") as tar:
        for entry, content in ((f"{name}.json", config), (f"{digest}.tar", data), ("manifest.json", manifest)):
            info = tarfile.TarInfo(entry)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@dataclass
class LiveNode:
    """The running node."""

    home: Path
    bridge: str
    subnet: str
    cgroup: str
    processes: dict = field(default_factory=dict)
    commands: dict = field(default_factory=dict)

    @property
    def address(self):
        return self.subnet.replace(".0/24", ".1")

    def start(self, name, *words):
        self.commands[name] = words
        log = open(self.home / f"{name}.log", "ab")
        environment = {**os.environ, "PYTHONPATH": str(TREE)}
        self.processes[name] = subprocess.Popen(words, cwd=self.home, stdout=log, stderr=log, env=environment)

    def kill(self, name, signal=9):
        self.processes[name].send_signal(signal)
        self.processes[name].wait()

    def restart(self, name):
        self.start(name, *self.commands[name])

    def client(self):
        return Client.from_kubeconfig(str(self.home / "admin.conf"), user_agent="test")

    def log(self, name):
        return (self.home / f"{name}.log").read_text()


def _certificates(node):
    certs = node.home / "certs"
    certs.mkdir()
    authority = CertificateAuthority.create("test")
    (certs / "ca.crt").write_bytes(authority.certificate_pem)
    for name, common, groups, usage in (
        ("apiserver", "kube-apiserver", (), "server"),
        ("admin", "admin", ("system:masters",), "client"),
        ("kubelet-client", "apiserver", ("system:masters",), "client"),
        ("node", "system:node:livenode", ("system:nodes",), "client"),
        ("kubelet", "livenode", (), "server"),
        ("etcd", "etcd", (), "both"),
    ):
        addresses = ("127.0.0.1", node.address, "10.111.0.1")
        pair = authority.issue(common, organizations=groups, dns=("localhost",), ips=addresses, usage=usage)
        (certs / f"{name}.crt").write_bytes(pair[0])
        (certs / f"{name}.key").write_bytes(pair[1])
    private, public = new_signing_key()
    (certs / "sa.key").write_bytes(private)
    (certs / "sa.pub").write_bytes(public)


def _kubeconfig(node, name, port):
    certs = node.home / "certs"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority": f"{certs}/ca.crt"},
            }
        ],
        "users": [
            {"name": "u", "user": {"client-certificate": f"{certs}/{name}.crt", "client-key": f"{certs}/{name}.key"}}
        ],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (node.home / f"{name}.conf").write_text(json.dumps(document))


def _start_control_plane(node):
    port, etcd = free_port(), free_port()
    peer = f"http://127.0.0.1:{free_port()}"
    url = f"https://127.0.0.1:{etcd}"
    node.start(
        "etcd", "etcd", "--data-dir", str(node.home / "etcd"), "--unsafe-no-fsync",
        "--listen-client-urls", url, "--advertise-client-urls", url,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        "--cert-file", "certs/etcd.crt", "--key-file", "certs/etcd.key",
        "--client-cert-auth", "--trusted-ca-file", "certs/ca.crt",
    )  # fmt: skip
    node.start(
        "apiserver", sys.executable, "-m", "apiserver", "--etcd-servers", url, "--etcd-cafile", "certs/ca.crt",
        "--etcd-certfile", "certs/etcd.crt", "--etcd-keyfile", "certs/etcd.key",
        f"--secure-port={port}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
        "--tls-cert-file", "certs/apiserver.crt", "--tls-private-key-file", "certs/apiserver.key",
        "--client-ca-file", "certs/ca.crt", "--service-account-issuer", "https://kubernetes.default.svc",
        "--service-account-key-file", "certs/sa.pub", "--service-account-signing-key-file", "certs/sa.key",
        "--service-cluster-ip-range", "10.111.0.0/16",
        "--kubelet-client-certificate", "certs/kubelet-client.crt", "--kubelet-client-key", "certs/kubelet-client.key",
        "--kubelet-certificate-authority", "certs/ca.crt",
    )  # fmt: skip
    for name in ("admin", "node"):
        _kubeconfig(node, name, port)


def write_network(node, name):
    """A CNI configuration in ``net.d``: the node's bridge."""
    home = node.home
    (home / "net.d").mkdir()
    ipam = {"type": "host-local", "dataDir": f"{home}/ipam", "ranges": [[{"subnet": node.subnet}]]}
    plugin = {"type": "bridge", "bridge": node.bridge, "isGateway": True, "ipam": ipam}
    conflist = {"cniVersion": "1.0.0", "name": node.bridge, "plugins": [plugin]}
    (home / "net.d" / name).write_text(json.dumps(conflist))


def _start_runtime(node):
    home = node.home
    write_network(node, "1.conflist")
    storage = ("--root", str(home / "storage"), "--runroot", str(home / "run"))
    node.start(
        "cri", sys.executable, "-m", "cri", "--listen", str(home / "cri.sock"), *storage, "--state-dir", str(home / "cri"),
        "--log-dir", str(home / "cri-logs"), "--cni-config-dir", str(home / "net.d"), "--cni-cache-dir", str(home / "cni"),
    )  # fmt: skip
    node.commands["wipe"] = (sys.executable, "-m", "cri", "wipe", *node.commands["cri"][3:])
    image_archive(home / "image.tar")
    target = f"containers-storage:[overlay@{home}/storage+{home}/run]{IMAGE}"
    subprocess.run(["skopeo", "copy", "-q", f"docker-archive:{home}/image.tar", target], check=True)


def _start_kubelet(node):
    home = node.home
    (home / "manifests").mkdir()
    configuration = {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "address": "0.0.0.0",
        "port": free_port(),
        "healthzPort": 0,
        "cgroupRoot": node.cgroup,
        "podLogsDir": str(home / "pod-logs"),
        "staticPodPath": str(home / "manifests"),
        "authentication": {"x509": {"clientCAFile": str(home / "certs/ca.crt")}},
        "evictionHard": {"memory.available": "0"},
    }
    (home / "kubelet.yaml").write_text(json.dumps(configuration))
    node.start(
        "kubelet", sys.executable, "-m", "kubelet", "--kubeconfig", "node.conf", "--config", "kubelet.yaml",
        "--container-runtime-endpoint", f"unix://{home}/cri.sock", "--hostname-override", "livenode",
        "--node-ip", node.address, "--root-dir", str(home / "kubelet"),
        "--tls-cert-file", "certs/kubelet.crt", "--tls-private-key-file", "certs/kubelet.key",
    )  # fmt: skip


async def _ready(node):
    client = node.client()
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
    roots = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "x"}}
    deadline = time.monotonic() + 30
    made = False
    while True:
        try:
            if not made:
                await client.create("serviceaccounts", account, "default")
                await client.create("configmaps", roots, "default")
                made = True
            found = await client.get("nodes", "livenode")
            if any(c["type"] == "Ready" and c["status"] == "True" for c in found["status"]["conditions"]):
                break
        except (APIError, OSError) as error:
            if time.monotonic() > deadline:
                raise AssertionError(node.log("kubelet") + node.log("cri")) from error
        assert time.monotonic() < deadline, node.log("kubelet") + node.log("cri")
        await asyncio.sleep(0.1)
    await client.close()


@contextlib.contextmanager
def running_node(home, start_runtime):
    """A node on any runtime that listens on ``cri.sock``; everything it made is gone afterwards."""
    tag = secrets.token_hex(3)
    subnet = f"10.{100 + secrets.randbelow(100)}.{secrets.randbelow(250)}.0/24"
    node = LiveNode(home, f"kl{tag}", subnet, f"/kubelet-test-{tag}")
    try:
        subprocess.run(["ip", "link", "add", node.bridge, "type", "bridge"], check=True)
        subprocess.run(["ip", "addr", "add", f"{node.address}/24", "dev", node.bridge], check=True)
        subprocess.run(["ip", "link", "set", node.bridge, "up"], check=True)
        _certificates(node)
        _start_control_plane(node)
        start_runtime(node)
        _start_kubelet(node)
        asyncio.run(_ready(node))
        yield node
    finally:
        for name in reversed(list(node.processes)):
            if node.processes[name].poll() is None:
                node.kill(name, 15)
        if "wipe" in node.commands:
            subprocess.run(
                node.commands["wipe"], cwd=node.home, env={**os.environ, "PYTHONPATH": str(TREE)}, timeout=30
            )
        subprocess.run(["ip", "link", "del", node.bridge], capture_output=True)
        _leave_nothing(node)


@pytest.fixture(scope="session")
def live_node(tmp_path_factory):
    """The node on our own runtime."""
    with running_node(tmp_path_factory.mktemp("node"), _start_runtime) as node:
        yield node


def _leave_nothing(node):
    from linux import cgroups, mounts

    mounts.unmount_tree(str(node.home))
    cgroups.detect().remove_tree(node.cgroup)
