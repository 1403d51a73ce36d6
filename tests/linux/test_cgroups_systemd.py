import subprocess
import time
import uuid

import pytest

from linux import cgroups, cgroups_systemd, host
from linux.cgroups import Limits


def test_limits_in_systemds_words():
    limits = Limits(cpu_shares=1024, cpu_quota=50_000, cpu_period=100_000, memory=1 << 20, pids=-1)
    assert cgroups_systemd.settings_of(limits, 2) == {
        "CPUWeight": ("t", "39"),
        "CPUQuotaPerSecUSec": ("t", "500000"),
        "CPUQuotaPeriodUSec": ("t", "100000"),
        "MemoryMax": ("t", "1048576"),
        "TasksMax": ("t", "18446744073709551615"),
    }
    assert cgroups_systemd.settings_of(Limits(cpu_shares=2, memory=-1), 1) == {
        "CPUShares": ("t", "2"),
        "MemoryLimit": ("t", "18446744073709551615"),
    }
    assert cgroups_systemd.settings_of(Limits(cpu_quota=-1), 2) == {"CPUQuotaPerSecUSec": ("t", str(2**64 - 1))}
    assert cgroups_systemd.settings_of(Limits(), 2) == {}


@pytest.mark.live
@pytest.mark.skipif(not host.facts().systemd, reason="systemd is not the first process here; see e2e/vm")
def test_a_slice_from_creation_to_removal():
    top = f"mkt{uuid.uuid4().hex[:8]}"
    path = f"/{top}.slice/{top}-pod1.slice"
    tree = cgroups_systemd.SystemdHost(cgroups.detect())
    try:
        tree.create(path)
        tree.create(path)
        assert tree.exists(path)
        assert tree.list(f"/{top}.slice") == [f"{top}-pod1.slice"]
        tree.set_limits(path, Limits(cpu_shares=512, cpu_quota=50_000, cpu_period=100_000, memory=64 << 20, pids=100))
        stats = tree.stats(path)
        assert (stats.memory_limit, stats.pids_limit) == (64 << 20, 100)
        # systemd arranges its own anew: what it was told stays.
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        assert tree.stats(path).memory_limit == 64 << 20
        process = subprocess.Popen(["sleep", "60"])
        tree.add_pid(path, process.pid)
        assert tree.pids(f"/{top}.slice") == {process.pid}
        tree.remove_tree(path)
        assert process.wait(10) == -9
        assert not tree.exists(path)
        tree.remove_tree(path)
    finally:
        tree.remove_tree(f"/{top}.slice")
    deadline = time.monotonic() + 10
    while tree.exists(f"/{top}.slice"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.live
@pytest.mark.skipif(not host.facts().systemd, reason="systemd is not the first process here; see e2e/vm")
def test_errors_are_systemds_own():
    tree = cgroups_systemd.SystemdHost(cgroups.detect())
    with pytest.raises(OSError, match="slice"):
        tree.create("/mkt-not a name.slice")
