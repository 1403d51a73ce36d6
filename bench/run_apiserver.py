"""Starts etcd and the API server by hand with certificates, and a kubeconfig for an administrator.

    .venv/bin/python bench/run_apiserver.py DIR [more apiserver flags]

DIR gets everything (certs/, etcd/, admin.conf, apiserver.log); ports are free ones, told on standard output. Ends both
with Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from component.certificates import CertificateAuthority, new_signing_key  # noqa: E402


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    return str(path)


class Pair:
    """etcd and one API server in a directory."""

    def __init__(self, directory: Path, *flags: str, advertise: str = "127.0.0.1") -> None:
        self.directory = directory
        self.flags = flags
        self.advertise = advertise
        self.port, self.etcd_port, peer = free_port(), free_port(), free_port()
        self.peer_port = peer
        self.etcd: subprocess.Popen[bytes] | None = None
        self.server: subprocess.Popen[bytes] | None = None
        self.server_url = f"https://127.0.0.1:{self.port}"
        certs = directory / "certs"
        if not (certs / "ca.crt").exists():
            self._make_certificates(certs)
        self.certs = certs

    def _make_certificates(self, certs: Path) -> None:
        authority = CertificateAuthority.create("minikube-py-ca")
        front = CertificateAuthority.create("front-proxy-ca")
        write(certs / "ca.crt", authority.certificate_pem)
        write(certs / "ca.key", authority.key_pem)
        write(certs / "front-proxy-ca.crt", front.certificate_pem)
        names = {
            "apiserver": ("kube-apiserver", (), "server"),
            "admin": ("kubernetes-admin", ("system:masters",), "client"),
            "apiserver-kubelet-client": ("kube-apiserver-kubelet-client", ("system:masters",), "client"),
            "controller-manager": ("system:kube-controller-manager", (), "client"),
            "scheduler": ("system:kube-scheduler", (), "client"),
            "proxy": ("system:kube-proxy", (), "client"),
            "kubelet": ("system:node:minikube", ("system:nodes",), "client"),
        }
        for name, (common, organizations, usage) in names.items():
            certificate, key = authority.issue(
                common,
                organizations=organizations,
                dns=("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"),
                ips=("127.0.0.1", "10.96.0.1", self.advertise),
                usage=usage,
            )
            write(certs / f"{name}.crt", certificate)
            write(certs / f"{name}.key", key)
        certificate, key = front.issue("front-proxy-client", usage="client")
        write(certs / "front-proxy-client.crt", certificate)
        write(certs / "front-proxy-client.key", key)
        private, public = new_signing_key()
        write(certs / "sa.key", private)
        write(certs / "sa.pub", public)

    def start(self) -> None:
        self.start_etcd()
        self.start_server()
        for name in ("admin", "controller-manager", "scheduler", "proxy", "kubelet"):
            self.kubeconfig(name)

    def start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        command = ["etcd", "--data-dir", str(self.directory / "etcd"), "--listen-client-urls", client]
        command += ["--advertise-client-urls", client, "--listen-peer-urls", peer, "--unsafe-no-fsync"]
        command += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
        log = (self.directory / "etcd.log").open("ab")
        self.etcd = subprocess.Popen(command, stdout=log, stderr=log)

    def server_command(self) -> list[str]:
        certs = self.certs
        return [
            sys.executable,
            "-m",
            "apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--advertise-address={self.advertise}",
            f"--tls-cert-file={certs}/apiserver.crt",
            f"--tls-private-key-file={certs}/apiserver.key",
            f"--client-ca-file={certs}/ca.crt",
            f"--service-account-key-file={certs}/sa.pub",
            f"--service-account-signing-key-file={certs}/sa.key",
            f"--kubelet-client-certificate={certs}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={certs}/apiserver-kubelet-client.key",
            f"--requestheader-client-ca-file={certs}/front-proxy-ca.crt",
            f"--proxy-client-cert-file={certs}/front-proxy-client.crt",
            f"--proxy-client-key-file={certs}/front-proxy-client.key",
            *self.flags,
        ]

    def start_server(self) -> None:
        log = (self.directory / "apiserver.log").open("ab")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.server = subprocess.Popen(self.server_command(), stdout=log, stderr=log, cwd=ROOT, env=environment)

    def kubeconfig(self, name: str) -> Path:
        path = self.directory / f"{name}.conf"
        cluster = {"server": self.server_url, "certificate-authority": str(self.certs / "ca.crt")}
        user = {"client-certificate": f"{self.certs}/{name}.crt", "client-key": f"{self.certs}/{name}.key"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": name}}],
            "current-context": "c",
        }
        path.write_text(json.dumps(config))
        return path

    def wait_ready(self, seconds: float = 20.0) -> float:
        """Wait for /readyz and return how long it took."""
        import ssl

        context = ssl.create_default_context(cafile=str(self.certs / "ca.crt"))
        context.load_cert_chain(self.certs / "admin.crt", self.certs / "admin.key")
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            try:
                with urllib.request.urlopen(f"{self.server_url}/readyz", context=context, timeout=2) as answer:
                    if answer.status == 200:
                        return time.monotonic() - started
            except OSError:
                time.sleep(0.02)
            if self.server is not None and self.server.poll() is not None:
                break
        raise RuntimeError((self.directory / "apiserver.log").read_text()[-3000:])

    def stop(self) -> None:
        for process in (self.server, self.etcd):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def main() -> None:
    directory = Path(sys.argv[1]).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    pair = Pair(directory, *sys.argv[2:])
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        pair.start()
        took = pair.wait_ready()
        print(
            f"ready after {took:.2f} s: KUBECONFIG={directory}/admin.conf apiserver pid {pair.server.pid}", flush=True
        )
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        pair.stop()


if __name__ == "__main__":
    main()
