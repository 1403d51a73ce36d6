import json

import pytest

from protocols import stream_session as session


def test_exit_codes_travel_as_causes() -> None:
    status = json.loads(session.exited(3))
    assert status["status"] == "Failure"
    assert status["reason"] == "NonZeroExitCode"
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert session.exit_code(session.exited(3)) == 3
    assert session.exit_code(session.exited(0)) == 0
    assert session.exit_code(session.failure("no")) is None
    assert session.exit_code(b"junk") is None


@pytest.mark.parametrize(
    ("data", "sizes"),
    [
        (b'{"Width":80,"Height":24}', [(24, 80)]),
        (b'{"Width":80,"Height":24}\n{"Width":1,"Height":2}', [(24, 80), (2, 1)]),
        (b'{"Width":0,"Height":24}', []),
        (b'{"Width":"x"}', []),
        (b"[]", []),
        (b"junk", []),
    ],
)
def test_sizes_are_read_and_nonsense_is_skipped(data: bytes, sizes: list[tuple[int, int]]) -> None:
    assert session.parse_sizes(data) == sizes


def test_a_terminal_has_no_stderr_but_sizes() -> None:
    assert session.expected_streams(stdin=True, stdout=True, stderr=True, tty=True) == (
        "error",
        "stdin",
        "stdout",
        "resize",
    )
    assert session.expected_streams(stdin=False, stdout=True, stderr=True, tty=False) == ("error", "stdout", "stderr")


def test_the_spdy_protocol_is_version_4() -> None:
    assert session.choose_spdy_protocol(["v5.channel.k8s.io", "v4.channel.k8s.io"]) == "v4.channel.k8s.io"
    assert session.choose_spdy_protocol(["channel.k8s.io"]) == ""
