import os
import pathlib

import pytest

from cri.images import confined


def make(root: pathlib.Path, path: str) -> None:
    confined.make_directories(str(root), path, os.getuid(), os.getgid())


def test_directories_are_made_inside_the_root_whatever_the_links_say(tmp_path: pathlib.Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for directory in (root / "tmp", outside):
        directory.mkdir(parents=True)
    (root / "up").symlink_to("../../../../tmp")
    (root / "absolute").symlink_to("/tmp")
    for path in ("/a/b/c", "a/b/c", "/up/one", "/absolute/two", "/up/../up/three"):
        make(root, path)
    assert (root / "a/b/c").is_dir()
    assert {p.name for p in (root / "tmp").iterdir()} == {"one", "two", "three"}
    assert not list(outside.iterdir())


@pytest.mark.parametrize("path", ["/file/below", "/dangling/below", "/dangling"])
def test_what_is_no_directory_is_an_error(tmp_path: pathlib.Path, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        make(tmp_path, path)
