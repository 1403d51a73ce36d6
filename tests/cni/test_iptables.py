"""Configurations that are written for iptables: what is made there is what the reference makes, and all of it goes."""

from pathlib import Path

import pytest

from linux import iptables, netns
from linux.addresses import AF_INET, AF_INET6
from tests.cni.conftest import REFERENCE, Way, config, host_local, tables, with_result
from tests.cni.test_bridge import bridge, outside
from tests.cni.test_portmap import attach, ports

pytestmark = pytest.mark.live
REFERENCE_PLUGIN = "portmap"
needs_reference = pytest.mark.skipif(not Path(REFERENCE, "portmap").exists(), reason="no reference binaries")
GONE = (TimeoutError, ConnectionRefusedError)


def rules(host, family=AF_INET, prefix="CNI-DN-"):
    """The rules of iptables that have to do with one container."""
    table = host.inside(iptables.read, family)
    return [words for words in table.rules if any(word.startswith(prefix) for word in words)]


def test_words_are_quoted_and_read_back():
    words = ["-m", "comment", "--comment", 'name: "a\\b" id: "c"', "!", "-d", "fd88::/64"]
    line = f"-A CHAIN {iptables.quoted(words)}"
    assert iptables.Table(f"*nat\n:CHAIN - [0:0]\n{line}\nCOMMIT\n*filter\n-A INPUT -j DROP\n").of("CHAIN") == [words]
    for bad in ("two\nlines", ""):
        with pytest.raises(ValueError, match="can't be given"):
            iptables.quoted([bad])


def test_host_ports_as_the_reference_makes_them(way, host):
    far = host.container()
    outside(host, far)
    host.inside(iptables.change, AF_INET, ["-A PREROUTING -s 198.51.100.7 -j ACCEPT"])
    container, previous = attach(way, host)
    mappings = [
        (18080, 80, "tcp", ""),
        (15353, 53, "udp", "192.0.2.1"),
        *((20000 + n, n, "tcp", "") for n in range(1, 20)),
    ]
    conf = {**ports(*mappings, backend="iptables"), "name": "mktnet"}
    answer = way.add(with_result(conf, previous), container, cid="one")
    made = rules(host)
    assert len([words for words in made if words[0] == "CNI-HOSTPORT-DNAT"]) == 3  # fifteen ports fit into a rule
    assert ["-p", "tcp", "-m", "tcp", "--dport", "18080", "-j", "DNAT", "--to-destination", "10.88.0.2:80"] in [
        words[1:] for words in made
    ]
    web, dns = host.serve(container, 80, "web"), host.serve(container, 53, "dns", udp=True)
    assert host.ask("127.0.0.1", 18080).startswith("web")
    assert host.ask("192.0.2.1", 18080, path=far) == "web 192.0.2.9"
    assert host.ask("192.0.2.1", 15353, path=far, udp=True) == "dns 192.0.2.9"
    if way.ours:
        way.check(conf, container, answer, cid="one")
        assert tables(host) == []
    way.delete(conf, container, cid="one")
    way.delete(conf, "", cid="one")
    assert rules(host) == []
    assert host.inside(iptables.read, AF_INET).of("PREROUTING")[0] == ["-s", "198.51.100.7/32", "-j", "ACCEPT"]
    with pytest.raises(GONE):
        host.ask("127.0.0.1", 18080, timeout=0.5)
    web.close()
    dns.close()


@needs_reference
def test_each_removes_what_the_other_made(our_way, host):
    reference = Way("reference", host, REFERENCE)
    container, previous = attach(our_way, host, "one", "10.88.0.0/24", "fd88::/64")
    conf = with_result({**ports((18080, 80, "tcp", "")), "name": "mktnet", "backend": "iptables"}, previous)
    made = []
    for maker, remover in ((reference, our_way), (our_way, reference)):
        maker.add(conf, container, cid="one")
        made.append([sorted(rules(host, family)) for family in (AF_INET, AF_INET6)])
        remover.delete(conf, container, cid="one")
        assert rules(host) == rules(host, AF_INET6) == []
    assert made[0] == made[1]


def test_conditions_marks_and_chains_of_ones_own(way, host):
    far = host.container()
    outside(host, far)
    host.inside(iptables.change, AF_INET, [":MKT-MARK - [0:0]", "-A MKT-MARK -j MARK --set-xmark 0x40/0x40"])
    container, previous = attach(way, host)
    keys = {"conditionsV4": ["-s", "192.0.2.0/24"], "externalSetMarkChain": "MKT-MARK"}
    conf = with_result(ports((18080, 80, "tcp", ""), **keys), previous)
    way.add(conf, container, cid="one")
    assert sum(words[-1] == "MKT-MARK" for words in rules(host)) == 2
    server = host.serve(container, 80, "one")
    assert host.ask("192.0.2.1", 18080, path=far) == "one 192.0.2.9"
    with pytest.raises(GONE):
        host.ask("10.88.0.1", 18080, source="127.0.0.1", timeout=0.5)
    server.close()
    way.delete(conf, container, cid="one")
    assert rules(host) == []
    marked = with_result(ports((18080, 80, "tcp", ""), backend="iptables", markMasqBit=5), previous)
    way.add(marked, container, cid="one")
    marks = host.inside(iptables.read, AF_INET).of("CNI-HOSTPORT-SETMARK")
    assert marks[0][-1] == "0x20/0x20"
    way.delete(marked, container, cid="one")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"markMasqBit": 32}, "between 0 and 31"),
        ({"markMasqBit": 3, "externalSetMarkChain": "MINE"}, "Cannot specify"),
        ({"backend": "ipchains"}, "unrecognized backend"),
        ({"backend": "nftables", "externalSetMarkChain": "MINE"}, "iptables-specific options ['externalSetMarkChain']"),
        ({"backend": "iptables", "conditionsV4": ["ip", "saddr", "1.2.3.4"]}, "nftables-specific"),
        ({"externalSetMarkChain": "MINE", "conditionsV6": ["ip6", "saddr", "::1"]}, "nftables-specific"),
        ({"backend": "iptables", "conditionsV4": ["-s", "1.2.3.4\n-F"]}, "can't be given"),
    ],
)
def test_what_does_not_go_together_is_refused(our_way, host, keys, words):
    container, previous = attach(our_way, host)
    conf = with_result(ports((18080, 80, "tcp", ""), **keys), previous)
    failure = our_way.fails("ADD", conf, container, cid="one")
    assert failure.code == 7
    assert words in failure.msg
    our_way.delete(conf, container, cid="one")
    assert rules(host) == []


def test_gc_removes_host_ports_of_the_dead(our_way, host):
    container, previous = attach(our_way, host)
    conf = {**ports((18080, 80, "tcp", ""), backend="iptables", snat=False, masqAll=True), "cniVersion": "1.1.0"}
    for cid in ("one", "two"):
        our_way.add(with_result(conf, previous), container, cid=cid)
    other = {**conf, "name": "mktother"}
    our_way.add(with_result(other, previous), container, cid="three")
    our_way.call("GC", {**conf, "cni.dev/valid-attachments": [{"containerID": "two", "ifname": "eth0"}]})
    comments = {word for words in rules(host) for word in words if word.startswith("dnat name")}
    assert comments == {f'dnat name: "{conf["name"]}" id: "two"', 'dnat name: "mktother" id: "three"'}


@pytest.mark.parametrize("kind", ["bridge", "ptp"])
def test_masquerade(our_way, host, kind):
    far, container = host.container(), host.container()
    outside(host, far)
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    ipam = host_local(host.directory, "10.88.0.0/24", "fd88::/64", routes=routes)
    keys = {"bridge": "mktbr0", "isGateway": True} if kind == "bridge" else {}
    conf = config(kind, ipMasq=True, ipMasqBackend="iptables", ipam=ipam, **keys)
    answer = our_way.add(conf, container, cid="one")
    server = host.serve(far, 8080, "far")
    assert host.ask("192.0.2.9", 8080, path=container) == "far 192.0.2.1"
    server.close()
    assert tables(host) == []
    assert [len(rules(host, family, 'name: "')) for family in (AF_INET, AF_INET6)] == [3, 3]
    our_way.check(conf, container, answer, cid="one")
    host.run("iptables", "-t", "nat", "-F", "POSTROUTING")
    host.run("ip6tables", "-t", "nat", "-F", "POSTROUTING")
    previous = with_result(conf, answer)
    assert "masquerade" in our_way.fails("CHECK", previous, container, cid="one").msg
    our_way.delete(conf, container, cid="one")
    our_way.add(conf, container, cid="one")
    netns.unpin(container)
    our_way.call("GC", {**conf, "cniVersion": "1.1.0", "cni.dev/valid-attachments": []})
    assert rules(host, AF_INET, 'name: "') == rules(host, AF_INET6, 'name: "') == []
    assert "unknown ipmasq backend" in our_way.fails("ADD", {**conf, "ipMasqBackend": "x"}, host.container()).msg


@needs_reference
def test_masquerade_as_the_reference_makes_it(host, plugin_directory):
    conf = {**bridge(host, ipMasq=True, ipMasqBackend="iptables"), "name": "mktnet"}
    made = []
    for name, directory in (("reference", REFERENCE), ("in process", plugin_directory)):
        one = host.container()
        conf["ipam"]["dataDir"] = str(host.directory / name)
        Way(name, host, directory).add(conf, one, cid="one")
        made.append(sorted(rules(host, AF_INET, 'name: "')))
        Way("in process", host, plugin_directory).delete(conf, one, cid="one")
        assert rules(host, AF_INET, 'name: "') == []
    assert made[0] == made[1]
    assert len(made[0]) == 3
