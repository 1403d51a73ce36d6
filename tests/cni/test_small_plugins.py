"""loopback, static, sample, host-device, tuning, bandwidth and flannel: live, one test per behaviour."""

import json
import re

import pytest

from cni.errors import CNIError
from linux import links, netns, sysctl, tc
from linux.netlink import Netlink
from tests.cni.conftest import REFERENCE, Way, addresses_in, config, host_local, tables, with_result
from tests.cni.test_bridge import bridge

pytestmark = pytest.mark.live


@pytest.fixture
def ways(host, plugin_directory):
    """The three ways for a plugin that is named by the test."""
    from pathlib import Path

    def found(kind, *, reference=True):
        yield Way("in process", host, plugin_directory)
        yield Way("executable", host, plugin_directory)
        if reference and Path(REFERENCE, kind).exists():
            yield Way("reference", host, REFERENCE)

    return found


def test_loopback(ways, host):
    for way in ways("loopback"):
        one = host.container()
        assert not netns.run_in(one, lambda: links.get("lo")).up
        conf = config("loopback")
        answer = way.add(conf, one, ifname="lo")
        assert netns.run_in(one, lambda: links.get("lo")).up
        assert answer["interfaces"] == [{"name": "lo", "mac": "00:00:00:00:00:00", "sandbox": one}]
        assert {ip["address"] for ip in answer["ips"]} == {"127.0.0.1/8", "::1/128"}
        way.check(conf, one, answer, ifname="lo")
        way.delete(conf, one, ifname="lo")
        assert not netns.run_in(one, lambda: links.get("lo")).up
        with pytest.raises(CNIError):
            way.check(conf, one, answer, ifname="lo")
        way.delete(conf, "/var/run/gone", ifname="lo")
        previous = {"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}]}
        assert way.add({**conf, "prevResult": previous}, one, ifname="lo")["ips"] == [{"address": "10.0.0.2/24"}]


def test_static(ways):
    ipam = {
        "type": "static",
        "addresses": [{"address": "10.10.0.1/24", "gateway": "10.10.0.254"}, {"address": "3ffe:ffff::5/64"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.10.5.1"}],
        "dns": {"nameservers": ["10.10.0.1"], "domain": "example.com"},
    }
    conf = config("static", ipam=ipam)
    for way in ways("static"):
        answer = way.add(conf, "/n")
        assert answer["ips"] == [
            {"address": "10.10.0.1/24", "gateway": "10.10.0.254"},
            {"address": "3ffe:ffff::5/64"},
        ]
        assert answer["routes"] == ipam["routes"]
        assert answer["dns"] == ipam["dns"]
        way.check(conf, "/n", answer)
        way.delete(conf, "")
        more = way.add(conf, "/n", args={"IP": "10.11.0.2/24", "GATEWAY": "10.11.0.1", "IgnoreUnknown": "1"})
        assert more["ips"][2] == {"address": "10.11.0.2/24", "gateway": "10.11.0.1"}
        replaced = way.add({**conf, "runtimeConfig": {"ips": ["10.12.0.3/24"]}}, "/n")
        assert [ip["address"] for ip in replaced["ips"]] == ["10.12.0.3/24"]
        other = {**answer, "ips": [{"address": "10.10.0.1/24", "gateway": "10.10.0.253"}, answer["ips"][1]]}
        assert "10.10.0.1" in way.fails("CHECK", with_result(conf, other), "/n").msg
        bad = {**conf, "ipam": {"type": "static", "addresses": [{"address": "10.10.0.1"}]}}
        assert "10.10.0.1" in way.fails("ADD", bad, "/n").msg


def test_sample(ways):
    previous = {"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}], "dns": {}}
    for way in ways("sample"):
        conf = config("sample", anotherAwesomeArg="yes", prevResult=previous)
        assert way.add(conf, "/n")["ips"] == previous["ips"]
        way.delete(conf, "/n")
        assert "anotherAwesomeArg" in way.fails("ADD", config("sample", prevResult=previous), "/n").msg
        assert "chained" in way.fails("ADD", config("sample", anotherAwesomeArg="yes"), "/n").msg


def test_host_device(ways, host):
    for number, way in enumerate(ways("host-device")):
        name = f"mktd{number}"
        host.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"mktq{number}")
        mac = host.inside(links.get, name).mac
        one = host.container()
        conf = config("host-device", device=name, ipam=host_local(host.directory, "10.88.0.0/24"))
        answer = way.add(conf, one, cid=f"c{number}")
        assert addresses_in(one) == [answer["ips"][0]["address"]]
        assert not host.inside(links.link_exists, name)
        assert answer["interfaces"][0]["mac"] == mac
        way.check(conf, one, answer, cid=f"c{number}")
        way.delete(with_result(conf, answer), one, cid=f"c{number}")
        back = host.inside(links.get, name)
        assert back.mac == mac
        assert back.alias == "" or not way.ours
        by_mac = config("host-device", hwaddr=mac)
        way.add(by_mac, one, ifname="net1")
        assert netns.run_in(one, lambda: links.get("net1")).alias == name
        way.delete(by_mac, one, ifname="net1")
        assert host.inside(links.link_exists, name)
        way.fails("ADD", config("host-device"), one)
        way.fails("ADD", config("host-device", device="mktno"), one)


def test_host_device_dual_stack(ways, host):
    for way in ways("host-device", reference=False):
        far = host.container()
        host.run("ip", "link", "add", "mktd0", "type", "veth", "peer", "name", "eth0", "netns", far)
        netns.run_in(far, lambda: (links.add_address("eth0", "fd22::9/64"), links.set_up("eth0")))
        one, conf = host.container(), config("host-device", device="mktd0")
        conf["ipam"] = host_local(host.directory, "192.0.2.0/24", "fd22::/64", routes=[{"dst": "::/0"}])
        way.add(conf, one)
        assert sorted(addresses_in(one)) == ["192.0.2.2/24", "fd22::2/64"]
        assert ("::/0", "fd22::1") in {(r.dst, r.gateway) for r in netns.run_in(one, links.routes)}
        way.delete(conf, one)
        host.run("ip", "link", "del", "mktd0")


def test_host_device_comes_back_when_its_name_is_free_again(ways, host):
    for way in ways("host-device", reference=False):
        host.run("ip", "link", "add", "mktd0", "type", "veth", "peer", "name", "mktq0")
        one, conf = host.container(), config("host-device", device="mktd0")
        way.add(conf, one)
        host.run("ip", "link", "add", "mktd0", "type", "bridge")
        assert "mktd0" in way.fails("DEL", conf, one).msg
        assert netns.run_in(one, lambda: links.get("eth0")).alias == "mktd0"
        host.run("ip", "link", "del", "mktd0")
        way.delete(conf, one)
        way.delete(conf, one)
        assert host.inside(links.get, "mktd0").kind == "veth"
        host.run("ip", "link", "del", "mktd0")


def test_host_device_takes_the_first_of_several_names(ways, host):
    for way in ways("host-device"):
        host.run("ip", "link", "add", "mktd0", "type", "veth", "peer", "name", "mktq0")
        one, mac = host.container(), host.inside(links.get, "mktq0").mac
        way.add(config("host-device", device="mktd0", hwaddr=mac), one)
        assert host.inside(links.find, "mktd0") is None
        way.delete(config("host-device", device="mktd0"), one)
        assert "mktno" in str(way.fails("ADD", config("host-device", device="mktno", hwaddr=mac), one)) or not way.ours
        missing = config("host-device", runtimeConfig={"deviceID": "0000:ff:1f.7"})
        assert "0000:ff:1f.7" in str(way.fails("ADD", missing, one))
        host.run("ip", "link", "del", "mktd0")


def connected(way, host, cid="one"):
    container = host.container()
    return container, Way("in process", host, way.directory).add(bridge(host), container, cid=cid)


def test_tuning(ways, host):
    for way in ways("tuning"):
        one, previous = connected(way, host, cid=f"c-{way.name.replace(' ', '-')}")
        old = netns.run_in(one, lambda: links.get("eth0"))
        conf = config(
            "tuning",
            sysctl={"net.ipv4.conf.IFNAME.log_martians": "1", "net/ipv4/conf/all/log_martians": "1"},
            mac="02:00:00:00:00:0b",
            mtu=1400,
            promisc=True,
            allmulti=True,
            dataDir=str(host.directory / f"tuning-{way.name}"),
        )
        if way.name != "reference":
            conf["txQLen"] = 777
        conf = with_result(conf, previous)
        answer = way.add(conf, one)
        new = netns.run_in(one, lambda: links.get("eth0"))
        assert (new.mac, new.mtu) == ("02:00:00:00:00:0b", 1400)
        assert new.flags & links.IFF_PROMISC
        assert new.flags & links.IFF_ALLMULTI
        assert netns.run_in(one, lambda: sysctl.read("net/ipv4/conf/eth0/log_martians")) == "1"
        assert answer["interfaces"][2]["mac"] == "02:00:00:00:00:0b"
        if way.ours:  # the reference looks for an interface with the name IFNAME
            way.check(conf, one, answer)
        netns.run_in(one, lambda: sysctl.write("net/ipv4/conf/all/log_martians", 0))
        with pytest.raises(CNIError):
            way.check(conf, one, answer)
        way.delete(conf, one)
        back = netns.run_in(one, lambda: links.get("eth0"))
        assert (back.mac, back.mtu, back.txqlen) == (old.mac, old.mtu, old.txqlen)
        assert not back.flags & (links.IFF_PROMISC | links.IFF_ALLMULTI)
        assert not list((host.directory / f"tuning-{way.name}").iterdir())
        way.delete(conf, "")
        way.fails("ADD", with_result(config("tuning", sysctl={"kernel.shmmax": "1"}), previous), one)


def test_tuning_by_arguments(ways, host):
    for way in ways("tuning"):
        cid = f"c-{way.name.replace(' ', '-')}"
        one, previous = connected(way, host, cid=cid)
        given = {"mtu": 1300, "promisc": True, "allmulti": True, "mac": "02:00:00:00:00:0d"}
        given["sysctl"] = {"net.ipv4.conf.eth0.log_martians": "1"}
        keys = {"sysctl": {"net.ipv4.conf.all.log_martians": "1"}, "dataDir": str(host.directory / "tuned")}
        conf = config("tuning", mtu=1400, runtimeConfig={"mac": "02:00:00:00:00:0c"}, args={"cni": given}, **keys)
        answer = way.add(with_result(conf, previous), one, args={"MAC": "02:00:00:00:00:0b", "IgnoreUnknown": "1"})
        new = netns.run_in(one, lambda: links.get("eth0"))
        assert (new.mac, new.mtu) == ("02:00:00:00:00:0d", 1300)
        assert new.flags & links.IFF_PROMISC
        assert new.flags & links.IFF_ALLMULTI
        for name in ("all", "eth0"):
            path = f"net/ipv4/conf/{name}/log_martians"
            assert netns.run_in(one, lambda path=path: sysctl.read(path)) == "1"
        way.check(conf, one, answer)
        plain = {**conf, "args": {}, "mtu": 1300, "runtimeConfig": {"mac": "02:00:00:00:00:0d"}}
        assert "promisc" in way.fails("CHECK", with_result(plain, answer), one).msg
        way.delete(conf, one)
        assert netns.run_in(one, lambda: links.get("eth0")).mtu == 1500


def test_tuning_refuses_values_that_are_no_text(ways, host):
    for way in ways("tuning", reference=False):
        one, previous = connected(way, host, cid=f"c-{way.name.replace(' ', '-')}")
        odd = config("tuning", sysctl={"net.ipv4.ip_forward": True})
        assert way.fails("ADD", with_result(odd, previous), one).code == 7


def test_tuning_refuses_a_parameter_named_twice(ways, host):
    for way in ways("tuning", reference=False):
        one, previous = connected(way, host, cid=f"c-{way.name.replace(' ', '-')}")
        twice = {"net.ipv4.ip_forward": "1", "net/ipv4/ip_forward": "0"}
        failure = way.fails("ADD", with_result(config("tuning", sysctl=twice), previous), one)
        assert "duplicate" in failure.msg
        assert "chained" in way.fails("ADD", config("tuning", mtu=1400), one).msg


def test_bandwidth(ways, host):
    for way in ways("bandwidth"):
        cid = f"c-{way.name.replace(' ', '-')}"
        one, previous = connected(way, host, cid=cid)
        keys = {"ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 16_000_000, "egressBurst": 1_600_000}
        conf = with_result(config("bandwidth", **keys), previous)
        answer = way.add(conf, one, cid=cid)
        ifb = answer["interfaces"][3]["name"]
        port = previous["interfaces"][1]["name"]

        def rates(names):
            with Netlink() as nl:
                return [
                    one.rate for name in names for one in tc.qdiscs(links.get(name, nl).index, nl) if one.kind == "tbf"
                ]

        assert host.inside(rates, [port, ifb]) == [8_000_000, 16_000_000]
        way.check(conf, one, answer, cid=cid)
        for device, burst in ((port, "40k"), (ifb, "40k")):
            listing = host.run("tc", "qdisc", "show", "dev", device).stdout
            rate = re.search(r"rate (\S+)", listing)[1]
            words = ("tbf", "rate", rate, "burst", burst, "latency", "25ms")
            host.run("tc", "qdisc", "change", "dev", device, "root", *words)
            way.fails("CHECK", with_result(conf, answer), one, cid=cid)
            before = "100k" if device == port else "200k"
            host.run(
                "tc", "qdisc", "change", "dev", device, "root", "tbf", "rate", rate, "burst", before, "latency", "25ms"
            )
        # What the container sends goes through the ifb link.
        host.run("ping", "-c", "1", "10.88.0.1", path=one, check=False)
        way.delete(conf, one, cid=cid)
        assert not host.inside(links.link_exists, ifb)
        way.delete(conf, "", cid=cid)
        half = with_result(config("bandwidth", ingressRate=1000), previous)
        assert "burst" in way.fails("ADD", half, one, cid=cid).msg.lower()


def test_bandwidth_really_limits(ways, host):
    import socket
    import time

    way = next(ways("bandwidth"))
    one, previous = connected(way, host)
    limits = {"egressRate": 40_000_000, "egressBurst": 400_000}
    way.add(with_result(config("bandwidth", runtimeConfig={"bandwidth": limits}), previous), one, cid="one")

    def listener():
        made = socket.create_server(("10.88.0.1", 9000))
        made.settimeout(5)
        return made

    server = host.inside(listener)
    client = netns.run_in(one, lambda: socket.create_connection(("10.88.0.1", 9000), 5))
    peer, _ = server.accept()
    size, got = 2_000_000, 0
    started = time.monotonic()
    import threading

    threading.Thread(target=client.sendall, args=(bytes(size),), daemon=True).start()
    while got < size:
        got += len(peer.recv(65536))
    seconds = time.monotonic() - started
    for one_socket in (client, peer, server):
        one_socket.close()
    assert seconds > 0.2, "two megabytes at 40 Mbit/s take 0.4 s"


def test_bandwidth_gc_removes_the_ifb_link(ways, host):
    for way in ways("bandwidth", reference=False):
        cid = f"c-{way.name.replace(' ', '-')}"
        one, previous = connected(way, host, cid=cid)
        conf = config("bandwidth", egressRate=8000000, egressBurst=800000, cniVersion="1.1.0")
        answer = way.add(with_result(conf, previous), one, cid=cid)
        keep = [{"containerID": cid, "ifname": "eth0"}]
        way.call("GC", {**conf, "cni.dev/valid-attachments": keep})
        assert host.inside(links.link_exists, answer["interfaces"][3]["name"])
        way.call("GC", {**conf, "cni.dev/valid-attachments": []})
        assert not host.inside(links.link_exists, answer["interfaces"][3]["name"])


def test_flannel(ways, host):
    subnet = host.directory / "subnet.env"
    subnet.write_text(
        "FLANNEL_NETWORK=10.88.0.0/16\nFLANNEL_SUBNET=10.88.5.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n"
        "FLANNEL_IPV6_NETWORK=fd88::/48\nFLANNEL_IPV6_SUBNET=fd88:0:0:5::1/64\n"
    )
    for way in ways("flannel"):
        one = host.container()
        conf = config(
            "flannel",
            subnetFile=str(subnet),
            dataDir=str(host.directory / "flannel"),
            ipam={"dataDir": str(host.directory / f"nets-{way.name}")},
            delegate={"bridge": "mktfl0", "hairpinMode": True},
        )
        answer = way.add(conf, one)
        assert [ip["address"] for ip in answer["ips"]] == ["10.88.5.2/24", "fd88:0:0:5::2/64"]
        assert {"dst": "10.88.0.0/16"} in answer["routes"]
        assert netns.run_in(one, lambda: links.get("eth0")).mtu == 1450
        assert tables(host) == [("inet", "minikube_py_masquerade")]
        made = json.loads((host.directory / "flannel" / "cid1").read_text())
        assert (made["type"], made["ipMasq"], made["isGateway"]) == ("bridge", True, True)
        way.check(conf, one, answer)
        subnet_text = subnet.read_text()
        subnet.unlink()
        way.delete(conf, one)
        way.delete(conf, one)
        assert tables(host) == []
        assert not list((host.directory / f"nets-{way.name}").glob("*/10.*"))
        assert "subnet.env" in str(way.fails("ADD", conf, host.container()))
        subnet.write_text(subnet_text)
        refused = {**conf, "delegate": {"name": "other"}}
        assert "name" in way.fails("ADD", refused, host.container()).msg
        assert way.fails("STATUS", {**conf, "cniVersion": "1.1.0", "subnetFile": "/nowhere"}).code == 50
