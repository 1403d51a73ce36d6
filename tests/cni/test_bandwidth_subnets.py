"""bandwidth for some subnets only, or for all but some."""

import re
import socket

import pytest

from linux import addresses, htb, links, netns
from tests.cni.conftest import config, with_result
from tests.cni.test_bridge import bridge

pytestmark = pytest.mark.live
RATES = {"ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 16_000_000, "egressBurst": 1_600_000}
PAYLOAD = 1000


def connected(way, host):
    """A container, and the host at addresses of several subnets."""
    for cidr in ("10.99.1.1/32", "10.99.2.1/32", "fd99:0:0:1::1/128", "fd99:0:0:2::1/128"):
        host.inside(links.add_address, "lo", cidr)
    container = host.container()
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    answer = way.add(bridge(host, "10.88.0.0/24", "fd88::/64", routes=routes), container, cid="one")
    return container, answer


def limited(host, link):
    """Bytes that the limited class of a link has sent."""
    return int(re.search(r"Sent (\d+) bytes", host.run("tc", "-s", "class", "show", "dev", link).stdout)[1])


def send(path, source, far, target):
    """A datagram from somewhere to somewhere, there when this returns."""

    def opened(address):
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(10)
        made.bind((address, 0))
        return made

    with netns.run_in(path, lambda: opened(source)) as out, netns.run_in(far, lambda: opened(target)) as into:
        out.sendto(bytes(PAYLOAD), into.getsockname()[:2])
        assert len(into.recv(65536)) == PAYLOAD


@pytest.mark.parametrize(
    ("key", "subnets", "expected"),
    [
        ("shapedSubnets", ["10.99.1.0/24", "fd99:0:0:1::/64"], {"1"}),
        ("unshapedSubnets", ["10.99.1.0/24", "fd99:0:0:1::/64"], {"2"}),
        ("unshapedSubnets", ["0.0.0.0/0", "::/0"], set()),
    ],
)
def test_what_goes_where_is_limited_as_asked(our_way, host, key, subnets, expected):
    container, previous = connected(our_way, host)
    conf = with_result(config("bandwidth", **RATES, **{key: subnets}), previous)
    answer = our_way.add(conf, container, cid="one")
    ifb, port = answer["interfaces"][3]["name"], previous["interfaces"][1]["name"]
    for which in ("1", "2"):
        for inner, outer in (
            ("10.88.0.2", f"10.99.{which}.1"),
            ("fd88::2", f"fd99:0:0:{which}::1"),
        ):
            for link, path, source, far, target in (
                (ifb, container, inner, host.path, outer),
                (port, host.path, outer, container, inner),
            ):
                before = limited(host, link)
                send(path, source, far, target)
                assert (limited(host, link) - before >= PAYLOAD) == (which in expected), (which, link, target)
    our_way.check(conf, container, answer, cid="one")
    host.run("tc", "qdisc", "del", "dev", ifb, "root")
    assert "no limit" in our_way.fails("CHECK", with_result(conf, answer), container, cid="one").msg
    our_way.delete(conf, container, cid="one")
    assert not host.inside(links.link_exists, ifb)


def test_a_pods_rates_meet_the_networks_subnets(our_way, host):
    container, previous = connected(our_way, host)
    asked = {"bandwidth": {"egressRate": 80_000_000_000, "egressBurst": 8_000_000}}
    conf = config("bandwidth", runtimeConfig=asked, unshapedSubnets=["10.99.0.0/16"])
    answer = our_way.add(with_result(conf, previous), container, cid="one")
    ifb = answer["interfaces"][3]["name"]
    index = host.inside(links.get, ifb).index

    def rates():
        with htb.Netlink() as nl:
            return htb.rates(index, nl)

    assert host.inside(rates) == [80_000_000_000]
    our_way.check(conf, container, answer, cid="one")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"shapedSubnets": ["10.0.0.0/8"], "unshapedSubnets": ["10.0.0.0/8"]}, "both"),
        ({"shapedSubnets": ["10.0.0.0/33"]}, "bad subnet"),
        ({"unshapedSubnets": ["here"]}, "bad subnet"),
    ],
)
def test_bad_subnets(our_way, host, keys, words):
    container, previous = connected(our_way, host)
    failure = our_way.fails("ADD", with_result(config("bandwidth", **RATES, **keys), previous), container, cid="one")
    assert failure.code == 7
    assert words in failure.msg


@pytest.mark.parametrize(("subnet", "count"), [("0.0.0.0/0", 1), ("10.0.0.0/9", 1), ("::/0", 1), ("fd00::/33", 2)])
def test_only_as_many_words_are_compared_as_the_prefix_has(subnet, count):
    packed, prefix = addresses.parse_cidr(subnet)
    keys = htb._keys(packed, prefix, 8)
    assert len(keys) == count
    assert keys[0][:4] == addresses.from_int(max(0, (1 << 32) - (1 << max(0, 32 - prefix))), 4)
