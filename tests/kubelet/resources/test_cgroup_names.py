import pytest

from kubelet.resources.cgroup_names import CgroupNames

UID = "1b2c-3d"


def test_cgroupfs_names():
    names = CgroupNames("/minikube-py-a/", systemd=False)
    assert names.quality("Guaranteed") == "/minikube-py-a/kubepods"
    assert names.pod("Burstable", UID) == "/minikube-py-a/kubepods/burstable/pod1b2c-3d"
    assert CgroupNames("/", systemd=False).pod("Guaranteed", UID) == "/kubepods/pod1b2c-3d"


def test_systemd_names_nest_by_dashes_so_other_dashes_are_underscores():
    names = CgroupNames("/minikube-py-a", systemd=True)
    assert names.quality("Guaranteed") == "/minikube_py_a.slice/minikube_py_a-kubepods.slice"
    assert names.pod("Guaranteed", UID).rpartition("/")[2] == "minikube_py_a-kubepods-pod1b2c_3d.slice"
    assert CgroupNames("/", systemd=True).pod("BestEffort", UID) == (
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1b2c_3d.slice"
    )


@pytest.mark.parametrize("systemd", [False, True])
def test_the_uid_is_found_again_and_other_groups_have_none(systemd: bool):
    names = CgroupNames("/minikube-py-a", systemd=systemd)
    for quality in ("Guaranteed", "Burstable", "BestEffort"):
        assert names.uid(names.pod(quality, UID).rpartition("/")[2]) == UID
    assert names.uid(names.quality("Burstable").rpartition("/")[2]) == ""
