"""What CHECK must find: each thing that ADD made is taken away or changed, and each way to call the plugin says so."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from cni.errors import CNIError
from tests.cni.cases import CASES, attached, reserved
from tests.cni.conftest import REFERENCE, Way, config, host_local, with_result

pytestmark = pytest.mark.live


@dataclass(frozen=True)
class Attached:
    """An attachment that somebody is about to damage."""

    host: object
    container: str
    answer: dict

    def inside(self, *words):
        """Run a program in the container."""
        self.host.run(*words, path=self.container)

    def outer(self):
        """The host's end of the pair."""
        return next(one["name"] for one in self.answer["interfaces"] if one["name"].startswith("veth"))


def ip(*words):
    """Damage with `ip`, in the container."""
    return lambda it: it.inside("ip", *words)


def on_host(*words):
    """Damage with a program on the host; OUTER is the host's end of the pair."""
    return lambda it: it.host.run(*(it.outer() if word == "OUTER" else word for word in words))


def free_the_addresses(it):
    """Damage host-local's files."""
    for name in reserved(it.host):
        next((it.host.directory / "networks").glob(f"*/{name}")).unlink()


ADDRESS = {
    "IPv4 address": ip("addr", "flush", "dev", "eth0", "scope", "global"),
    "IPv6 address": ip("-6", "addr", "flush", "dev", "eth0", "scope", "global"),
    "link": ip("link", "del", "eth0"),
    "MAC address": ip("link", "set", "eth0", "address", "02:00:00:00:00:55"),
    "reservation": free_the_addresses,
}
ROUTES = {
    "IPv4 route": ip("route", "del", "default"),
    "IPv6 route": ip("-6", "route", "del", "default"),
}
# What the reference does not look for, and its portmap, which does not find its own rules for IPv6.
OURS_ONLY = {("bridge", "masquerade"), ("ptp", "masquerade"), ("bandwidth", "ingress"), ("bandwidth", "redirection")}
OURS_ONLY |= {("portmap", "rules")}
DAMAGE = {
    "bridge": {
        **ADDRESS,
        **ROUTES,
        "bridge's MAC address": on_host("ip", "link", "set", "mktbr0", "address", "02:00:00:00:00:56"),
        "promiscuous bridge": on_host("ip", "link", "set", "mktbr0", "promisc", "on"),
        "port": on_host("ip", "link", "set", "OUTER", "nomaster"),
        "port's MAC address": on_host("ip", "link", "set", "OUTER", "address", "02:00:00:00:00:57"),
        "bridge": on_host("ip", "link", "del", "mktbr0"),
        "masquerade": on_host("nft", "flush", "ruleset"),
    },
    "ptp": {**ADDRESS, **ROUTES, "masquerade": on_host("nft", "flush", "ruleset")},
    "macvlan": {**ADDRESS, "master": on_host("ip", "link", "set", "mktup", "name", "mktother")},
    "host-device": {
        "IPv4 address": ADDRESS["IPv4 address"],
        "MAC address": ADDRESS["MAC address"],
        "reservation": free_the_addresses,
        "link": ADDRESS["link"],
    },
    "loopback": {"down": ip("link", "set", "lo", "down")},
    "host-local": {"reservation": free_the_addresses},
    "tuning": {
        "sysctl": lambda it: it.inside("sysctl", "-q", "-w", "net.ipv4.conf.all.log_martians=0"),
        "MAC address": ADDRESS["MAC address"],
        "MTU": ip("link", "set", "eth0", "mtu", "1401"),
        "promiscuous mode": ip("link", "set", "eth0", "promisc", "off"),
        "all-multicast mode": ip("link", "set", "eth0", "allmulticast", "off"),
        "link": ADDRESS["link"],
    },
    "bandwidth": {
        "ingress": on_host("tc", "qdisc", "del", "dev", "OUTER", "root"),
        "redirection": on_host("tc", "qdisc", "del", "dev", "OUTER", "ingress"),
        "ifb link": lambda it: it.host.run("ip", "link", "del", it.answer["interfaces"][-1]["name"]),
        "rate": on_host(
            "tc", "qdisc", "change", "dev", "OUTER", "root", "tbf", "rate", "9mbit", "burst", "100k", "latency", "25ms"
        ),
    },
    "portmap": {"rules": on_host("nft", "flush", "ruleset")},
}


@pytest.fixture(params=["in process", "executable", "reference"])
def any_way(request, host, plugin_directory):
    """Each way, the reference's where it has the plugin; the test names that."""
    if request.param != "reference":
        return lambda _kind: Way(request.param, host, plugin_directory)

    def reference(kind):
        if not Path(REFERENCE, kind).exists():
            pytest.skip("no reference binary")
        return Way(request.param, host, REFERENCE)

    return reference


def fails(way, conf, one, case):
    """Whether CHECK says that something is amiss."""
    try:
        way.check(conf, one.container, one.answer, ifname=case.ifname, cid="one")
    except CNIError as error:
        return bool(error.msg)
    return False


@pytest.mark.parametrize(("kind", "what"), [(kind, what) for kind, rows in DAMAGE.items() for what in rows])
def test_finds(kind, what, host, any_way):
    case, way = CASES[kind], any_way(kind)
    if not way.ours and (kind, what) in OURS_ONLY:
        pytest.skip("the reference does not find that")
    container, conf, before = attached(host, case, way, "one")
    if before is not None:
        conf = with_result(conf, before)
    one = Attached(host, container, way.add(conf, container, ifname=case.ifname, cid="one"))
    assert not fails(way, conf, one, case), "undamaged"
    DAMAGE[kind][what](one)
    assert fails(way, conf, one, case)


@pytest.mark.parametrize("kind", ["bridge", "ptp", "macvlan", "host-device"])
def test_finds_another_namespace_in_the_result(kind, host, any_way):
    case, way = CASES[kind], any_way(kind)
    container, conf, _ = attached(host, case, way, "one")
    answer = way.add(conf, container, cid="one")
    for one in answer["interfaces"]:
        if one.get("sandbox"):
            one["sandbox"] = "/run/netns/mktother"
    failure = way.fails("CHECK", with_result(conf, answer), container, cid="one")
    assert "andbox" in failure.msg
    assert "prevResult" in failure.msg


def test_finds_routes_of_other_tables(our_way, host):
    container = host.container()
    routes = [{"dst": "10.1.0.0/16", "gw": "10.88.0.1", "table": 77, "priority": 5}]
    ipam = host_local(host.directory, "10.88.0.0/24", routes=routes)
    conf = config("bridge", bridge="mktbr0", isGateway=True, ipam=ipam, cniVersion="1.1.0")
    answer = our_way.add(conf, container)
    our_way.check(conf, container, answer)
    host.run("ip", "route", "flush", "table", "77", path=container)
    assert "10.1.0.0/16" in our_way.fails("CHECK", with_result(conf, answer), container).msg


@pytest.mark.parametrize(
    "kind", [kind for kind in CASES if kind not in ("static", "loopback", "host-local", "flannel")]
)
def test_needs_the_result_of_add(kind, our_way, host):
    case = CASES[kind]
    container, conf, _ = attached(host, case, our_way, "one")
    failure = our_way.fails("CHECK", conf, container, ifname=case.ifname, cid="one")
    assert failure.code in (7, 999)
    assert "prevResult" in failure.msg
