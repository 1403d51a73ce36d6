"""A node, two pods on its bridge and an outside host, each a network namespace of its own."""

import contextlib
import os
import socket
import subprocess
import threading

from linux import netns, nftables
from proxy.rules import Settings

TABLE = "mkt-proxy"
VIP = "10.96.0.77"
A, B, NODE, OUTSIDE = "10.244.9.2", "10.244.9.3", "10.244.9.1", "192.0.2.2"
SETTINGS = Settings(TABLE, 4, "10.244.9.0/24", (f"{NODE}/32", "192.0.2.1/32"))


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Net:
    """The namespaces and what runs in them."""

    def __init__(self):
        self.tag = f"mkt-{os.getpid()}"
        self.names = {key: f"{self.tag}-{key}" for key in ("node", "a", "b", "out")}
        self.sockets = []

    def path(self, key):
        return f"/run/netns/{self.names[key]}"

    def build(self):
        for name in self.names.values():
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        node = self.names["node"]
        ip("-n", node, "link", "add", "br0", "type", "bridge")
        ip("-n", node, "addr", "add", f"{NODE}/24", "dev", "br0")
        ip("-n", node, "link", "set", "br0", "up")
        for key, address in (("a", A), ("b", B)):
            ip("-n", self.names[key], "link", "add", "eth0", "type", "veth", "peer", "name", f"v{key}", "netns", node)
            ip("-n", node, "link", "set", f"v{key}", "master", "br0", "up")
            ip("-n", node, "link", "set", f"v{key}", "type", "bridge_slave", "hairpin", "on")
            ip("-n", self.names[key], "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", self.names[key], "link", "set", "eth0", "up")
            ip("-n", self.names[key], "route", "add", "default", "via", NODE)
        ip("-n", self.names["out"], "link", "add", "eth0", "type", "veth", "peer", "name", "up0", "netns", node)
        ip("-n", node, "addr", "add", "192.0.2.1/24", "dev", "up0")
        ip("-n", node, "link", "set", "up0", "up")
        ip("-n", node, "route", "add", "default", "via", OUTSIDE)
        ip("-n", self.names["out"], "addr", "add", f"{OUTSIDE}/24", "dev", "eth0")
        ip("-n", self.names["out"], "link", "set", "eth0", "up")
        ip("-n", self.names["out"], "route", "add", "10.96.0.0/12", "via", "192.0.2.1")
        netns.run_in(self.path("node"), self._sysctls)
        for key, address in (("a", A), ("b", B)):
            self.serve(key, address)

    @staticmethod
    def _sysctls():
        for name, value in (("net/ipv4/ip_forward", 1), ("net/bridge/bridge-nf-call-iptables", 1)):
            with contextlib.suppress(OSError), open(f"/proc/sys/{name}", "w") as file:
                file.write(str(value))

    def serve(self, key, address):
        """Answers `NAME CLIENT` on TCP and UDP 8080."""
        tcp, udp = netns.run_in(
            self.path(key),
            lambda: (socket.create_server((address, 8080)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        )
        udp.bind((address, 8080))
        self.sockets += [tcp, udp]

        def answer_tcp():
            with contextlib.suppress(OSError):
                while True:
                    connection, peer = tcp.accept()
                    with connection:
                        connection.sendall(f"{key} {peer[0]}".encode())

        def answer_udp():
            with contextlib.suppress(OSError):
                while True:
                    _, peer = udp.recvfrom(100)
                    if peer is None:  # shut down
                        return
                    udp.sendto(f"{key} {peer[0]}".encode(), peer)

        for work in (answer_tcp, answer_udp):
            threading.Thread(target=work, daemon=True).start()

    def ask(self, key, address, port, *, udp=False):
        """Who answers, and whom it saw; an exception's name when nobody does."""

        def connect():
            try:
                if udp:
                    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                        s.settimeout(1)
                        s.connect((address, port))
                        s.send(b"x")
                        return s.recv(100).decode()
                with socket.create_connection((address, port), timeout=1) as s:
                    return s.recv(100).decode()
            except OSError as error:
                return type(error).__name__

        return netns.run_in(self.path(key), connect)

    def apply(self, commands):
        return netns.run_in(self.path("node"), lambda: nftables.run(commands))

    def close(self):
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
