"""The network plugins against the reference's, side by side: bridge + host-local + portmap, ADD and DEL.

Run as root: `python bench/cni.py [ROUNDS]`. Everything happens in network namespaces of its own. Wall clock and CPU
(own and children's) of each call, p50; then throughput between two pods, as a multiple of that over a veth pair and a
bridge made by hand in the same round. The ways take turns, so that what else goes on meets all of them.
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
SECONDS = 0.1


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


class Row:
    """A way to run plugins, on a host of its own, with what its calls took: (wall, CPU) of each."""

    def __init__(self, name, library, directory):
        self.name, self.library = name, library
        self.directory = tempfile.mkdtemp(dir=directory)
        self.host = f"{self.directory}/host"
        self.added, self.deleted = [], []
        netns.pin("net", self.host)

    def call(self, method, times, conf, number, **more):
        def work():
            wall, used = time.perf_counter(), cpu()
            method(conf, f"c{number}", f"{self.directory}/c{number}", **more)
            times.append((time.perf_counter() - wall, cpu() - used))

        netns.run_in(self.host, work)

    def median(self, which):
        return " | ".join(f"{median([one[part] for one in which[2:]]):.1f}" for part in (0, 1))


def measure(rows, rounds, ports, masquerade):
    """ADD and DEL of some containers, the ways by turns, so that all meet the same disturbances."""
    conf = {row.name: network(row.directory, ports, masquerade) for row in rows}
    for row in rows:
        for number in range(rounds):
            netns.pin("net", f"{row.directory}/c{number}")
    for number in range(rounds):
        mappings = [{"hostPort": 30000 + number, "containerPort": 80, "protocol": "tcp"}] if ports else None
        for row in rows:
            row.call(row.library.add, row.added, conf[row.name], number, port_mappings=mappings)
    for number in range(rounds):
        for row in rows:
            row.call(row.library.delete, row.deleted, conf[row.name], number)
    for row in rows:
        for path in (*(f"{row.directory}/c{number}" for number in range(rounds)), row.host):
            netns.unpin(path)


class Pair:
    """Two containers, and one TCP connection after the other between them."""

    def __init__(self, name, paths, address):
        self.name, self._paths, self._address = name, paths, address

    def transfer(self):
        """Bytes a second, and bytes a second of this process's CPU time (which others on the machine don't change)."""
        server = netns.run_in(self._paths[1], lambda: socket.create_server((self._address, 9000)))
        client = netns.run_in(self._paths[0], lambda: socket.create_connection((self._address, 9000), 10))
        server.settimeout(10)
        peer, _ = server.accept()
        stop = time.monotonic() + SECONDS
        chunk = bytes(1 << 20)

        def send():
            client.sendall(chunk)
            while time.monotonic() < stop:
                client.sendall(chunk)
            client.shutdown(socket.SHUT_WR)

        before, start, got, buffer = time.process_time(), time.monotonic(), 0, bytearray(1 << 20)
        sender = threading.Thread(target=send)
        sender.start()
        while count := peer.recv_into(buffer):
            got += count
        sender.join()
        rates = got / (time.monotonic() - start), got / (time.process_time() - before)
        for one in (client, peer, server):
            one.close()
        return rates


def by_plugins(name, directory, library, *, masquerade):
    """Two containers of a host of their own, made by plugins."""
    directory = tempfile.mkdtemp(dir=directory)
    paths = [f"{directory}/{word}" for word in ("host", "one", "two")]
    for path in paths:
        netns.pin("net", path)
    conf = network(directory, ports=False, masquerade=masquerade)
    for path in paths[1:]:
        answer = netns.run_in(paths[0], lambda path=path: library.add(conf, os.path.basename(path), path))
    return Pair(name, paths[1:], answer["ips"][0]["address"].partition("/")[0]), paths


def by_hand(name, directory):
    """The same made by hand: a bridge, two veth pairs, two addresses."""
    directory = tempfile.mkdtemp(dir=directory)
    paths = [f"{directory}/{word}" for word in ("host", "one", "two")]
    for path in paths:
        netns.pin("net", path)

    def make():
        links.add_bridge("mkthand0")
        bridge = links.get("mkthand0").index
        for number, path in enumerate(paths[1:]):
            descriptor = os.open(path, os.O_RDONLY)
            with Netlink() as nl:
                nl.send(links.new_veth(f"mkth{number}", "eth0", peer_netns=descriptor, master=bridge, up=True))
            os.close(descriptor)

            def configure(number=number):
                links.add_address("eth0", f"10.97.0.{number + 2}/24")
                links.set_up("eth0")

            netns.run_in(path, configure)

    netns.run_in(paths[0], make)
    return Pair(name, paths[1:], "10.97.0.3"), paths


def interval(values):
    """The median, and the interval that holds the true one with 95 % probability (by the ranks of the values)."""
    ordered, count = sorted(values), len(values)
    reach = int(0.98 * count**0.5) + 1
    low, high = max(0, count // 2 - reach), min(count - 1, count // 2 + reach)
    return f"{ordered[count // 2]:.3f} ({ordered[low]:.3f} to {ordered[high]:.3f})"


def compare(pairs, rounds):
    """Each pair's throughput as a multiple of the first one's in the same round; the order turns around each time."""
    rates = {pair.name: [] for pair in pairs}
    for pair in pairs:
        pair.transfer()
    for number in range(rounds):
        for pair in pairs[:: 1 if number % 2 else -1]:
            rates[pair.name].append(pair.transfer())
    first = rates[pairs[0].name]
    for name, found in rates.items():
        wall, used = (
            interval([mine[part] / theirs[part] for mine, theirs in zip(found, first, strict=True)]) for part in (0, 1)
        )
        middle = sorted(rate for rate, _ in found)[rounds // 2] * 8 / 1e9
        print(f"| {name} | {middle:.1f} | {wall} | {used} |")


def main(rounds):
    directory = tempfile.mkdtemp(prefix="mkt-bench-")
    pinned = []
    try:
        executables = f"{directory}/bin"
        with contextlib.redirect_stdout(io.StringIO()):
            install(executables)
        libraries = {"ours, in process": Library([], f"{directory}/cache0")}
        libraries["ours, executables"] = Library([executables], f"{directory}/cache1", in_process=False)
        if Path(REFERENCE, "bridge").exists():
            libraries["reference 1.1.1 (Go)"] = Library([REFERENCE], f"{directory}/cache2", in_process=False)
        for title, ports, masquerade in (
            ("bridge + host-local", False, False),
            ("bridge (ipMasq) + host-local", False, True),
            ("bridge (ipMasq) + host-local + portmap, one host port", True, True),
        ):
            print(f"\n{title}\n\n| p50 of {rounds - 2}, ms | ADD wall | ADD CPU | DEL wall | DEL CPU |")
            print("|---|---|---|---|---|")
            rows = [Row(name, library, directory) for name, library in libraries.items()]
            measure(rows, rounds, ports, masquerade)
            for row in rows:
                print(f"| {row.name} | {row.median(row.added)} | {row.median(row.deleted)} |")
        print(
            f"\n| pod to pod, one TCP connection, {8 * rounds} by turns | Gbit/s | by hand = 1 | bytes per CPU second |"
        )
        print("|---|---|---|---|")
        made = [by_hand("veth and bridge by hand", directory), by_hand("the same once more", directory)]
        made += [by_plugins(name, directory, one, masquerade=False) for name, one in list(libraries.items())[::2]]
        pinned = [path for _, paths in made for path in paths]
        compare([pair for pair, _ in made], 8 * rounds)
    finally:
        for path in pinned:
            netns.unpin(path)
        shutil.rmtree(directory)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 22)
