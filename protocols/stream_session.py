"""What an exec or attach session says over its streams, whatever carries them. Pure.

The outcome of a session is a ``metav1.Status`` on the error stream: success, a non-zero exit code as a cause, or a
failure with its message. Sizes of the terminal are JSON objects on the resize stream.
"""

import json
from typing import Any

SPDY_PROTOCOLS = ("v4.channel.k8s.io",)
PORT_FORWARD_PROTOCOL = "portforward.k8s.io"
STREAM_TYPE, PORT, REQUEST_ID = "streamtype", "port", "requestid"


def success() -> bytes:
    """The command ended with 0."""
    return json.dumps({"metadata": {}, "status": "Success"}).encode()


def failure(message: str) -> bytes:
    """The session failed."""
    return json.dumps(
        {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}
    ).encode()


def exited(code: int) -> bytes:
    """The command ended with ``code``."""
    if code == 0:
        return success()
    return json.dumps(
        {
            "metadata": {},
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    ).encode()


def exit_code(status: bytes) -> int | None:
    """The exit code in a status; None if it tells of another failure."""
    try:
        document: dict[str, Any] = json.loads(status)
    except ValueError:
        return None
    if document.get("status") == "Success":
        return 0
    for cause in (document.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause.get("message", 1))
    return None


def parse_sizes(data: bytes) -> list[tuple[int, int]]:
    """(rows, columns) of each size in a piece of the resize stream; what is no size is skipped."""
    decoder = json.JSONDecoder()
    text = data.decode("utf-8", "replace").strip()
    sizes = []
    while text:
        try:
            value, end = decoder.raw_decode(text)
        except ValueError:
            break
        text = text[end:].lstrip()
        if isinstance(value, dict) and isinstance(value.get("Width"), int) and isinstance(value.get("Height"), int):
            rows, columns = value["Height"], value["Width"]
            if 0 < rows < 1 << 16 and 0 < columns < 1 << 16:
                sizes.append((rows, columns))
    return sizes


def expected_streams(*, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> tuple[str, ...]:
    """The streams that a client opens for a session."""
    wanted = (("error", True), ("stdin", stdin), ("stdout", stdout), ("stderr", stderr and not tty), ("resize", tty))
    return tuple(name for name, is_wanted in wanted if is_wanted)


def choose_spdy_protocol(offered: list[str]) -> str:
    """The best protocol both sides speak; empty if there is none."""
    return next((name for name in SPDY_PROTOCOLS if name in offered), "")
