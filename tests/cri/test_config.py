import dataclasses
import pathlib

import pytest

from cri import config, config_keys, errors
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
    fields = {f.name for f in dataclasses.fields(config.Config)}
    assert set(config_keys.KEYS.values()) | {"runtimes"} == fields
    assert fields >= config_keys.RESTART_ONLY
    assert fields >= set(config_keys.CHECKS)
    assert not set(config_keys.KEYS) & set(config_keys.WITHOUT_EFFECT)


@pytest.mark.parametrize("name", sorted(config_keys.CHECKS))
def test_defaults_pass_their_own_checks(name: str) -> None:
    config_keys.check(name, getattr(config.Config(), name))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[crio.runtime]\ncgroup_manager = "cgrupfs"', "crio.runtime.cgroup_manager must be one of"),
        ('[crio.image]\nimage_volumes = "tmpfs"', "must be one of mkdir, bind, ignore"),
        ('[crio.image]\nshort_name_mode = "guess"', "must be one of nothing, enforcing"),
        ('[crio.runtime]\nlog_level = "loud"', "log_level must be one of"),
        ("[crio.runtime]\nlog_size_max = 100", "at least 8192"),
        ('[crio.api]\nstream_port = "99999"', "must be a port"),
        ('[crio.api]\nstream_address = "here"', "must be an IP address"),
        ('[crio]\nroot = "relative"', "must be an absolute path"),
        ('[crio.runtime]\ndefault_capabilities = ["CHOWN", "FLY"]', "'CAP_FLY' is not a capability"),
        ('[crio.runtime]\ndefault_sysctls = ["net.x"]', "is not KEY=VALUE"),
        ('[crio.runtime]\ndefault_ulimits = ["nofile:5"]', "is not NAME=SOFT"),
        ('[crio.runtime]\ndefault_env = ["X"]', "is not NAME=VALUE"),
        ('[crio.runtime]\nadditional_devices = ["dev"]', "is not HOST"),
        ('[crio.runtime.runtimes.vm]\nruntime_type = "vm"', "only OCI runtimes"),
        ("[crio.runtime.runtimes.vm]\nruntime_path = 5", "runtime_path must be a string"),
        ("[crio.runtime]\nread_only = 1", "must be a boolean"),
        ('[crio.image]\npull_progress_timeout = "-3s"', "must not be negative"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: pathlib.Path, text: str, words: str) -> None:
    path = tmp_path / "crio.conf"
    path.write_text(text)
    with pytest.raises(errors.InvalidArgument, match=words) as caught:
        config.load(Options(config=str(path)))
    assert str(path) in str(caught.value)


def test_flags_are_checked_too() -> None:
    with pytest.raises(errors.InvalidArgument, match="--cgroup-manager"):
        config.load(Options(config="/dev/null", cgroup_manager="x"))
    with pytest.raises(errors.InvalidArgument, match="/no/such"):
        config.load(Options(config="/dev/null", config_dir="/no/such"))


def test_keys_without_effect_and_unknown_ones_are_told(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "crio.conf"
    path.write_text(
        '[crio]\nstorage_driver = "vfs"\nversion_file = "/x"\n[crio.image]\npause_image = "p"\n'
        '[crio.runtime.runtimes.crun]\nruntime_type = "oci"\nmonitor_path = "/m"\nwhat = 1\n[crio.nri]\nx = 1\n'
        "[crio.runtime.workloads]\n[crio.tracing]\nenable_tracing = false\n[crio.strange]\nkey = 1\n"
    )
    config.load(Options(config=str(path)))
    told = capsys.readouterr().err
    lines = {line.split('key="')[1].split('"')[0]: line for line in told.splitlines()}
    assert set(lines) == {
        "crio.storage_driver",
        "crio.runtime.runtimes.crun.monitor_path",
        "crio.runtime.runtimes.crun.what",
        "crio.nri.x",
        "crio.strange.key",
    }
    assert 'because="images are kept in overlay layers"' in lines["crio.storage_driver"]
    assert '"Unknown key ignored"' in lines["crio.strange.key"]


@pytest.mark.parametrize(
    ("text", "flag", "served"),
    [
        ("", -1, (False, 9090)),
        ("metrics_port = 1234", -1, (False, 1234)),
        ("enable_metrics = true", -1, (True, 9090)),
        ("enable_metrics = true\nmetrics_port = 1234", -1, (True, 1234)),
        ("", 1234, (True, 1234)),
        ("enable_metrics = true", 0, (False, 0)),
    ],
)
def test_metrics_are_served_when_asked_for(
    tmp_path: pathlib.Path, text: str, flag: int, served: tuple[bool, int]
) -> None:
    path = tmp_path / "crio.conf"
    path.write_text(f"[crio.metrics]\n{text}\n")
    found = config.load(Options(config=str(path), metrics_port=flag))
    assert (found.enable_metrics, found.metrics_port) == served


def test_the_time_a_pull_may_rest(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "crio.conf"
    path.write_text('[crio.image]\npull_progress_timeout = "1m30s"\n')
    assert config.load(Options(config=str(path))).stall_seconds == 90
    path.write_text('[crio.image]\npull_progress_timeout = "0s"\n')
    assert config.load(Options(config=str(path))).stall_seconds == 0
