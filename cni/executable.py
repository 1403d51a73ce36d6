"""Calls a plugin as the specification says: an executable, parameters in its environment, JSON on stdin and stdout."""

from __future__ import annotations

import os

from cni import documents, result
from cni.config import Call
from cni.errors import DECODING_FAILURE, INTERNAL, INVALID_CONFIG, CNIError

_TIMEOUT_SECONDS = 120


def find(kind: str, path: list[str]) -> str | None:
    """The executable of a plugin in the given directories; None where there is none."""
    if "/" in kind:
        raise CNIError(INVALID_CONFIG, f"invalid plugin name: {kind}")
    for directory in path:
        candidate = f"{directory}/{kind}"
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return None


def run(kind: str, call: Call) -> result.Result | None:
    """Run a plugin's executable. Returns the result of ADD in the latest form.

    Raises:
        CNIError: the plugin's error, or why it could not be run.
    """
    program = find(kind, call.path)
    if program is None:
        raise CNIError(INVALID_CONFIG, f'failed to find plugin "{kind}" in path {call.path}')
    import subprocess

    environment = dict(os.environ)
    environment.update(
        CNI_COMMAND=call.command,
        CNI_CONTAINERID=call.container_id,
        CNI_NETNS=call.netns,
        CNI_IFNAME=call.ifname,
        CNI_ARGS=";".join(f"{key}={value}" for key, value in call.args.items()),
        CNI_PATH=":".join(call.path),
    )
    try:
        done = subprocess.run(
            [program],
            input=documents.dumps(call.config).encode(),
            capture_output=True,
            env=environment,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CNIError(INTERNAL, f'plugin "{kind}" could not be run: {error}') from error
    if done.returncode:
        raise _failure(kind, done.stdout, done.stderr)
    if call.command != "ADD":
        return None
    return result.parse(_decoded(kind, done.stdout))


def _decoded(kind: str, output: bytes) -> object:
    try:
        return documents.loads(output)
    except (ValueError, UnicodeDecodeError) as error:
        raise CNIError(DECODING_FAILURE, f'plugin "{kind}" printed no result: {error}') from error


def _failure(kind: str, output: bytes, complaint: bytes) -> CNIError:
    try:
        answer = documents.loads(output)
        message = answer.get("msg") or ""
        return CNIError(
            int(answer.get("code") or INTERNAL), f'plugin type="{kind}" failed: {message}', answer.get("details") or ""
        )
    except (ValueError, AttributeError, UnicodeDecodeError):
        words = (output + complaint).decode(errors="replace").strip()
        return CNIError(INTERNAL, f'plugin type="{kind}" failed: netplugin failed: "{words}"')
