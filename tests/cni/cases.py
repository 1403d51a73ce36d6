"""One configuration of each plugin that can be attached on a bare host, for the tests that go through all plugins.

| plugin | ADD DEL CHECK | GC STATUS | VERSION | the reference's binary agrees |
|---|---|---|---|---|
| bridge, ptp, macvlan, host-device, loopback | test_every_verb | test_every_verb | test_every_verb | yes |
| host-local, static, portmap, bandwidth, tuning | test_every_verb | test_every_verb | test_every_verb | yes |
| flannel, sample | test_every_verb | test_every_verb | test_every_verb | has none |
| ipvlan | test_ipvlan (needs the kernel of e2e/vm) | test_ipvlan | test_every_verb | yes |
| dhcp | test_dhcp (needs a daemon and a server) | test_dhcp | test_every_verb | yes |

Each is called in process and as an executable, and as Debian's binary where there is one; what CHECK must find is in
test_check.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from linux import links, netns, nftables
from tests.cni.conftest import Way, config, host_local
from tests.cni.test_bridge import bridge, outside

PORTS = [
    {"hostPort": 18080, "containerPort": 80, "protocol": "tcp"},
    {"hostPort": 18053, "containerPort": 53, "protocol": "udp"},
]
RATES = {"ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 16_000_000, "egressBurst": 1_600_000}
V4, V6 = "192.0.2.0/24", "fd22::/64"


def nothing(_host):
    """What is left of a plugin that leaves nothing anywhere."""
    return []


def reserved(host):
    """The addresses that host-local holds."""
    return [path.name for path in (host.directory / "networks").glob("*/*") if path.name[0] in "1f"]


def tables_and_chains(host):
    """What is in the kernel's tables of what plugins make."""
    text = host.inside(nftables.run, "list ruleset")
    made = [line for line in text.splitlines() if "minikube_py" in line or "CNI-DN-" in line or "CNI-0" in line]
    return made + re.findall(r'comment "[0-9a-f]+-[0-9a-f]+"', text)


def veths(host):
    """The veth pairs of containers on the host."""
    return [one.name for one in host.inside(links.list_links) if one.kind in ("veth", "ifb") and one.name != "mktup"]


@dataclass(frozen=True)
class Case:
    """A plugin's configuration.

    Attributes:
        make: Prepares the host, and gives the configuration.
        ifname: The interface.
        chained: Whether it is called after a bridge.
        broken: Keys with which STATUS says that the plugin can't work, and the code it does that with.
        left: What is there on the host because of the attachment.
    """

    make: Callable
    ifname: str = "eth0"
    chained: bool = False
    broken: tuple | None = None
    left: Callable = nothing


def _bridge(host):
    return bridge(host, "10.88.0.0/24", "fd88::/64", ipMasq=True, routes=[{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])


def _ptp(host):
    ipam = host_local(host.directory, "10.88.0.0/24", "fd88::/64", routes=[{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])
    return config("ptp", ipMasq=True, ipam=ipam)


def _macvlan(host):
    if not host.inside(links.link_exists, "mktup"):
        outside(host, host.container())
    return config("macvlan", master="mktup", ipam=host_local(host.directory, V4, V6))


def _host_device(host):
    names = [one.name for one in host.inside(links.list_links)]
    device = next((name for name in names if name.startswith("mktd")), "")
    if not device:
        number = len(host.pins)
        device = f"mktd{number}"
        host.run("ip", "link", "add", device, "type", "veth", "peer", "name", f"mktup{number}")
    # IPv4 only: the reference waits ten seconds for IPv6's duplicate detection where the link has no carrier.
    ipam = host_local(host.directory, V4, routes=[{"dst": "0.0.0.0/0"}])
    return config("host-device", device=device, ipam=ipam)


def _host_local(host):
    return config("host-local", ipam=host_local(host.directory, V4, V6, routes=[{"dst": "::/0", "gw": "fd22::1"}]))


def _static(_host):
    addresses = [{"address": "10.10.0.1/24", "gateway": "10.10.0.254"}, {"address": "3ffe:ffff::5/64"}]
    return config("static", ipam={"type": "static", "addresses": addresses, "dns": {"nameservers": ["10.10.0.2"]}})


def _portmap(_host):
    return config("portmap", runtimeConfig={"portMappings": PORTS})


def _tuning(host):
    keys = {"sysctl": {"net.ipv4.conf.all.log_martians": "1"}, "mac": "02:00:00:00:00:0b", "mtu": 1400}
    return config("tuning", promisc=True, allmulti=True, dataDir=str(host.directory / "tuning"), **keys)


def _flannel(host):
    (host.directory / "subnet.env").write_text(
        "FLANNEL_NETWORK=10.88.0.0/16\nFLANNEL_SUBNET=10.88.5.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n"
        "FLANNEL_IPV6_NETWORK=fd88::/48\nFLANNEL_IPV6_SUBNET=fd88:0:0:5::1/64\n"
    )
    return config(
        "flannel",
        subnetFile=str(host.directory / "subnet.env"),
        dataDir=str(host.directory / "flannel"),
        ipam={"dataDir": str(host.directory / "networks")},
        delegate={"bridge": "mktfl0"},
    )


def _files(directory):
    return lambda host: [path.name for path in (host.directory / directory).glob("*")]


NO_RANGES = ({"ipam": {"type": "host-local"}}, 7)
CASES = {
    "bridge": Case(_bridge, broken=({"bridge": "lo"}, 50), left=lambda host: reserved(host) + veths(host)),
    "ptp": Case(_ptp, broken=NO_RANGES, left=lambda host: reserved(host) + veths(host)),
    "macvlan": Case(_macvlan, broken=({"master": "mktno"}, 50), left=reserved),
    "host-device": Case(_host_device, broken=({"device": ""}, 7), left=reserved),
    "loopback": Case(lambda _host: config("loopback"), ifname="lo"),
    "host-local": Case(_host_local, broken=NO_RANGES, left=reserved),
    "static": Case(_static, broken=({"ipam": {"type": "static", "addresses": [{"address": "x"}]}}, 7)),
    "portmap": Case(_portmap, chained=True, broken=({"backend": "odd"}, 7), left=tables_and_chains),
    "bandwidth": Case(
        lambda _host: config("bandwidth", **RATES),
        chained=True,
        broken=({"ingressBurst": 0}, 7),
        left=lambda host: [name for name in veths(host) if name.startswith("bwp")],
    ),
    "tuning": Case(_tuning, chained=True, broken=({"sysctl": {"kernel.shmmax": "1"}}, 7), left=_files("tuning")),
    "flannel": Case(
        _flannel,
        broken=({"subnetFile": "/nowhere"}, 50),
        left=lambda host: reserved(host) + veths(host) + _files("flannel")(host),
    ),
    "sample": Case(
        lambda _host: config("sample", anotherAwesomeArg="yes"),
        chained=True,
        broken=({"anotherAwesomeArg": ""}, 7),
    ),
}


def attached(host, case, way, cid):
    """A container, the plugin's configuration, and the result before it where it is chained (after a bridge)."""
    container = host.container()
    conf = case.make(host)
    if not case.chained:
        return container, conf, None
    before = Way("in process", host, way.directory).add({**_bridge(host), "ipMasq": False}, container, cid=cid)
    return container, conf, before


def detach_all(host, container):
    """Let the pair of the bridge that a chained plugin came after go."""
    netns.run_in(container, lambda: links.delete_link("eth0"))


def same(answer, container):
    """A result without what is by chance: MAC addresses, names of host links, the namespace's path."""
    text = json.dumps(answer)
    for one in answer.get("interfaces") or []:
        if one.get("mac") and one["mac"] not in ("02:00:00:00:00:0b", "00:00:00:00:00:00"):
            text = text.replace(one["mac"], "MAC")
        if not one.get("sandbox") and one["name"].startswith(("veth", "bwp")):
            text = text.replace(one["name"], one["name"][:3])
    return json.loads(text.replace(container, "NETNS"))
