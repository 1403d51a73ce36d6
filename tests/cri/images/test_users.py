import pathlib

import pytest

from cri import errors
from cri.images import users
from protocols.cri import api_pb2 as api


@pytest.fixture
def rootfs(tmp_path: pathlib.Path) -> str:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("root:x:0:0::/:/bin/sh\nbad line\nme:x:7:8::/:/bin/sh\nweird:x:y:z\n")
    (etc / "group").write_text("root:x:0:\nmine:x:8:\nextra:x:9:you,me\nbad\n")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("image_user", "uid", "gid", "groups"),
    [
        ("", 0, 0, {0}),
        ("me", 7, 8, {8, 9}),
        ("7", 7, 8, {8, 9}),
        ("me:extra", 7, 9, {9}),
        ("me:4", 7, 4, {4, 9}),
        ("1234", 1234, 0, {0}),
        ("1234:5", 1234, 5, {5}),
    ],
)
def test_image_users(rootfs: str, image_user: str, uid: int, gid: int, groups: set[int]) -> None:
    user = users.resolve(rootfs, api.LinuxContainerSecurityContext(), image_user)
    assert (user.uid, user.gid, set(user.groups)) == (uid, gid, groups)


@pytest.mark.parametrize("image_user", ["ghost", "me:ghosts"])
def test_unknown_names_are_told(rootfs: str, image_user: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="ghost"):
        users.resolve(rootfs, api.LinuxContainerSecurityContext(), image_user)


def test_hostile_links_do_not_leave_the_image(tmp_path: pathlib.Path) -> None:
    (tmp_path / "rootfs/etc").mkdir(parents=True)
    (tmp_path / "passwd").write_text("me:x:666:666::/:/bin/sh\n")
    (tmp_path / "rootfs/etc/passwd").symlink_to("../../passwd")
    with pytest.raises(errors.InvalidArgument):
        users.resolve(str(tmp_path / "rootfs"), api.LinuxContainerSecurityContext(run_as_username="me"), "")


def test_a_device_instead_of_a_file_does_not_hang(tmp_path: pathlib.Path) -> None:
    (tmp_path / "etc").mkdir()
    import os

    os.mkfifo(tmp_path / "etc/passwd")
    assert users.resolve(str(tmp_path), api.LinuxContainerSecurityContext(), "5").uid == 5
