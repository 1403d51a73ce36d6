import dataclasses
import pathlib

import pytest

from cri import config, errors
from cri.options import Options


def test_files_drop_ins_and_flags_win_in_that_order(tmp_path: pathlib.Path) -> None:
    main = tmp_path / "crio.conf"
    main.write_text(
        '[crio]\nroot = "/a"\nrunroot = "/b"\n[crio.runtime]\nconmon = "/c"\npids_limit = 5\n'
        'default_capabilities = ["CHOWN", "CAP_KILL"]\n[crio.runtime.runtimes.kata]\nruntime_path = "/k"\n'
        '[crio.future]\nunknown = 1\n[crio.network]\nplugin_dirs = ["/p"]\n'
    )
    folder = tmp_path / "crio.conf.d"
    folder.mkdir()
    (folder / "10.conf").write_text('[crio]\nroot = "/a2"\n[crio.runtime]\nconmon = "/c2"\n')
    (folder / "20.conf").write_text('[crio]\nroot = "/a3"\n')
    found = config.load(Options(config=str(main), conmon="/flag", listen="unix:///x.sock"))
    assert (found.root, found.runroot, found.conmon, found.pids_limit) == ("/a3", "/b", "/flag", 5)
    assert found.default_capabilities == ("CAP_CHOWN", "CAP_KILL")
    assert found.runtimes == (config.RuntimeEntry("kata", "/k"),)
    assert found.plugin_dirs == ("/p",)
    assert found.listen == "/x.sock"


@pytest.mark.parametrize(
    "text",
    [
        "not toml [",
        "[crio]\nroot = 5\n",
        "[crio.network]\nplugin_dirs = [1]\n",
        '[crio.image]\npull_progress_timeout = "soon"\n',
    ],
)
def test_mistakes_name_the_file(tmp_path: pathlib.Path, text: str) -> None:
    path = tmp_path / "crio.conf"
    path.write_text(text)
    with pytest.raises(errors.InvalidArgument, match=str(path)):
        config.load(Options(config=str(path)))


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(errors.InvalidArgument, match="/no/such"):
        config.load(Options(config="/no/such"))


def test_every_key_has_a_field() -> None:
    assert set(config.KEYS.values()) <= {f.name for f in dataclasses.fields(config.Config)}


def test_the_time_a_pull_may_rest(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "crio.conf"
    path.write_text('[crio.image]\npull_progress_timeout = "1m30s"\n')
    assert config.load(Options(config=str(path))).stall_seconds == 90
    path.write_text('[crio.image]\npull_progress_timeout = "0s"\n')
    assert config.load(Options(config=str(path))).stall_seconds == 0
