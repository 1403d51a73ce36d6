import dataclasses
import os
import subprocess
import uuid

import pytest

from linux import cgroups, cgroups_v2
from linux.cgroups import Limits


@pytest.fixture
def group():
    host = cgroups.detect()
    path = f"/mkt-{uuid.uuid4().hex[:8]}"
    yield host, path
    host.remove_tree(path)
    assert not host.exists(path)


@pytest.mark.live
def test_a_tree_from_creation_to_removal(group):
    host, path = group
    host.create(f"{path}/pod/one")
    host.create(f"{path}/pod/one")
    assert host.exists(f"{path}/pod/one")
    assert host.list(f"{path}/pod") == ["one"]
    process = subprocess.Popen(["sleep", "60"])
    host.add_pid(f"{path}/pod/one", process.pid)
    assert host.pids(path) == {process.pid}
    assert host.pids(path, recursive=False) == set()
    host.set_limits(
        f"{path}/pod", Limits(cpu_shares=512, cpu_quota=50000, cpu_period=100000, memory=64 << 20, pids=100)
    )
    host.set_limits(f"{path}/pod", Limits(memory=128 << 20))
    stats = host.stats(f"{path}/pod")
    assert stats.memory_limit == 128 << 20
    if "pids" in host.controllers:
        assert (stats.pids, stats.pids_limit) == (1, 100)
    assert 0 <= stats.memory_working_set <= stats.memory_usage
    host.remove_tree(path)
    assert process.wait(5) == -9
    host.remove_tree(path)


@pytest.mark.live
def test_stats_count(group):
    host, path = group
    host.create(path)
    join = "import os; os.read(0, 1); b = bytearray(30 << 20); x = sum(range(3_000_000)); print(len(b), flush=True); os.read(0, 1)"
    process = subprocess.Popen(["python3", "-c", join], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    host.add_pid(path, process.pid)
    process.stdin.write(b"x")
    process.stdin.flush()
    process.stdout.readline()
    stats = host.stats(path)
    assert stats.cpu_usage > 10_000_000
    assert stats.memory_rss > 25 << 20
    assert stats.memory_working_set > 25 << 20
    assert stats.page_faults > 0
    assert stats.oom_kills == 0
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


@pytest.mark.live
def test_oom_kills_are_counted(group):
    host, path = group
    host.create(path)
    host.set_limits(path, Limits(memory=20 << 20, memory_swap=20 << 20))
    process = subprocess.Popen(
        ["python3", "-c", "import os; os.read(0, 1); bytearray(200 << 20)"], stdin=subprocess.PIPE
    )
    host.add_pid(path, process.pid)
    process.stdin.write(b"x")
    process.stdin.close()
    assert process.wait(20) == -9
    assert host.stats(path).oom_kills == 1
    assert os.path.exists(host.oom_file(path))


@pytest.mark.live
def test_errors_name_the_file(group):
    host, path = group
    host.create(path)
    with pytest.raises(OSError, match="cpu") as failure:
        host.set_limits(path, Limits(cpu_period=5, cpu_quota=3))
    assert path in str(failure.value.filename)
    with pytest.raises(ValueError, match="root"):
        host.remove_tree("/")
    assert host.stats(f"{path}/none").cpu_usage == 0


def test_conversions_for_version_2():
    assert [cgroups_v2.weight(shares) for shares in (0, 2, 1024, 262144)] == [100, 1, 39, 10000]
    assert cgroups_v2.cpu_max("max 100000", 50000, None) == ("50000", 100000)
    assert cgroups_v2.cpu_max("50000 100000", -1, 20000) == ("max", 20000)
    assert cgroups_v2.cpu_max("", None, 20000) == ("max", 20000)
    assert cgroups_v2.systemd_path("kubepods-burstable-podx.slice", "cri-1.scope") == (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podx.slice/cri-1.scope"
    )
    assert cgroups_v2.systemd_path("-.slice") == ""


def test_version_2_on_a_tree_of_files(tmp_path):
    """The files of a v2 tree, on a host that has none."""
    for directory in ("", "pod"):
        (tmp_path / directory).mkdir(exist_ok=True)
        for name, text in {
            "cgroup.controllers": "cpu memory pids",
            "cgroup.subtree_control": "",
            "cgroup.procs": "",
            "cpu.weight": "",
            "cpu.max": "max 100000",
            "memory.max": "max",
            "memory.swap.max": "max",
            "pids.max": "max",
            "cpu.stat": "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_throttled 3\n",
            "memory.current": "1000000",
            "memory.stat": "anon 700000\nfile 300000\ninactive_file 200000\npgfault 9\n",
            "memory.events": "low 0\noom 1\noom_kill 2\n",
            "pids.current": "4",
        }.items():
            (tmp_path / directory / name).write_text(text)
    host = cgroups.detect(str(tmp_path))
    assert host.version == 2
    assert host.controllers == {"cpu", "memory", "pids"}
    host.create("/pod")
    host.set_limits("/pod", Limits(cpu_shares=1024, cpu_quota=20000, memory=5 << 20, memory_swap=7 << 20, pids=-1))
    read = lambda name: (tmp_path / "pod" / name).read_text()  # noqa: E731
    assert read("cpu.max").startswith("20000 100000")
    assert read("memory.max").startswith(str(5 << 20))
    assert read("memory.swap.max").startswith(str(2 << 20))
    stats = host.stats("/pod")
    assert (stats.cpu_usage, stats.memory_working_set, stats.memory_rss) == (5_000_000, 800_000, 700_000)
    assert (stats.oom_kills, stats.pids, stats.nr_throttled) == (2, 4, 3)
    assert host.pressure("/pod") == {}
    (tmp_path / "pod/memory.pressure").write_text(
        "some avg10=1.50 avg60=0.25 avg300=0.00 total=4711\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=12\n"
    )
    assert host.pressure("/pod") == {
        "memory": cgroups.Pressure(cgroups.Stall(1.5, 0.25, 0.0, 4711), cgroups.Stall(0.5, 0.0, 0.0, 12))
    }


@pytest.mark.live
def test_usage_says_what_stats_says(group):
    host, path = group
    host.create(path)
    usage, stats = host.usage(path), host.stats(path)
    # Nothing runs in it, so nothing moves between the two.
    assert all(getattr(usage, f.name) == getattr(stats, f.name) for f in dataclasses.fields(cgroups.Usage))


@pytest.mark.live
def test_usage_follows_a_group_that_was_made_anew(group):
    host, path = group
    for _ in range(2):
        host.create(f"{path}/pod")
        process = subprocess.Popen(["sleep", "60"])
        host.add_pid(f"{path}/pod", process.pid)
        try:
            assert host.usage(f"{path}/pod").pids in (0, 1)  # 0 where the host counts none
        finally:
            process.kill()
            process.wait()
        # Removed behind our back, as an OCI runtime does.
        for directory in cgroups_directories(path):
            os.rmdir(directory)
        assert host.usage(f"{path}/pod") == cgroups.Usage()


def cgroups_directories(path):
    roots = [root for root in os.listdir(cgroups.ROOT) if os.path.isdir(f"{cgroups.ROOT}/{root}{path}/pod")]
    unique = {os.path.realpath(f"{cgroups.ROOT}/{root}{path}/pod") for root in roots}
    return unique or {f"{cgroups.ROOT}{path}/pod"}
