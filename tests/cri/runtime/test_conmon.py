from pathlib import Path

import pytest

from cri import errors
from cri.runtime import conmon


def job(**changes: object) -> conmon.Job:
    fields = {
        "container_id": "c",
        "name": "n",
        "bundle": Path("/b"),
        "exits": Path("/e"),
        "log_path": "/l",
        "runtime": "/r",
        "runtime_root": "/rr",
    }
    return conmon.Job(**{**fields, **changes})


def test_flags_follow_the_container() -> None:
    plain = conmon.command("conmon", job())
    assert not {"-t", "-i", "-s", "--leave-stdin-open", "--log-size-max"} & set(plain)
    assert "-t" in conmon.command("conmon", job(terminal=True))
    assert {"-i", "--leave-stdin-open"} <= set(conmon.command("conmon", job(stdin=True)))
    once = conmon.command("conmon", job(stdin=True, stdin_once=True))
    assert "-i" in once
    assert "--leave-stdin-open" not in once
    assert "-s" in conmon.command("conmon", job(systemd_cgroup=True))


def test_exit_files(tmp_path: Path) -> None:
    assert conmon.exit_status(tmp_path, "c") is None
    (tmp_path / "c").write_text("137")
    status = conmon.exit_status(tmp_path, "c")
    assert status is not None
    assert status[0] == 137
    assert status[1] > 0
    (tmp_path / "c").write_text("")
    assert conmon.exit_status(tmp_path, "c") is None


def test_a_missing_conmon_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.Internal, match="/no/conmon"):
        conmon.create("/no/conmon", job(bundle=tmp_path))
    with pytest.raises(errors.FailedPrecondition):
        conmon.reopen_log(tmp_path)
    with pytest.raises(errors.FailedPrecondition):
        conmon.connect_attach(tmp_path)
