"""tuning: what the administrator allows, and files in a directory that several networks share."""

import json
from pathlib import Path

import pytest

from cni.plugins import tuning
from linux import netns, sysctl
from tests.cni.conftest import Way, config, with_result
from tests.cni.test_bridge import bridge

pytestmark = pytest.mark.live


def connected(way, host, cid="cid1"):
    container = host.container()
    return container, Way("in process", host, way.directory).add(bridge(host), container, cid=cid)


@pytest.fixture
def allow(our_way, tmp_path, monkeypatch):
    """Put patterns into the list of allowed parameters, where only the plugin sees them."""

    def put(*patterns):
        path = tmp_path / "allowlist.conf"
        path.write_text("\n".join([*patterns, ""]))
        if our_way.name == "in process":
            monkeypatch.setattr(tuning, "_ALLOW_LIST", str(path))
            return
        wrapped = tmp_path / "wrapped"
        wrapped.mkdir(exist_ok=True)
        script = f"mount -t tmpfs none /etc && mkdir -p /etc/cni/tuning && cp {path} /etc/cni/tuning/"
        program = wrapped / "tuning"
        program.write_text(f"#!/bin/sh\nexec unshare -m sh -c '{script} && exec {our_way.directory}/tuning'\n")
        program.chmod(0o755)

    yield put
    if our_way.name != "in process":
        assert not Path("/etc/cni/tuning/allowlist.conf").exists()


def test_only_what_the_administrator_allows(our_way, host, tmp_path, allow):
    container, previous = connected(our_way, host)
    allow(r"^net.ipv4.conf.IFNAME.[a-z_]*$")
    caller = our_way if our_way.name == "in process" else Way("executable", host, str(tmp_path / "wrapped"))
    good = {"net.ipv4.conf.IFNAME.log_martians": "1"}
    conf = with_result(config("tuning", sysctl=good, dataDir=str(tmp_path / "tuning")), previous)
    caller.add(conf, container)
    assert netns.run_in(container, lambda: sysctl.read("net/ipv4/conf/eth0/log_martians")) == "1"
    failure = caller.fails("ADD", {**conf, "sysctl": {"net.ipv4.ip_forward": "1"}}, container)
    assert "is not allowed" in failure.msg
    allow()
    assert "is not allowed" in caller.fails("ADD", conf, container).msg
    caller.delete(conf, container)
    allow("net(")
    assert "no regular expression" in caller.fails("ADD", conf, container).msg


def test_gc_in_a_directory_that_networks_share(our_way, host, tmp_path):
    shared = tmp_path / "tuning"
    mine, other = (config("tuning", mtu=1400, dataDir=str(shared), cniVersion="1.1.0") for _ in range(2))
    for conf, cid in ((mine, "one"), (mine, "two"), (other, "three")):
        container, previous = connected(our_way, host, cid)
        our_way.add(with_result(conf, previous), container, cid=cid)
    (shared / "theirs_eth0.json").write_text(json.dumps({"mtu": 1500}))
    our_way.call("GC", {**mine, "cni.dev/valid-attachments": [{"containerID": "two", "ifname": "eth0"}]})
    assert sorted(path.name for path in shared.iterdir()) == ["theirs_eth0.json", "three_eth0.json", "two_eth0.json"]
    # What the reference has kept is ours to restore.
    container, _ = connected(our_way, host, "theirs")
    our_way.delete({**mine}, container, cid="theirs")
    assert not (shared / "theirs_eth0.json").exists()
