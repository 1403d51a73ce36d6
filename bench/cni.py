"""The network plugins against the reference's, side by side: bridge + host-local + portmap, ADD and DEL.

Run as root: `python bench/cni.py [ROUNDS]`. Everything happens in network namespaces of its own. Wall clock and CPU
(own and children's) of each call, p50; then throughput between two pods against a veth pair and bridge made by hand.
"""

import contextlib
import io
import os
import resource
import shutil
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cni.install import install
from cni.library import Library, Network
from linux import links, netns
from linux.netlink import Netlink

REFERENCE = "/usr/lib/cni"
SECONDS = 1.0


def network(directory, ports=True, masquerade=True):
    plugins = [
        {
            "type": "bridge",
            "bridge": "mktbench0",
            "isGateway": True,
            "ipMasq": masquerade,
            "ipam": {
                "type": "host-local",
                "dataDir": f"{directory}/networks",
                "ranges": [[{"subnet": "10.98.0.0/22"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ]
    if ports:
        plugins.append({"type": "portmap", "capabilities": {"portMappings": True}})
    return Network({"cniVersion": "1.0.0", "name": "mktbench", "plugins": plugins})


def cpu():
    mine, children = resource.getrusage(resource.RUSAGE_THREAD), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime


def median(values):
    return sorted(values)[len(values) // 2] * 1000


def measure(library, conf, directory, rounds, ports):
    """ADD and DEL of some containers; (wall, CPU) of each."""
    paths = [f"{directory}/c{number}" for number in range(rounds)]
    for path in paths:
        netns.pin("net", path)
    added, deleted = [], []
    mappings = [
        [{"hostPort": 30000 + number, "containerPort": 80, "protocol": "tcp"}] if ports else None
        for number in range(rounds)
    ]
    for number, path in enumerate(paths):
        wall, used = time.perf_counter(), cpu()
        library.add(conf, f"c{number}", path, port_mappings=mappings[number])
        added.append((time.perf_counter() - wall, cpu() - used))
    for number, path in enumerate(paths):
        wall, used = time.perf_counter(), cpu()
        library.delete(conf, f"c{number}", path)
        deleted.append((time.perf_counter() - wall, cpu() - used))
    for path in paths:
        netns.unpin(path)
    return [(median([w for w, _ in one]), median([c for _, c in one])) for one in (added[2:], deleted[2:])]


def on_a_host(directory, work):
    path = f"{directory}/host"
    netns.pin("net", path)
    try:
        return netns.run_in(path, work)
    finally:
        netns.unpin(path)


def throughput(server_path, client_path, address):
    """Bytes a second over one TCP connection from one namespace to another."""

    def listen():
        made = socket.create_server((address, 9000))
        made.settimeout(10)
        return made

    server = netns.run_in(server_path, listen)
    client = netns.run_in(client_path, lambda: socket.create_connection((address, 9000), 10))
    peer, _ = server.accept()
    stop = time.monotonic() + SECONDS
    chunk = bytes(1 << 20)

    def send():
        try:
            while time.monotonic() < stop:
                client.sendall(chunk)
        except OSError:
            return
        finally:
            client.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()
    buffer, got, start = bytearray(1 << 20), 0, time.monotonic()
    while count := peer.recv_into(buffer):
        got += count
    rate = got / (time.monotonic() - start)
    for one in (client, peer, server):
        one.close()
    return rate * 8 / 1e9


def pods(directory, library, *, masquerade):
    """Two containers made by plugins."""
    conf = network(directory, ports=False, masquerade=masquerade)
    paths = [f"{directory}/t{number}" for number in range(2)]
    for number, path in enumerate(paths):
        netns.pin("net", path)
        answer = library.add(conf, f"t{number}", path)
    rate = throughput(paths[1], paths[0], answer["ips"][0]["address"].partition("/")[0])
    for number, path in enumerate(paths):
        library.delete(conf, f"t{number}", path)
        netns.unpin(path)
    return rate


def by_hand(directory):
    """Two containers made by hand: a bridge, two veth pairs, two addresses."""
    links.add_bridge("mkthand0")
    bridge = links.get("mkthand0").index
    paths = [f"{directory}/h{number}" for number in range(2)]
    for number, path in enumerate(paths):
        netns.pin("net", path)
        descriptor = os.open(path, os.O_RDONLY)
        with Netlink() as nl:
            nl.send(links.new_veth(f"mkth{number}", "eth0", peer_netns=descriptor, master=bridge, up=True))
        os.close(descriptor)

        def configure(number=number):
            links.add_address("eth0", f"10.97.0.{number + 2}/24")
            links.set_up("eth0")

        netns.run_in(path, configure)
    time.sleep(0.1)
    rate = throughput(paths[1], paths[0], "10.97.0.3")
    for path in paths:
        netns.unpin(path)
    return rate


def main(rounds):
    directory = tempfile.mkdtemp(prefix="mkt-bench-")
    try:
        executables = f"{directory}/bin"
        with contextlib.redirect_stdout(io.StringIO()):
            install(executables)
        rows = [("ours, in process", Library([], f"{directory}/cache"))]
        rows.append(("ours, executables", Library([executables], f"{directory}/cache", in_process=False)))
        if Path(REFERENCE, "bridge").exists():
            rows.append(("reference 1.1.1 (Go)", Library([REFERENCE], f"{directory}/cache", in_process=False)))
        for title, ports, masquerade in (
            ("bridge + host-local", False, False),
            ("bridge (ipMasq) + host-local", False, True),
            ("bridge (ipMasq) + host-local + portmap, one host port", True, True),
        ):
            print(f"\n{title}\n\n| p50 of {rounds - 2}, ms | ADD wall | ADD CPU | DEL wall | DEL CPU |")
            print("|---|---|---|---|---|")
            for name, library in rows:
                conf = network(directory, ports, masquerade)
                add, delete = on_a_host(
                    directory, lambda one=library, c=conf, p=ports: measure(one, c, directory, rounds, p)
                )
                print(f"| {name} | {add[0]:.1f} | {add[1]:.1f} | {delete[0]:.1f} | {delete[1]:.1f} |")
        print("\n| pod to pod, one TCP connection | Gbit/s |\n|---|---|")
        ways = [("veth and bridge by hand", lambda: by_hand(directory))]
        for name, library in (rows[0], rows[-1]):
            for masquerade, words in ((False, ""), (True, ", ipMasq (connection tracking)")):
                work = lambda one=library, m=masquerade: pods(directory, one, masquerade=m)  # noqa: E731
                ways.append((name + words, work))
        rates = {name: [] for name, _ in ways}
        for _ in range(5):
            for name, work in ways:
                rates[name].append(on_a_host(directory, work))
        for name, found in rates.items():
            print(f"| {name} | {sorted(found)[2]:.1f} |")
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 22)
