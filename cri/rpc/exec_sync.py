"""ExecSync: a command in a container, its output and exit code; the kubelet's exec probes.

The OCI runtime runs it directly with our pipes (conmon would cost another process). Output beyond 16 MiB is
read and dropped. On time-out the command is killed together with what it started, and the call fails with
DeadlineExceeded, which the kubelet counts as a failed probe.
"""

import asyncio
import json
import pathlib
import secrets

from cri import errors
from cri.parts import Parts
from cri.runtime.descriptors import Descriptor
from cri.runtime.exec_process import ExecProcess
from cri.store import RUNNING, Container
from protocols.cri import api_pb2

# Of both streams: the kubelet takes no message above 16 MiB, and the rest of it needs some bytes too.
OUTPUT_LIMIT = 16 * 1024 * 1024 - 64 * 1024


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


async def exec_sync(parts: Parts, request: api_pb2.ExecSyncRequest) -> api_pb2.ExecSyncResponse:
    """Answer ExecSync."""
    container = running(parts, request.container_id)
    runtime = parts.handlers.get(container.runtime_handler).runtime
    spec = process_file(container, list(request.cmd), terminal=False)
    pid_file = spec.with_suffix(".pid")
    line = runtime.exec_command(container.id, str(spec), str(pid_file), terminal=False)
    process = ExecProcess.with_pipes(line, pid_file, stdin=False)
    try:
        kept = [0]
        async with asyncio.timeout(request.timeout or None):
            stdout, stderr = await asyncio.gather(_collect(process.stdout, kept), _collect(process.stderr, kept))
            code = await process.wait()
        if code != 0 and not process.began:
            raise errors.Internal(f"failed to exec in container {container.id}: {_words(stderr)}")
    except TimeoutError:
        words = f"command {list(request.cmd)!r} timed out after {request.timeout}s"
        raise errors.DeadlineExceeded(words) from None
    finally:
        process.close()
        spec.unlink(missing_ok=True)
        pid_file.unlink(missing_ok=True)
    return api_pb2.ExecSyncResponse(stdout=stdout, stderr=stderr, exit_code=code)


async def _collect(stream: Descriptor | None, kept: list[int]) -> bytes:
    """Everything a stream says, as long as what is ``kept`` of both stays within the limit."""
    output = bytearray()
    while stream is not None and (piece := await stream.read()):
        piece = piece[: OUTPUT_LIMIT - kept[0]]
        if piece:
            kept[0] += len(piece)
            output += piece
    return bytes(output)


def _words(stderr: bytes) -> str:
    return stderr.decode("utf-8", "replace").strip() or "the OCI runtime gave no reason"
