import os
import threading

import pytest

from linux import links, mounts, netns, sysctl

pytestmark = pytest.mark.live


@pytest.fixture
def pinned(tmp_path):
    path = str(tmp_path / "net")
    netns.pin("net", path)
    yield path
    netns.unpin(path)


def test_pins_several_kinds_and_prepares_inside(tmp_path):
    paths = {kind: str(tmp_path / kind) for kind in ("net", "ipc", "uts")}

    def prepare():
        import socket

        socket.sethostname("mkt-inside")
        links.set_up("lo")

    before = os.uname().nodename
    netns.pin_namespaces(paths, prepare)
    try:
        assert os.uname().nodename == before
        assert netns.run_in(paths["uts"], lambda: os.uname().nodename, kind="uts") == "mkt-inside"
        assert netns.run_in(paths["net"], lambda: links.get("lo").up)
        assert all(netns.is_pinned(path) for path in paths.values())
    finally:
        for path in paths.values():
            netns.unpin(path)
    assert not any(os.path.exists(path) for path in paths.values())
    assert not mounts.mounts_under(str(tmp_path))
    netns.unpin(paths["net"])


def test_failed_preparation_pins_nothing(tmp_path):
    def prepare():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        netns.pin_namespaces({"net": str(tmp_path / "net")}, prepare)
    assert not mounts.mounts_under(str(tmp_path))


def test_entered_comes_back_also_after_an_error(pinned):
    own = os.readlink("/proc/thread-self/ns/net")
    with netns.entered(pinned):
        assert os.readlink("/proc/thread-self/ns/net") != own
        assert netns.same(pinned)
        assert [link.name for link in links.list_links()] == ["lo"]
    assert os.readlink("/proc/thread-self/ns/net") == own
    with pytest.raises(KeyError), netns.entered(pinned):
        raise KeyError
    assert os.readlink("/proc/thread-self/ns/net") == own
    assert not netns.same(pinned)


def test_no_namespace_is_an_error(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(OSError, match="setns"):
        netns.run_in(str(path), lambda: None)
    with pytest.raises(FileNotFoundError), netns.entered(str(tmp_path / "none")):
        pass


def test_lock_is_exclusive(pinned):
    order = []
    with netns.lock():

        def second() -> None:
            with netns.lock():
                order.append("second")

        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_sysctl_of_a_namespace(pinned):
    with netns.entered(pinned):
        sysctl.write("net.ipv4.ip_forward", 1)
        assert sysctl.read("net/ipv4/ip_forward") == "1"
        assert sysctl.exists("net.ipv4.conf.lo.rp_filter")
        with pytest.raises(FileNotFoundError):
            sysctl.read("net.ipv4.nothing")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.100/arp_notify", "net/ipv4/conf/eth0.100/arp_notify"),
        ("net.ipv4.conf.eth0/100.arp_notify", "net/ipv4/conf/eth0.100/arp_notify"),
    ],
)
def test_sysctl_names(name, path):
    assert sysctl.path(name) == f"/proc/sys/{path}"


@pytest.mark.parametrize("name", ["net/../kernel/panic", "net..kernel", "/etc/passwd", "net/ipv4/./x", "", "net/"])
def test_sysctl_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(OSError, match="not the name of a kernel parameter"):
        sysctl.path(name)
    assert not sysctl.exists(name)
