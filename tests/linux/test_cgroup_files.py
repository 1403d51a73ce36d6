import os
import pathlib

from linux.cgroup_files import ControlFiles


def files_in(top: pathlib.Path, limit: int = 10) -> ControlFiles:
    for group in ("pod", "pod/one", "pods"):
        (top / group).mkdir(parents=True)
        (top / group / "usage").write_text(f"{group} 1")
    return ControlFiles(lambda group, name: f"{top}/{group}/{name}", limit)


def test_a_file_is_opened_once_and_read_anew(tmp_path: pathlib.Path) -> None:
    files = files_in(tmp_path)
    assert files.read("pod", "usage") == "pod 1"
    (tmp_path / "pod/usage").write_text("pod 2")
    assert files.read("pod", "usage") == "pod 2"
    assert len(files) == 1


def test_missing_files_are_empty_and_not_held(tmp_path: pathlib.Path) -> None:
    files = files_in(tmp_path)
    assert files.read("pod", "other") == ""
    assert files.read("none", "usage") == ""
    assert len(files) == 0


def test_above_the_limit_files_are_read_all_the_same(tmp_path: pathlib.Path) -> None:
    files = files_in(tmp_path, limit=1)
    for _ in range(2):
        assert files.read("pod", "usage") == "pod 1"
        assert files.read("pods", "usage") == "pods 1"
    assert len(files) == 1


def test_a_group_is_released_with_those_below_it(tmp_path: pathlib.Path) -> None:
    files = files_in(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for group in ("pod", "pod/one", "pods"):
        files.read(group, "usage")
    files.release("pod")
    assert len(files) == 1
    assert len(os.listdir("/proc/self/fd")) == before + 1
    assert files.read("pods", "usage") == "pods 1"
    files.release("pods")
    files.release("none")
    assert len(files) == 0
