import os
import stat

import pytest

from kubelet.volumes.atomic_writer import File, PathError, write


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_files_are_reached_through_the_data_link(tmp_path):
    target = tmp_path / "v"
    assert write(target, {"a": File(b"1"), "d/b": File(b"2", 0o400)})
    assert (target / "a").read_bytes() == b"1"
    assert (target / "d" / "b").read_bytes() == b"2"
    assert (target / "a").readlink().as_posix() == "..data/a"
    assert mode(target / "a") == 0o644
    assert mode(target / "d" / "b") == 0o400


def test_a_change_swaps_the_whole_set_and_removes_what_is_gone(tmp_path):
    target = tmp_path / "v"
    write(target, {"a": File(b"1"), "b": File(b"x")})
    before = (target / "..data").readlink()
    assert not write(target, {"a": File(b"1"), "b": File(b"x")})
    assert (target / "..data").readlink() == before
    assert write(target, {"a": File(b"2")})
    assert (target / "a").read_bytes() == b"2"
    assert not (target / "b").is_symlink()
    assert not (target / before).exists()


def test_modes_and_emptiness_count_as_change(tmp_path):
    target = tmp_path / "v"
    write(target, {"a": File(b"1")})
    assert write(target, {"a": File(b"1", 0o600)})
    assert write(target, {})
    assert [p.name for p in target.iterdir() if not p.name.startswith("..")] == []


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../b", "", "..data"])
def test_paths_stay_inside(tmp_path, path):
    with pytest.raises(PathError):
        write(tmp_path / "v", {path: File(b"")})
