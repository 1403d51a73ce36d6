import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cni.plugins.dhcp import packet
from cni.plugins.dhcp.daemon import Daemon, client_id, listen, option_number
from linux import links, netns
from tests.cni.conftest import REFERENCE, Way, addresses_in, config, with_result
from tests.cni.test_bridge import outside


def test_a_message_survives_its_journey():
    options = {packet.OPTION_CLIENT_ID: b"\0" + b"x" * 300, packet.OPTION_REQUESTED_IP: bytes([10, 0, 0, 9])}
    sent = packet.Packet(packet.REQUEST, 0x12345678, b"\x02\0\0\0\0\x01", options, broadcast=True)
    data = sent.encode()
    assert len(data) >= 300
    got = packet.decode(data)
    assert (got.kind, got.transaction, got.mac) == (packet.REQUEST, 0x12345678, sent.mac)
    assert got.options[packet.OPTION_CLIENT_ID] == options[packet.OPTION_CLIENT_ID]


def test_headers_are_right():
    data = packet.in_ip(b"hello")
    assert packet._checksum(data[:20]) == 0
    swapped = data[:20] + data[22:24] + data[20:22] + data[24:]
    assert packet.from_ip(swapped) == b"hello"
    assert packet.from_ip(data) is None  # for the server's port
    assert packet.from_ip(b"") is None


@pytest.mark.parametrize("damage", [b"", b"\0" * 240, b"\0" * 236 + b"\x63\x82\x53\x63" + b"\x35\x09\x01"])
def test_damaged_messages_are_none(damage):
    found = packet.decode(damage)
    assert found is None or found.options == {}


def test_routes():
    classless = bytes([24, 10, 1, 2, 10, 0, 0, 1, 0, 10, 0, 0, 2, 25, 10, 9])
    assert packet.routes({packet.OPTION_CLASSLESS_ROUTES: classless, packet.OPTION_ROUTER: bytes([9, 9, 9, 9])}) == [
        {"dst": "10.1.2.0/24", "gw": "10.0.0.1"},
        {"dst": "0.0.0.0/0", "gw": "10.0.0.2"},
    ]
    old = {packet.OPTION_STATIC_ROUTES: bytes([10, 0, 0, 0, 1, 1, 1, 1]), packet.OPTION_ROUTER: bytes([1, 1, 1, 2])}
    assert packet.routes(old) == [{"dst": "10.0.0.0/8", "gw": "1.1.1.1"}, {"dst": "0.0.0.0/0", "gw": "1.1.1.2"}]
    assert packet.prefix_length(bytes([255, 255, 252, 0])) == 22


def test_names():
    assert option_number("routers") == 3
    assert option_number(121) == 121
    assert len(client_id("c" * 300, "n", "eth0")) == 254


@pytest.fixture
def server(host):
    """busybox's DHCP server on a machine beyond the host."""
    if shutil.which("busybox") is None:
        pytest.skip("busybox is not installed")
    far = host.container()
    outside(host, far)
    leases = host.directory / "leases"
    leases.write_text("")
    settings = host.directory / "udhcpd.conf"
    settings.write_text(
        f"start 192.0.2.100\nend 192.0.2.110\ninterface eth0\nlease_file {leases}\npidfile {host.directory}/pid\n"
        "option subnet 255.255.255.0\noption router 192.0.2.9\noption dns 192.0.2.53\noption lease 4\nmin_lease 2\n"
        "option domain example.com\n"
    )
    process = subprocess.Popen(
        ["nsenter", f"--net={far}", "busybox", "udhcpd", "-f", "-a", "50", str(settings)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.2)
    yield far
    process.kill()
    process.wait()


@pytest.fixture
def daemon(host):
    path = str(host.directory / "d.sock")
    made = Daemon(timeout=8, resend_max=2)
    listener = listen(path)
    threading.Thread(target=made.serve, args=(listener,), daemon=True).start()
    yield path
    made.close()
    listener.close()


@pytest.mark.live
def test_leases_renews_and_releases(our_way, host, server, daemon):
    one = host.container()
    conf = config("macvlan", master="mktup", ipam={"type": "dhcp", "daemonSocketPath": daemon})
    answer = our_way.add(conf, one)
    address = answer["ips"][0]["address"]
    assert address.startswith("192.0.2.1")
    assert answer["ips"][0]["gateway"] == "192.0.2.9"
    assert addresses_in(one) == [address]
    assert answer["dns"] == {"nameservers": ["192.0.2.53"], "domain": "example.com"}
    assert ("0.0.0.0/0", "192.0.2.9") in {(r.dst, r.gateway) for r in netns.run_in(one, links.routes)}
    our_way.check(conf, one, answer)
    time.sleep(5)  # the lease was for four seconds: it lives only because it was renewed
    our_way.check(conf, one, answer)
    our_way.delete(with_result(conf, answer), one)
    lost = config("dhcp", ipam={"type": "dhcp", "daemonSocketPath": daemon})
    assert our_way.fails("CHECK", with_result(lost, answer), one).code == 3
    our_way.delete(lost, "")


@pytest.mark.live
def test_the_references_daemon_and_plugin_agree(host, server, plugin_directory, tmp_path):
    """The same lease, seen through Debian's daemon and plugin and through ours: each pair speaks its own language."""
    if not Path(REFERENCE, "dhcp").exists():
        pytest.skip("no reference binary")
    answers = []
    for number, directory in enumerate((plugin_directory, REFERENCE)):
        path = str(tmp_path / f"{number}.sock")
        words = ["nsenter", f"--net={host.path}", f"{directory}/dhcp", "daemon", "-socketpath", path]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                if os.path.exists(path):
                    break
                time.sleep(0.05)
            way, one = Way("executable", host, directory), host.container()
            conf = config("macvlan", master="mktup", ipam={"type": "dhcp", "daemonSocketPath": path})
            answer = way.add(conf, one, cid=f"c{number}")
            assert addresses_in(one) == [answer["ips"][0]["address"]]
            way.check(conf, one, answer, cid=f"c{number}")
            way.delete(with_result(conf, answer), one, cid=f"c{number}")
            answers.append(answer)
        finally:
            process.terminate()
            process.wait(10)
    ours, theirs = answers
    assert ours["ips"][0]["gateway"] == theirs["ips"][0]["gateway"]
    assert ours["routes"] == theirs["routes"]
    assert [one["address"].partition("/")[2] for one in (*ours["ips"], *theirs["ips"])] == ["24", "24"]


@pytest.mark.live
def test_gc_and_status(our_way, host, server, daemon):
    conf = config("macvlan", master="mktup", ipam={"type": "dhcp", "daemonSocketPath": daemon}, cniVersion="1.1.0")
    one, two = host.container(), host.container()
    our_way.call("STATUS", conf)
    kept, lost = our_way.add(conf, one, cid="kept"), our_way.add(conf, two, cid="lost")
    keep = [{"containerID": "kept", "ifname": "eth0"}]
    our_way.call("GC", {**conf, "cni.dev/valid-attachments": keep})
    our_way.check(conf, one, kept, cid="kept")
    assert our_way.fails("CHECK", with_result(conf, lost), two, cid="lost").code == 3
    our_way.call("GC", {**conf, "cni.dev/valid-attachments": []})
    assert our_way.fails("CHECK", with_result(conf, kept), one, cid="kept").code == 3


@pytest.mark.live
def test_through_a_bridge(our_way, host, server, daemon):
    host.inside(links.add_bridge, "mktbr0")
    host.run("ip", "addr", "flush", "dev", "mktup")
    host.run("ip", "link", "set", "mktup", "master", "mktbr0")
    one = host.container()
    conf = config("bridge", bridge="mktbr0", ipam={"type": "dhcp", "daemonSocketPath": daemon})
    answer = our_way.add(conf, one)
    assert addresses_in(one) == [answer["ips"][0]["address"]]
    our_way.delete(conf, one)


@pytest.mark.live
def test_without_daemon_or_server(our_way, host, tmp_path):
    one = host.container()
    outside(host, host.container())
    conf = config("macvlan", master="mktup", ipam={"type": "dhcp", "daemonSocketPath": str(tmp_path / "none.sock")})
    assert "error dialing DHCP daemon" in our_way.fails("ADD", conf, one).msg
    assert our_way.fails("STATUS", {**conf, "cniVersion": "1.1.0"}).code == 50
    path = str(tmp_path / "x.sock")
    made = Daemon(timeout=1, resend_max=0.5)
    listener = listen(path)
    threading.Thread(target=made.serve, args=(listener,), daemon=True).start()
    silent = config("macvlan", master="mktup", ipam={"type": "dhcp", "daemonSocketPath": path})
    assert "no DHCP server answered" in our_way.fails("ADD", silent, one).msg
    assert not netns.run_in(one, lambda: links.link_exists("eth0"))
    listener.close()


@pytest.mark.live
def test_daemon_as_a_program(plugin_directory, tmp_path):
    path, pid = tmp_path / "s.sock", tmp_path / "pid"
    words = [f"{plugin_directory}/dhcp", "daemon", "-socketpath", str(path), "-pidfile", str(pid)]
    process = subprocess.Popen(words)
    try:
        for _ in range(100):
            if path.exists() and pid.exists() and pid.read_text():
                break
            time.sleep(0.05)
        assert int(pid.read_text()) == process.pid
        second = subprocess.run(words, capture_output=True, text=True, timeout=10)
        assert second.returncode == 1
        assert "already" in second.stderr
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert not path.exists()
