"""The option that makes moves between control groups cheap keeps all others."""

from __future__ import annotations

import os

import pytest

from linux import cgroup_latency, cgroups, mounts


def unified(options: str, super_options: str) -> mounts.Mount:
    return mounts.Mount(1, 0, "0:26", "/", cgroups.ROOT, options, (), "cgroup2", "cgroup2", super_options)


def test_a_remount_keeps_what_was_there() -> None:
    found = unified("rw,nosuid,nodev,noexec,relatime", "rw,nsdelegate,memory_recursiveprot")
    flags, options = cgroup_latency.remount_arguments(found)
    assert options == "nsdelegate,memory_recursiveprot,favordynmods"
    wanted = mounts.MS_REMOUNT | mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC | mounts.MS_RELATIME
    assert flags == wanted
    assert cgroup_latency.remount_arguments(unified("rw", "rw")) == (mounts.MS_REMOUNT, "favordynmods")


def test_no_version_2_hierarchy_is_no_error(tmp_path: object) -> None:
    assert not cgroup_latency.favor_changes(str(tmp_path))


@pytest.mark.live
def test_the_hosts_hierarchy_keeps_its_options() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    places = (cgroups.ROOT, f"{cgroups.ROOT}/unified")

    def options() -> list[tuple[str, set[str]]]:
        found = [m for m in mounts.mountinfo() if m.kind == "cgroup2" and m.path in places]
        return [(m.options, set(m.super_options.split(",")) - {cgroup_latency.OPTION}) for m in found]

    if not any(cgroup_latency.OPTION in m.super_options for m in mounts.mountinfo() if m.path in places):
        pytest.skip("this host is without the option, which it would keep")
    before = options()
    first = cgroup_latency.favor_changes()
    assert cgroup_latency.favor_changes() == first
    assert options() == before
