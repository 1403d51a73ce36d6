import pytest

from linux import conntrack, links, netns, nftables
from tests.cni.conftest import config, tables, with_result
from tests.cni.test_bridge import bridge, outside

pytestmark = pytest.mark.live
REFERENCE_PLUGIN = "portmap"


def ports(*mappings, **keys):
    listed = [
        {"hostPort": host_port, "containerPort": port, "protocol": protocol, **({"hostIP": ip} if ip else {})}
        for host_port, port, protocol, ip in mappings
    ]
    return config("portmap", runtimeConfig={"portMappings": listed}, **keys)


def attach(way, host, cid="one", *subnets, **keys):
    """A container on the bridge, made in process whatever the way: only the port mapping is compared."""
    from tests.cni.conftest import Way

    container = host.container()
    answer = Way("in process", host, way.directory).add(bridge(host, *subnets, **keys), container, cid=cid)
    return container, answer


def test_forwards_from_everywhere(way, host):
    far = host.container()
    outside(host, far)
    container, previous = attach(way, host)
    conf = with_result(ports((18080, 80, "tcp", "")), previous)
    answer = way.add(conf, container, cid="one")
    assert answer["ips"] == previous["ips"]
    server = host.serve(container, 80, "one")
    assert host.ask("127.0.0.1", 18080).startswith("one")
    assert host.ask("192.0.2.1", 18080).startswith("one")
    assert host.ask("192.0.2.1", 18080, path=far) == "one 192.0.2.9"
    # Hairpin: the container itself, through the host's port.
    host.run("ip", "link", "set", previous["interfaces"][1]["name"], "type", "bridge_slave", "hairpin", "on")
    assert host.ask("10.88.0.1", 18080, path=container).startswith("one 10.88.0.1")
    if way.ours:  # the reference looks for IPv6 rules although there is no IPv6 address
        way.check(conf, container, answer, cid="one")
    way.delete({**conf, "name": conf["name"]}, container, cid="one")
    with pytest.raises((TimeoutError, ConnectionRefusedError)):
        host.ask("127.0.0.1", 18080, timeout=0.5)
    server.close()
    assert tables(host) == []


def test_udp_and_host_addresses(way, host):
    host.inside(links.add_address, "lo", "192.0.2.50/32")
    container, previous = attach(way, host)
    conf = with_result(ports((15353, 53, "udp", ""), (18080, 80, "tcp", "192.0.2.50")), previous)
    way.add(conf, container, cid="one")
    dns, web = host.serve(container, 53, "dns", udp=True), host.serve(container, 80, "web")
    assert host.ask("10.88.0.1", 15353, udp=True).startswith("dns")
    assert host.ask("192.0.2.50", 18080).startswith("web")
    with pytest.raises((TimeoutError, ConnectionRefusedError)):
        host.ask("127.0.0.1", 18080, timeout=0.5)
    dns.close()
    web.close()
    way.delete(conf, container, cid="one")


def test_udp_flows_are_forgotten(our_way, host):
    container, previous = attach(our_way, host)
    conf = with_result(ports((15353, 53, "udp", "")), previous)
    our_way.add(conf, container, cid="one")
    dns = host.serve(container, 53, "dns", udp=True)
    host.ask("10.88.0.1", 15353, udp=True)
    assert any(flow.original[3] == 15353 for flow in host.inside(conntrack.flows))
    our_way.delete(conf, container, cid="one")
    assert not any(flow.original[3] == 15353 for flow in host.inside(conntrack.flows))
    dns.close()


def test_dual_stack(our_way, host):
    far = host.container()
    outside(host, far)
    host.inside(links.add_address, "mktup", "fd99::1/64")
    netns.run_in(far, lambda: links.add_address("eth0", "fd99::9/64"))
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    container, previous = attach(our_way, host, "one", "10.88.0.0/24", "fd88::/64", routes=routes)
    conf = with_result(ports((18080, 80, "tcp", ""), (18081, 80, "tcp", "fd99::1")), previous)
    our_way.add(conf, container, cid="one")
    server = host.serve(container, 80, "one", ipv6=True)
    assert host.ask("fd99::1", 18080, path=far) == "one fd99::9"
    assert host.ask("fd99::1", 18081, path=far) == "one fd99::9"
    assert host.ask("192.0.2.1", 18080, path=far) == "one ::ffff:192.0.2.9"
    with pytest.raises((TimeoutError, ConnectionRefusedError)):
        host.ask("192.0.2.1", 18081, path=far, timeout=0.5)
    server.close()
    assert {family for family, _ in tables(host)} == {"ip", "ip6"}
    our_way.delete(conf, container, cid="one")
    assert tables(host) == []


def test_two_containers_and_what_a_dead_one_left(our_way, host):
    first, one = attach(our_way, host, "one")
    conf = ports((18080, 80, "tcp", ""))
    our_way.add(with_result(conf, one), first, cid="one")
    second, two = attach(our_way, host, "two")
    # The same port for another container: the first was never deleted.
    our_way.add(with_result(conf, two), second, cid="two")
    server = host.serve(second, 80, "two")
    assert host.ask("127.0.0.1", 18080).startswith("two")
    our_way.delete(conf, first, cid="one")
    assert host.ask("127.0.0.1", 18080).startswith("two")
    server.close()
    our_way.call("GC", {**conf, "cniVersion": "1.1.0", "cni.dev/valid-attachments": []})
    assert tables(host) == []


def test_conditions_masquerade_all_and_no_snat(our_way, host):
    far = host.container()
    outside(host, far)
    container, previous = attach(our_way, host)
    conf = ports((18080, 80, "tcp", ""), conditionsV4=["ip", "saddr", "192.0.2.0/24"], masqAll=True)
    our_way.add(with_result(conf, previous), container, cid="one")
    server = host.serve(container, 80, "one")
    assert host.ask("192.0.2.1", 18080, path=far) == "one 10.88.0.1"
    with pytest.raises((TimeoutError, ConnectionRefusedError)):
        host.ask("10.88.0.1", 18080, source="127.0.0.1", timeout=0.5)
    our_way.delete(conf, container, cid="one")
    assert tables(host) == []
    plain = ports((18080, 80, "tcp", ""), snat=False)
    our_way.add(with_result(plain, previous), container, cid="one")
    assert host.ask("192.0.2.1", 18080, path=far) == "one 192.0.2.9"
    listing = host.inside(nftables.run, "list table ip minikube_py_hostport")
    assert "10.88.0.2 . 10.88.0.2" not in listing
    server.close()


def test_other_tables_are_left_alone(our_way, host):
    host.inside(nftables.run, "add table ip docker; add chain ip docker DOCKER; add table inet firewalld")
    before = host.inside(nftables.list_tables)
    container, previous = attach(our_way, host)
    conf = with_result(ports((18080, 80, "tcp", "")), previous)
    our_way.add(conf, container, cid="one")
    our_way.delete(conf, container, cid="one")
    assert host.inside(nftables.list_tables) == before


def test_without_ports_nothing_is_made(way, host):
    container, previous = attach(way, host)
    conf = with_result(config("portmap"), previous)
    assert way.add(conf, container, cid="one")["ips"] == previous["ips"]
    way.delete(conf, container, cid="one")
    assert tables(host) == []


@pytest.mark.parametrize(
    "mapping",
    [
        {"hostPort": 70000, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 80, "containerPort": 0, "protocol": "tcp"},
        {"hostPort": 80, "containerPort": 80, "protocol": "icmp"},
        {"hostPort": 80, "containerPort": 80, "protocol": "tcp", "hostIP": "here"},
        {"hostPort": "80", "containerPort": 80, "protocol": "tcp"},
        "80:80",
    ],
)
def test_bad_ports(our_way, host, mapping):
    container, previous = attach(our_way, host)
    conf = with_result(config("portmap", runtimeConfig={"portMappings": [mapping]}), previous)
    assert our_way.fails("ADD", conf, container, cid="one").code == 7


def test_must_be_chained(our_way, host):
    failure = our_way.fails("ADD", ports((18080, 80, "tcp", "")), host.container())
    assert "chained" in failure.msg
