"""ExecSync: a command in a container, its output and exit code; the kubelet's exec probes.

The OCI runtime runs it directly with our pipes (conmon would cost another process). Output beyond 16 MiB per stream is
read and dropped. On time-out the command is killed together with what it started, and the call fails with
DeadlineExceeded, which the kubelet counts as a failed probe.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import secrets
import signal

from cri import errors
from cri.parts import Parts
from cri.store import RUNNING, Container
from protocols.cri import api_pb2

OUTPUT_LIMIT = 16 * 1024 * 1024
_PIECE = 1 << 16


def process_file(container: Container, command: list[str], *, terminal: bool) -> pathlib.Path:
    """Write the container's own process with other arguments, as the OCI runtimes' ``exec --process`` reads it."""
    if not command:
        raise errors.InvalidArgument("exec command cannot be empty")
    spec = json.loads((container.directory / "config.json").read_bytes())
    process = spec["process"]
    process["args"] = command
    process["terminal"] = terminal
    if terminal:
        process["env"] = [e for e in process["env"] if not e.startswith("TERM=")] + ["TERM=xterm"]
    path = container.directory / f"exec-{secrets.token_hex(8)}.json"
    path.write_text(json.dumps(process))
    return path


def running(parts: Parts, container_id: str) -> Container:
    """The container, which has to be running.

    Raises:
        NotFound, FailedPrecondition: it is not there, or does not run.
    """
    container = parts.store.containers.get(container_id)
    if container.state != RUNNING:
        raise errors.FailedPrecondition(f"container {container.id} is not running")
    return container


def kill_exec(pid_file: pathlib.Path) -> None:
    """Kill an exec'ed process and its children."""
    from linux import processes

    with contextlib.suppress(OSError, ValueError):
        processes.kill_tree(int(pid_file.read_text()), signal.SIGKILL)


async def exec_sync(parts: Parts, request: api_pb2.ExecSyncRequest) -> api_pb2.ExecSyncResponse:
    """Answer ExecSync."""
    container = running(parts, request.container_id)
    runtime = parts.handlers.get(container.runtime_handler).runtime
    spec = process_file(container, list(request.cmd), terminal=False)
    pid_file = spec.with_suffix(".pid")
    command = runtime.exec_command(container.id, str(spec), str(pid_file), terminal=False)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(request.timeout or None):
            stdout, stderr = await asyncio.gather(_collect(process.stdout), _collect(process.stderr))
            code = await process.wait()
    except TimeoutError:
        words = f"command {list(request.cmd)!r} timed out after {request.timeout}s"
        raise errors.DeadlineExceeded(words) from None
    finally:
        if process.returncode is None:
            kill_exec(pid_file)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        spec.unlink(missing_ok=True)
        # Whether the runtime got as far as making the process tells its own failure from the command's.
        began = pid_file.exists()
        pid_file.unlink(missing_ok=True)
    if not began and code != 0:
        raise errors.Internal(f"failed to exec in container {container.id}: {_words(stderr)}")
    return api_pb2.ExecSyncResponse(stdout=stdout, stderr=stderr, exit_code=exit_code(code))


def exit_code(code: int) -> int:
    """A child's end as a shell counts it."""
    return code if code >= 0 else 128 - code


async def _collect(stream: asyncio.StreamReader | None) -> bytes:
    if stream is None:
        return b""
    kept = bytearray()
    while piece := await stream.read(_PIECE):
        kept += piece[: OUTPUT_LIMIT - len(kept)]
    return bytes(kept)


def _words(stderr: bytes) -> str:
    return stderr.decode("utf-8", "replace").strip() or os.strerror(0)
