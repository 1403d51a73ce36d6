import pytest

from cri import errors
from cri.oci_spec import mounts
from protocols.cri import api_pb2 as api


def test_later_mounts_win_and_parents_come_first() -> None:
    first = [{"destination": "/a/b", "source": "1"}, {"destination": "/a", "source": "1"}]
    second = [{"destination": "/a/b/", "source": "2"}, {"destination": "/a/b/c", "source": "2"}]
    merged = mounts.merge(first, second)
    assert [(m["destination"], m["source"]) for m in merged] == [("/a", "1"), ("/a/b/", "2"), ("/a/b/c", "2")]


def test_system_mounts_follow_privilege_and_namespaces() -> None:
    by_path = {m["destination"]: m for m in mounts.system(mounts.SystemMounts())}
    assert "ro" in by_path["/sys"]["options"]
    assert "/dev/shm" not in by_path
    by_path = {m["destination"]: m for m in mounts.system(mounts.SystemMounts(privileged=True, shm="/s"))}
    assert "rw" in by_path["/sys"]["options"]
    assert by_path["/dev/shm"]["source"] == "/s"
    facts = mounts.SystemMounts(host_network=True, host_ipc=True, user_namespace=True)
    by_path = {m["destination"]: m for m in mounts.system(facts)}
    assert by_path["/sys"]["type"] == "bind"
    assert by_path["/dev/mqueue"]["type"] == "bind"


@pytest.mark.parametrize(
    ("mount", "options"),
    [
        (mounts.BindMount("/s", "/d"), ["rbind", "rprivate", "rw"]),
        (mounts.BindMount("/s", "/d", read_only=True), ["rbind", "rprivate", "ro"]),
        (mounts.BindMount("/s", "/d", read_only=True, recursive_read_only=True), ["rbind", "rprivate", "rro", "ro"]),
        (mounts.BindMount("/s", "/d", propagation=mounts.SHARED), ["rbind", "rshared", "rw"]),
        (mounts.BindMount("/s", "/d", propagation=mounts.SLAVE), ["rbind", "rslave", "rw"]),
    ],
)
def test_bind_options(mount: mounts.BindMount, options: list[str]) -> None:
    assert mounts.bind(mount)["options"] == options


def test_the_root_propagates_as_far_as_a_mount_needs() -> None:
    slave = mounts.BindMount("/s", "/d", propagation=mounts.SLAVE)
    shared = mounts.BindMount("/s", "/e", propagation=mounts.SHARED)
    assert mounts.root_propagation([]) == ""
    assert mounts.root_propagation([slave]) == "rslave"
    assert mounts.root_propagation([slave, shared]) == "rshared"


@pytest.mark.parametrize(
    "mount",
    [
        api.Mount(host_path="/x"),
        api.Mount(host_path="/x", container_path="/y", recursive_read_only=True),
        api.Mount(host_path="/x", container_path="/y", readonly=True, recursive_read_only=True, propagation=1),
        api.Mount(host_path="/x", container_path="/y", image=api.ImageSpec(image="i")),
    ],
)
def test_contradictions_are_refused(mount: object) -> None:
    with pytest.raises(errors.InvalidArgument):
        mounts.check(mount)
