import pytest

from cri import errors
from cri.oci_spec import clamps, process
from protocols.cri import api_pb2 as api

IMAGE = {"Entrypoint": ["/entry"], "Cmd": ["a", "b"], "Env": ["X=1", "PATH=/p"], "WorkingDir": "/w"}


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ([], [], ["/entry", "a", "b"]),
        (["c"], [], ["c"]),
        ([], ["x"], ["/entry", "x"]),
        (["c"], ["x"], ["c", "x"]),
    ],
)
def test_command_and_args_replace_entrypoint_and_cmd(command: list[str], args: list[str], expected: list[str]) -> None:
    assert process.arguments(api.ContainerConfig(command=command, args=args), IMAGE) == expected


def test_nothing_to_run_is_an_error() -> None:
    with pytest.raises(errors.InvalidArgument, match="no command specified"):
        process.arguments(api.ContainerConfig(), {})


def test_the_containers_environment_wins() -> None:
    config = api.ContainerConfig(tty=True, envs=[api.KeyValue(key="X", value="2")])
    assert process.environment(config, IMAGE, "h") == ["PATH=/p", "TERM=xterm", "HOSTNAME=h", "X=2"]


def test_the_working_directory() -> None:
    assert process.working_directory(api.ContainerConfig(working_dir="/x"), IMAGE) == "/x"
    assert process.working_directory(api.ContainerConfig(), IMAGE) == "/w"
    assert process.working_directory(api.ContainerConfig(), {}) == "/"


def test_unlimited_is_the_largest_number() -> None:
    host = clamps.HostFacts(machine="", bounding=frozenset({"CAP_SYS_RESOURCE"}), oom_score_adj=0, rlimits={})
    assert process.limits({"RLIMIT_CORE": (0, -1)}, host) == [{"type": "RLIMIT_CORE", "soft": 0, "hard": (1 << 64) - 1}]
