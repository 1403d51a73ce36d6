import os
import signal
import subprocess
import threading

import pytest

from linux import capabilities, host, inotify, mounts, processes
from linux.files import atomic_write, file_lock


def test_atomic_write(tmp_path):
    path = tmp_path / "f"
    atomic_write(path, b"one", 0o600)
    atomic_write(str(path), b"two", 0o640, sync=True)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["f"]
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "no" / "f", b"")


def test_file_lock_excludes_and_leaves_nothing(tmp_path):
    path = tmp_path / "x.lock"
    inside, most = [], []

    def work():
        for _ in range(20):
            with file_lock(path):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert not path.exists()


def test_processes():
    child = subprocess.Popen(["sh", "-c", "sleep 60 & wait"])
    started = processes.start_time(child.pid)
    assert processes.is_alive(child.pid, started)
    assert not processes.is_alive(child.pid, started + 1)
    while not (below := processes.children(child.pid)):
        pass
    descriptor = processes.pidfd_open(child.pid)
    processes.kill_tree(child.pid)
    assert processes.wait_for_exit(child.pid, 5)
    assert processes.wait_for_exit(below[0], 5)
    child.wait()
    assert not processes.pidfd_send_signal(descriptor, signal.SIGTERM)
    os.close(descriptor)
    assert not processes.kill(child.pid)
    assert processes.start_time(child.pid) == 0
    with pytest.raises(ProcessLookupError):
        processes.pidfd_open(child.pid)


def test_inotify(tmp_path):
    with inotify.Inotify() as events:
        watch = events.add_watch(str(tmp_path), inotify.IN_CLOSE_WRITE | inotify.IN_MOVED_TO)
        assert events.read() == []
        (tmp_path / "a").write_text("x")
        atomic_write(tmp_path / "b", b"y")
        found = {(event.name, event.mask) for event in events.read() if not event.name.startswith(".")}
        assert found == {("a", inotify.IN_CLOSE_WRITE), ("b", inotify.IN_MOVED_TO)}
        events.remove_watch(watch)
        with pytest.raises(FileNotFoundError):
            events.add_watch(str(tmp_path / "none"), inotify.IN_CREATE)


def test_facts():
    facts = host.facts()
    assert facts.memory > 0
    assert facts.cpus == os.cpu_count()
    assert facts.cgroup_version in (0, 1, 2)
    assert facts.can_raise_limits == ("CAP_SYS_RESOURCE" in capabilities.bounding_set())
    size, free = host.disk("/does/not/exist/yet")
    assert 0 < free <= size
    assert host.filesystem_supported("tmpfs")
    assert 0 < host.available_memory() <= facts.memory
    assert len(host.inodes("/")) == 2


def test_mount_table_with_odd_names():
    table = mounts.mountinfo()
    assert any(one.path == "/" for one in table)


@pytest.mark.live
def test_mounts(tmp_path):
    one, two = tmp_path / "a b", tmp_path / "two"
    for path in (one, two):
        path.mkdir()
    try:
        mounts.mount("mkt", str(one), "tmpfs", options="size=1m")
        (one / "f").write_text("x")
        mounts.bind(str(one), str(two), read_only=True)
        mounts.make_private(str(two))
        assert (two / "f").read_text() == "x"
        with pytest.raises(OSError, match="Read-only"):
            (two / "g").write_text("")
        assert mounts.is_mount_point(str(one))
        assert [m.path for m in mounts.mounts_under(str(tmp_path))] == [str(one), str(two)]
    finally:
        assert mounts.unmount_tree(str(tmp_path)) == 2
    assert mounts.mounts_under(str(tmp_path)) == []
    mounts.umount(str(one))
    with pytest.raises(OSError, match="umount"):
        mounts.umount(str(one), missing_ok=False)
    with pytest.raises(OSError, match="mount nofs"):
        mounts.mount("x", str(one), "nofs")
