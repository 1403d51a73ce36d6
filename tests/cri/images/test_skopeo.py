import asyncio
import fcntl
import os
import pathlib
import stat

import pytest

from cri import errors
from cri.images.skopeo import Progress, Skopeo


def program(directory: pathlib.Path, script: str) -> str:
    path = directory / "skopeo"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_its_temporary_files_go_with_it(tmp_path: pathlib.Path) -> None:
    scratch = tmp_path / "scratch"
    skopeo = Skopeo(program(tmp_path, 'echo data > "$TMPDIR/blob"; ls "$TMPDIR" >&2; exit 3'), scratch, 0)
    assert asyncio.run(skopeo.run(["copy"], "x")) == (3, "blob\n")
    assert not list(scratch.iterdir())


def test_one_that_makes_no_progress_is_ended(tmp_path: pathlib.Path) -> None:
    skopeo = Skopeo(program(tmp_path, "sleep 1000"), tmp_path / "scratch", 0.3)
    with pytest.raises(errors.PullFailed, match=r"RegistryUnavailable: some/image: no progress for 0.3 seconds"):
        asyncio.run(skopeo.run(["copy"], "some/image"))
    assert not list((tmp_path / "scratch").iterdir())


def test_any_movement_is_progress_but_chatter_is_not() -> None:
    progress = Progress(100.0)
    assert progress.idle(0, 103.0) == 3
    assert progress.idle(5000, 104.0) == 0
    assert progress.idle(5200, 106.0) == 2
    assert progress.idle(6100, 107.0) == 0  # chatter adds up, slowly
    assert progress.idle(2000, 108.0) == 0  # a child has ended and took its count along


def test_a_missing_program_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.Internal, match="/no/skopeo"):
        asyncio.run(Skopeo("/no/skopeo", tmp_path / "scratch", 0).run(["copy"], "x"))


def test_only_what_the_dead_left_is_cleaned(tmp_path: pathlib.Path) -> None:
    for name in ("copy-dead", "copy-alive", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "blob").touch()
    held = os.open(tmp_path / "copy-alive", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    Skopeo("skopeo", tmp_path, 0).clean()
    os.close(held)
    assert {p.name for p in tmp_path.iterdir()} == {"copy-alive", "other"}
