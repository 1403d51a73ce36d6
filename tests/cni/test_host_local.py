import threading
from pathlib import Path

import pytest

from cni import in_process
from cni.config import Call
from cni.errors import CNIError
from tests.cni.conftest import config, host_local, with_result

pytestmark = pytest.mark.live
REFERENCE_PLUGIN = "host-local"


def network(directory, *subnets, **keys):
    return config("host-local", ipam=host_local(directory, *subnets, **keys))


def files(directory: Path, conf) -> list[str]:
    return sorted(
        p.name for p in (directory / "networks" / conf["name"]).iterdir() if p.name[0].isdigit() or ":" in p.name
    )


def test_keeps_the_references_files(way, host):
    conf = network(host.directory, routes=[{"dst": "0.0.0.0/0"}])
    answer = way.add(conf, "/var/run/none")
    assert answer["ips"] == [{"address": "10.88.0.2/24", "gateway": "10.88.0.1"}]
    assert answer["routes"] == [{"dst": "0.0.0.0/0"}]
    directory = host.directory / "networks" / conf["name"]
    assert (directory / "10.88.0.2").read_bytes() == b"cid1\r\neth0"
    assert (directory / "last_reserved_ip.0").read_text() == "10.88.0.2"
    way.check(conf, "/var/run/none", answer)
    way.delete(conf, "")
    assert files(host.directory, conf) == []
    way.delete(conf, "")
    assert way.fails("CHECK", with_result(conf, answer), "/var/run/none").code in (999, 100)


def test_round_robin_gateways_left_out_and_wrapped(way, host):
    conf = network(host.directory)
    conf["ipam"]["ranges"] = [[{"subnet": "10.88.0.0/29", "gateway": "10.88.0.4"}]]
    given = [way.add(conf, "/n", cid=f"c{i}")["ips"][0]["address"] for i in range(5)]
    assert given == [f"10.88.0.{n}/29" for n in (1, 2, 3, 5, 6)]
    failure = way.fails("ADD", conf, "/n", cid="more")
    assert "no IP addresses available in range set: 10.88.0.1-10.88.0.6" in failure.msg
    way.delete(conf, "", cid="c2")
    assert way.add(conf, "/n", cid="more")["ips"][0]["address"] == "10.88.0.3/29"


def test_several_sets_and_ranges_in_one(way, host):
    conf = network(host.directory)
    conf["ipam"]["ranges"] = [
        [
            {"subnet": "10.88.0.0/24", "rangeStart": "10.88.0.10", "rangeEnd": "10.88.0.10"},
            {"subnet": "10.89.0.0/24", "rangeStart": "10.89.0.20", "rangeEnd": "10.89.0.21"},
        ],
        [{"subnet": "fd88::/64", "rangeStart": "fd88::10"}],
    ]
    given = [[ip["address"] for ip in way.add(conf, "/n", cid=f"c{i}")["ips"]] for i in range(3)]
    assert given == [
        ["10.88.0.10/24", "fd88::10/64"],
        ["10.89.0.20/24", "fd88::11/64"],
        ["10.89.0.21/24", "fd88::12/64"],
    ]
    way.fails("ADD", conf, "/n", cid="more")
    # What the failed ADD had reserved in one set is free again.
    assert len(files(host.directory, conf)) == 6


def test_requested_addresses(way, host):
    conf = network(host.directory, "10.88.0.0/24", "fd88::/64")
    args = {"IP": "10.88.0.77", "IgnoreUnknown": "1"}
    first = way.add(conf, "/n", cid="a", args=args)
    assert first["ips"][0]["address"] == "10.88.0.77/24"
    assert "not available" in way.fails("ADD", conf, "/n", cid="b", args=args).msg
    assert "gateway" in way.fails("ADD", conf, "/n", cid="b", args={"IP": "10.88.0.1"}).msg
    asked = {**conf, "runtimeConfig": {"ips": ["fd88::99"]}}
    assert way.add(asked, "/n", cid="c")["ips"][1]["address"] == "fd88::99/64"
    elsewhere = {**conf, "args": {"cni": {"ips": ["172.16.0.1"]}}}
    assert "172.16.0.1" in way.fails("ADD", elsewhere, "/n", cid="d").msg
    ranges = {
        **conf,
        "ipam": {**conf["ipam"], "ranges": []},
        "runtimeConfig": {"ipRanges": [[{"subnet": "10.90.0.0/24"}]]},
    }
    assert way.add(ranges, "/n", cid="e")["ips"][0]["address"] == "10.90.0.2/24"


def test_same_attachment_twice_is_refused_and_keeps_its_address(our_way, host):
    conf = network(host.directory)
    our_way.add(conf, "/n")
    assert "duplicate allocation is not allowed" in our_way.fails("ADD", conf, "/n").msg
    assert files(host.directory, conf) == ["10.88.0.2"]
    assert our_way.add(conf, "/n", ifname="eth1")["ips"][0]["address"] == "10.88.0.3/24"


def test_flat_subnet_and_resolv_conf(way, host):
    resolv = host.directory / "resolv.conf"
    resolv.write_text("# comment\nnameserver 192.0.2.3\nsearch one two\noptions ndots:5\ndomain three\n")
    ipam = {
        "type": "host-local",
        "subnet": "10.88.0.0/24",
        "rangeStart": "10.88.0.50",
        "gateway": "10.88.0.254",
        "resolvConf": str(resolv),
        "dataDir": str(host.directory / "networks"),
    }
    answer = way.add(config("host-local", ipam=ipam), "/n")
    assert answer["ips"] == [{"address": "10.88.0.50/24", "gateway": "10.88.0.254"}]
    assert answer["dns"] == {
        "nameservers": ["192.0.2.3"],
        "domain": "three",
        "search": ["one", "two"],
        "options": ["ndots:5"],
    }


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ([], "no IP ranges specified"),
        ([[{"subnet": "10.88.0.0/31"}]], "too small"),
        ([[{"subnet": "10.88.0.7/24"}]], "host bits"),
        ([[{"subnet": "10.88.0.0/24", "rangeStart": "10.99.0.1"}]], "RangeStart"),
        ([[{"subnet": "10.88.0.0/24", "rangeEnd": "10.99.0.1"}]], "RangeEnd"),
        ([[{"subnet": "10.88.0.0/24", "gateway": "fd88::1"}]], "gateway"),
        ([[{"subnet": "10.88.0.0/24"}, {"subnet": "fd88::/64"}]], "mixed"),
        ([[{"subnet": "10.88.0.0/24"}], [{"subnet": "10.88.0.0/25"}]], "overlap"),
        ([[{"subnet": "hello"}]], "hello"),
        ([[]], "empty range set"),
    ],
)
def test_bad_ranges(our_way, host, ranges, words):
    conf = network(host.directory)
    conf["ipam"]["ranges"] = ranges
    failure = our_way.fails("ADD", conf, "/n")
    assert failure.code == 7
    assert words in failure.msg


def test_unknown_arguments_are_refused_unless_told_otherwise(our_way, host):
    conf = network(host.directory)
    assert our_way.fails("ADD", conf, "/n", args={"WHAT": "x"}).code == 4
    our_way.add(conf, "/n", args={"WHAT": "x", "IgnoreUnknown": "true"})


def test_files_of_old_versions_are_released_too(way, host):
    conf = network(host.directory)
    way.add(conf, "/n", cid="other")
    path = host.directory / "networks" / conf["name"] / "10.88.0.9"
    path.write_text("cid1")
    way.delete(conf, "")
    assert files(host.directory, conf) == ["10.88.0.2"]


def test_two_hundred_at_once_get_two_hundred_addresses(host):
    conf = network(host.directory)
    given, failures = [], []

    def add(number):
        try:
            call = Call("ADD", conf, container_id=f"c{number}", netns="/n", ifname="eth0")
            given.append(in_process.run("host-local", call)["ips"][0]["address"])
        except CNIError as error:
            failures.append(error)

    threads = [threading.Thread(target=add, args=(n,)) for n in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set(given)) == 200


def test_gc_and_status(our_way, host):
    conf = {**network(host.directory), "cniVersion": "1.1.0"}
    for cid in ("a", "b"):
        our_way.add(conf, "/n", cid=cid)
    (host.directory / "networks" / conf["name"] / ".new").write_text("")
    our_way.call("STATUS", conf)
    our_way.call("GC", {**conf, "cni.dev/valid-attachments": [{"containerID": "b", "ifname": "eth0"}]})
    assert files(host.directory, conf) == ["10.88.0.3"]
    left = [p.name for p in (host.directory / "networks" / conf["name"]).iterdir()]
    assert sorted(left) == ["10.88.0.3", "last_reserved_ip.0", "lock"]


def test_ours_and_the_references_share_a_store(host, plugin_directory):
    from tests.cni.conftest import REFERENCE, Way

    if not Path(REFERENCE, "host-local").exists():
        pytest.skip("no reference binary")
    conf = network(host.directory)
    ours, theirs = Way("in process", host, plugin_directory), Way("reference", host, REFERENCE)
    assert ours.add(conf, "/n", cid="a")["ips"][0]["address"] == "10.88.0.2/24"
    assert theirs.add(conf, "/n", cid="b")["ips"][0]["address"] == "10.88.0.3/24"
    assert ours.add(conf, "/n", cid="c")["ips"][0]["address"] == "10.88.0.4/24"
    ours.delete(conf, "", cid="b")
    theirs.delete(conf, "", cid="a")
    assert files(host.directory, conf) == ["10.88.0.4"]


def test_what_a_killed_call_left_half_done_hurts_nobody(our_way, host):
    """Killed after linking: the temporary file is a second name of somebody's reservation."""
    conf = network(host.directory)
    our_way.add(conf, "/n", cid="a")
    directory = host.directory / "networks" / conf["name"]
    (directory / ".new").hardlink_to(directory / "10.88.0.2")
    our_way.add(conf, "/n", cid="b")
    assert (directory / "10.88.0.2").read_bytes() == b"a\r\neth0"
    assert (directory / "10.88.0.3").read_bytes() == b"b\r\neth0"
    assert not (directory / ".new").exists()
