"""Beside Docker, podman and firewalld: their tables stay as they are to the byte, and what they forward still arrives."""

import re

import pytest

from linux import links, netns
from tests.cni.cases import tables_and_chains
from tests.cni.conftest import addresses_in
from tests.cni.test_library import PORTS, conflist, library  # noqa: F401 - a fixture

pytestmark = pytest.mark.live

DOCKER = """\
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 18081 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""
PODMAN = """\
*nat
:NETAVARK-HOSTPORT-DNAT - [0:0]
:NETAVARK-HOSTPORT-MASQ - [0:0]
:NETAVARK-HOSTPORT-SETMARK - [0:0]
:NETAVARK-1D8721804F16F - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
-A POSTROUTING -j NETAVARK-HOSTPORT-MASQ
-A POSTROUTING -s 10.89.0.0/16 -j NETAVARK-1D8721804F16F
-A NETAVARK-1D8721804F16F -d 10.89.0.0/16 -j ACCEPT
-A NETAVARK-1D8721804F16F ! -d 224.0.0.0/4 -j MASQUERADE
-A NETAVARK-HOSTPORT-MASQ -m comment --comment "netavark portfw masq mark" -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A NETAVARK-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000
COMMIT
"""
FIREWALLD = """
table inet firewalld {
    chain mangle_PREROUTING { type filter hook prerouting priority mangle + 10; policy accept; jump mangle_pub; }
    chain mangle_pub { }
    chain nat_PREROUTING { type nat hook prerouting priority dstnat + 10; policy accept; jump nat_PRE_public; }
    chain nat_PRE_public { }
    chain nat_POSTROUTING { type nat hook postrouting priority srcnat + 10; policy accept; jump nat_POST_public; }
    chain nat_POST_public { oifname "mktnone" masquerade; }
    chain filter_INPUT {
        type filter hook input priority filter + 10; policy accept;
        ct state { established, related } accept
        iifname "lo" accept
        ct state invalid drop
    }
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        ct state invalid drop
    }
}
table inet netavark {
    chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept; jump NETAVARK-HOSTPORT-MASQ; }
    chain NETAVARK-HOSTPORT-MASQ { meta mark & 0x00002000 == 0x00002000 masquerade; }
}
"""


def foreign(host):
    """All tables that are not ours, with the handles that a rule gets anew whenever it is rewritten."""
    listing = host.run("nft", "-a", "list", "ruleset").stdout
    whole = re.split(r"(?m)^(?=table )", listing)
    theirs = [re.sub(r"counter packets \d+ bytes \d+ ", "", one) for one in whole if "minikube_py" not in one[:80]]
    return theirs, [
        host.run(f"{word}-save", "-t", "nat").stdout.splitlines()[1:-1] for word in ("iptables", "ip6tables")
    ]


@pytest.fixture
def others(host):
    """Docker with a container that it forwards a port to, podman and firewalld."""
    container = host.container()
    host.inside(links.add_bridge, "docker0")
    host.inside(links.add_address, "docker0", "172.17.0.1/16")
    host.run("ip", "link", "add", "mktdock", "type", "veth", "peer", "name", "eth0", "netns", container)
    host.run("ip", "link", "set", "mktdock", "master", "docker0", "up")
    netns.run_in(container, lambda: (links.add_address("eth0", "172.17.0.2/16"), links.set_up("eth0")))
    host.run("ip", "route", "add", "default", "via", "172.17.0.1", path=container)
    for text in (DOCKER, PODMAN):
        host.run("iptables-restore", "--noflush", stdin=text)
    host.run("ip6tables-restore", "--noflush", stdin="*nat\n:DOCKER - [0:0]\n-A PREROUTING -j DOCKER\nCOMMIT\n")
    host.run("nft", "-f", "-", stdin=FIREWALLD)
    server = host.serve(container, 80, "docker")
    yield
    server.close()


def test_their_tables_stay_as_they_are(library, host, others):  # noqa: F811 - the fixture
    ours = library._path[0] != "/usr/lib/cni" and not library._path[0].endswith("mixed")
    network = conflist(host.directory)
    before = foreign(host)
    one, two = host.container(), host.container()
    host.inside(lambda: library.add(network, "one", one, port_mappings=PORTS))
    host.inside(lambda: library.add(network, "two", two))
    if ours:  # Debian's plugins write into iptables' tables
        assert foreign(host) == before
    server = host.serve(one, 80, "ours")
    assert host.ask("10.88.0.1", 18080).startswith("ours")
    assert host.ask("10.88.0.1", 18080, path=two).startswith("ours")
    assert host.ask("10.88.0.1", 18081).startswith("docker")
    assert host.ask("10.88.0.1", 18081, path=two).startswith("docker")
    server.close()
    host.inside(lambda: library.delete(network, "one", one))
    host.inside(lambda: library.gc(network, []))
    assert addresses_in(two) == []
    if ours:
        assert foreign(host) == before
        assert tables_and_chains(host) == []


def test_beside_them_in_their_own_tables(host, others, tmp_path):
    """Configurations that ask for iptables add to those tables: what was there stays, in its order."""
    from cni.library import Library, Network

    made = conflist(host.directory, ipMasqBackend="iptables").raw
    made["plugins"][1]["backend"] = "iptables"
    network, tool, one = Network(made), Library([], str(tmp_path / "cache")), host.container()
    _, before = foreign(host)
    host.inside(lambda: tool.add(network, "one", one, port_mappings=PORTS))
    _, during = foreign(host)
    server = host.serve(one, 80, "ours")
    assert host.ask("10.88.0.1", 18080).startswith("ours")
    assert host.ask("10.88.0.1", 18081).startswith("docker")
    server.close()
    for was, now in zip(before, during, strict=True):
        rules = [line for line in was if line.startswith("-A")]
        assert [line for line in now if line in rules] == rules
    host.inside(lambda: tool.delete(network, "one", one))
    _, after = foreign(host)
    for was, now in zip(before, after, strict=True):
        assert [line for line in was if line.startswith("-A")] == [
            line for line in now if line.startswith("-A") and "CNI-HOSTPORT" not in line
        ]
