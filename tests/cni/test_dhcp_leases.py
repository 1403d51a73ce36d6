"""dhcp: what the client says to the server, and leases that outlive their daemon."""

import contextlib
import os
import signal
import subprocess
import threading
import time

import pytest

from cni.errors import CNIError
from cni.plugins.dhcp import lease_file, packet
from cni.plugins.dhcp.daemon import Daemon, listen, provided, requested
from cni.plugins.dhcp.lease import DEFAULT_PARAMETERS
from linux import netns
from tests.cni.conftest import config, with_result
from tests.cni.dhcp_server import Server
from tests.cni.test_bridge import outside


def eventually(condition, seconds=20):
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_what_the_client_tells():
    entries = [
        {"option": "host-name", "value": "pod"},
        {"option": "vendor-class-identifier", "fromArg": "K8S_POD_NAME"},
        {"option": "user-class", "fromArg": "MISSING"},
        {"option": 200, "value": "x", "fromArg": "K8S_POD_NAME"},
    ]
    assert provided(entries, {"K8S_POD_NAME": "web-0"}) == {12: b"pod", 60: b"web-0", 200: b"web-0"}
    for bad in ({"option": "nothing", "value": "x"}, {"option": "host-name", "value": "x" * 256}):
        with pytest.raises(CNIError):
            provided([bad], {})


def test_what_the_client_asks_for():
    assert requested(None) == DEFAULT_PARAMETERS
    assert requested([{"option": "host-name"}, {"option": "routers"}]) == DEFAULT_PARAMETERS + b"\x0c"
    assert requested([{"skipDefault": True}, {"option": "subnet-mask"}]) == b"\x01"
    assert requested([{"skipDefault": True, "option": "routers"}]) == b"\x03"


@pytest.fixture
def server(host):
    far = host.container()
    outside(host, far)
    made = Server(far, "eth0", lease_seconds=600)
    yield made
    made.close()


@contextlib.contextmanager
def serving(path, **keys):
    """A daemon in this process."""
    made = Daemon(timeout=10, resend_max=2, lease_directory=f"{path}.leases", **keys)
    listener = listen(path)
    made.restore()
    threading.Thread(target=made.serve, args=(listener,), daemon=True).start()
    try:
        yield made
    finally:
        listener.close()
        os.unlink(path)
        made.close()


def macvlan(path, **keys):
    return config("macvlan", master="mktup", ipam={"type": "dhcp", "daemonSocketPath": path, **keys})


@pytest.mark.live
def test_options_broadcast_and_priority(our_way, host, server):
    path = str(host.directory / "d.sock")
    one = host.container()
    conf = macvlan(
        path,
        provide=[{"option": "host-name", "fromArg": "K8S_POD_NAME"}],
        request=[{"skipDefault": True}, {"option": "subnet-mask"}, {"option": "routers"}],
        priority=500,
    )
    arguments = {"IgnoreUnknown": "1", "K8S_POD_NAME": "web-0", "IP": "192.0.2.70"}
    with serving(path, broadcast=True):
        our_way.add(conf, one, args=arguments)
        for kind in (packet.DISCOVER, packet.REQUEST):
            said = server.of(kind)[0]
            assert said.broadcast
            assert said.options[packet.OPTION_HOST_NAME] == b"web-0"
            assert said.options[packet.OPTION_PARAMETERS] == b"\x01\x03"
        assert server.of(packet.DISCOVER)[0].options[packet.OPTION_REQUESTED_IP] == bytes((192, 0, 2, 70))
        assert "metric 500" in host.run("ip", "route", path=one).stdout
        our_way.delete(conf, one)
    eventually(lambda: server.of(packet.RELEASE))


@pytest.mark.live
def test_a_new_daemon_goes_on_with_the_leases(our_way, host, server):
    path = str(host.directory / "d.sock")
    one, two = host.container(), host.container()
    conf = macvlan(path)
    with serving(path):
        answer = our_way.add(conf, one, cid="one")
        our_way.add(conf, two, cid="two")
    assert not server.of(packet.RELEASE)
    netns.unpin(two)  # that container ends while there is no daemon
    before = len(server.heard)
    with serving(path):
        our_way.check(conf, one, answer, cid="one")
        eventually(lambda: len(server.heard) > before)
        renewal = server.heard[before]
        assert (renewal.kind, renewal.client) == (packet.REQUEST, bytes((192, 0, 2, 77)))
        lost = {**config("dhcp", ipam=conf["ipam"]), "name": conf["name"]}
        assert our_way.fails("CHECK", with_result(lost, answer), two, cid="two").code == 3
        assert len(lease_file.load(f"{path}.leases")) == 1
        our_way.delete(conf, one, cid="one")
        assert lease_file.load(f"{path}.leases") == []
    eventually(lambda: server.of(packet.RELEASE))
    with serving(path):
        assert our_way.fails("CHECK", with_result(lost, answer), one, cid="one").code == 3


@pytest.mark.live
def test_a_killed_daemon_s_leases_are_renewed_by_the_next(host, server, plugin_directory):
    from tests.cni.conftest import Way

    way = Way("executable", host, plugin_directory)
    path = host.directory / "d.sock"
    words = [f"{plugin_directory}/dhcp", "daemon", "-socketpath", str(path), "-resendtimeout", "20s"]
    one = host.container()
    conf = macvlan(str(path))

    def started():
        process = subprocess.Popen(words)
        status = {**config("dhcp", ipam=conf["ipam"]), "cniVersion": "1.1.0"}

        def answers():
            try:
                way.call("STATUS", status)
            except CNIError:
                return False
            return True

        eventually(answers)
        return process

    first = started()
    try:
        answer = way.add(conf, one)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    before = len(server.heard)
    second = started()
    try:
        way.check(conf, one, answer)
        eventually(lambda: len(server.heard) > before)
        way.delete(conf, one)
    finally:
        second.terminate()
        assert second.wait(10) == 0
    eventually(lambda: server.of(packet.RELEASE))


def test_damaged_and_foreign_files_are_forgotten(tmp_path):
    record = {"clientID": "c/n/eth0", "netns": str(tmp_path), "inode": lease_file.inode(str(tmp_path))}
    directory = tmp_path / "leases"
    lease_file.save(str(directory), record)
    lease_file.save(str(directory), {**record, "clientID": "other", "inode": [0, 0]})
    for name, text in (("a.json", "{"), ("b.json", "[]"), ("c.json.new", "{}")):
        (directory / name).write_text(text)
    assert lease_file.load(str(directory)) == [record]
    assert len(list(directory.iterdir())) == 1
    lease_file.remove(str(directory), "c/n/eth0")
    assert list(directory.iterdir()) == []
    assert lease_file.options(lease_file.hexadecimal({51: b"\0\1"})) == {51: b"\0\1"}
