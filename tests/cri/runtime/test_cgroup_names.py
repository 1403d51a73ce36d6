import pytest

from cri import errors
from cri.oci_spec.clamps import HostFacts
from cri.runtime import cgroup_names


def host(*, systemd: bool) -> HostFacts:
    return HostFacts(machine="", bounding=frozenset(), oom_score_adj=0, rlimits={}, systemd_cgroups=systemd)


def test_cgroupfs_paths() -> None:
    path = cgroup_names.cgroups_path(host(systemd=False), "/kubepods/podx/", "id")
    assert path == "/kubepods/podx/crio-id"
    assert cgroup_names.file_system_path(path) == path


def test_systemd_paths() -> None:
    path = cgroup_names.cgroups_path(host(systemd=True), "/kubepods.slice/kubepods-podx.slice", "id")
    assert path == "kubepods-podx.slice:crio:id"
    expected = "/kubepods.slice/kubepods-podx.slice/crio-id.scope"
    assert cgroup_names.file_system_path(path) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.slice", "a.slice"), ("a-b-c.slice", "a.slice/a-b.slice/a-b-c.slice"), ("-.slice", "")],
)
def test_slices_nest_by_their_dashes(name: str, expected: str) -> None:
    assert cgroup_names.expand_slice(name) == expected


def test_under_systemd_a_pods_cgroup_is_a_slice() -> None:
    cgroup_names.check_parent(host(systemd=True), "kubepods-podx.slice")
    cgroup_names.check_parent(host(systemd=True), "")
    cgroup_names.check_parent(host(systemd=False), "/kubepods/podx")
    with pytest.raises(errors.InvalidArgument, match="not a slice"):
        cgroup_names.check_parent(host(systemd=True), "/kubepods/podx")
