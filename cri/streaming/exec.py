"""Exec: a command in a container with the client's stdio."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from cri import errors
from cri.parts import Parts
from cri.rpc.exec_sync import process_file, running
from cri.runtime.descriptors import Descriptor
from cri.runtime.exec_process import ExecProcess
from cri.streaming.channels import Channel
from cri.streaming.server import Session
from protocols import stream_session
from protocols.cri import api_pb2


def check_streams(*, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> None:
    """Refuse combinations that the API does not allow.

    Raises:
        InvalidArgument: no stream at all, or a terminal with an own stderr.
    """
    if tty and stderr:
        raise errors.InvalidArgument("tty and stderr cannot both be true")
    if not (stdin or stdout or stderr):
        raise errors.InvalidArgument("one of stdin, stdout, or stderr must be set")


def exec_in_container(parts: Parts, request: api_pb2.ExecRequest) -> api_pb2.ExecResponse:
    """Answer Exec with the URL of a stream."""
    check_streams(stdin=request.stdin, stdout=request.stdout, stderr=request.stderr, tty=request.tty)
    container_id = running(parts, request.container_id).id
    if not request.cmd:
        raise errors.InvalidArgument("exec command cannot be empty")

    async def run(channels: dict[str, Channel]) -> bytes:
        return await _run(parts, container_id, list(request.cmd), channels, tty=request.tty)

    session = Session("exec", request.stdin, request.stdout, request.stderr, request.tty, run)
    return api_pb2.ExecResponse(url=parts.streams.url(session))


async def _run(
    parts: Parts, container_id: str, command: list[str], channels: dict[str, Channel], *, tty: bool
) -> bytes:
    container = running(parts, container_id)
    runtime = parts.handlers.get(container.runtime_handler).runtime
    spec = process_file(container, command, terminal=tty)
    pid_file = spec.with_suffix(".pid")
    line = runtime.exec_command(container_id, str(spec), str(pid_file), terminal=tty)
    try:
        process = (
            ExecProcess.with_terminal(line, pid_file)
            if tty
            else ExecProcess.with_pipes(line, pid_file, stdin="stdin" in channels)
        )
        try:
            return await _pump(process, channels)
        finally:
            process.close()
    finally:
        spec.unlink(missing_ok=True)
        pid_file.unlink(missing_ok=True)


async def _pump(process: ExecProcess, channels: dict[str, Channel]) -> bytes:
    async with asyncio.TaskGroup() as group:
        feeding = [
            group.create_task(work)
            for work in (
                _feed(channels.get("stdin"), process.stdin),
                resize(channels.get("resize"), process.resize),
            )
        ]
        draining = [
            group.create_task(_drain(process, process.stdout, channels.get("stdout"))),
            group.create_task(_drain(process, process.stderr, channels.get("stderr"))),
        ]
        code = await process.wait()
        began = process.began
        # What the command wrote last is still in the pipes. Its own children may hold them open: don't wait for ever.
        await asyncio.wait(draining, timeout=_LAST_WORDS)
        for task in (*feeding, *draining):
            task.cancel()
    if code != 0 and not began:
        return stream_session.failure(f"failed to exec in container: {process.last_words}")
    return stream_session.exited(code)


_LAST_WORDS = 2.0
_WORDS = 1024


async def _feed(source: Channel | None, target: Descriptor | None) -> None:
    if source is None or target is None:
        return
    while data := await source.read():
        if not await target.write(data):
            return
    target.close()


async def _drain(process: ExecProcess, source: Descriptor | None, target: Channel | None) -> None:
    if source is None:
        return
    while data := await source.read():
        process.last_words = data[-_WORDS:].decode("utf-8", "replace").strip()
        if target is not None:
            with contextlib.suppress(ConnectionError):
                await target.write(data)


async def resize(source: Channel | None, apply: Callable[[int, int], Awaitable[None]]) -> None:
    """Pass the sizes that a client sends on to a terminal."""
    if source is None:
        return
    while data := await source.read():
        for rows, columns in stream_session.parse_sizes(data):
            await apply(rows, columns)
