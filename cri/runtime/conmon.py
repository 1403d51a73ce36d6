"""conmon: the small process that owns a container's stdio, log, attach socket and exit status, and outlives us.

Talks to conmon by its command line, two inherited descriptors (one to let it go on, one on which it reports the pid or
the OCI runtime's error), a control FIFO (``ctl``: resize, reopen the log) and files: ``EXITS/ID`` holds the exit
status, ``oom`` in the bundle says that the kernel killed the container, ``attach`` is a SEQPACKET socket.
Everything here blocks; call it in a thread.
"""

import contextlib
import dataclasses
import os
import pathlib
import select
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any

import orjson

from cri import errors
from linux import processes

_STARTED_BY = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CREATE_TIMEOUT = 240.0
_LOOK_SECONDS = 1.0
_GONE_SECONDS = 3.0
_RESIZE, _REOPEN = 1, 2


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One container to create."""

    container_id: str
    name: str
    bundle: pathlib.Path
    exits: pathlib.Path
    log_path: str
    runtime: str
    runtime_root: str
    systemd_cgroup: bool = False
    terminal: bool = False
    stdin: bool = False
    stdin_once: bool = False
    log_size_max: int = -1
    no_pivot: bool = False


def command(conmon: str, job: Job) -> list[str]:
    """Conmon's command line for a new container."""
    bundle = str(job.bundle)
    result = [
        conmon,
        *("-b", bundle, "-c", job.container_id, "-u", job.container_id, "-n", job.name),
        *("--exit-dir", str(job.exits), "-l", job.log_path, "--log-level", "error"),
        *("-P", f"{bundle}/conmon-pidfile", "-p", f"{bundle}/pidfile", "--persist-dir", bundle),
        *("-r", job.runtime, "--runtime-arg", f"--root={job.runtime_root}", "--full-attach"),
        # The log is read by people and the kubelet, not after power loss: fsync at each exit would cost milliseconds.
        "--no-sync-log",
    ]
    if job.log_size_max > 0:
        result += ["--log-size-max", str(job.log_size_max)]
    if job.no_pivot:
        result.append("--no-pivot")
    if job.systemd_cgroup:
        result.append("-s")
    if job.terminal:
        result.append("-t")
    if job.stdin:
        result.append("-i")
        if not job.stdin_once:
            result.append("--leave-stdin-open")
    return result


def create(conmon: str, job: Job) -> int:
    """Let conmon create the container; returns the pid of its (not yet started) first process.

    Raises:
        Internal: the OCI runtime refused; the text is its own message.
    """
    ours, theirs = socket.socketpair()
    start_read, start_write = os.pipe()
    environment = dict([_STARTED_BY.split("=", 1)])
    environment["_OCI_SYNCPIPE"] = str(theirs.fileno())
    environment["_OCI_STARTPIPE"] = str(start_read)
    try:
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, start_write)
            words = stack.enter_context(os.fdopen(os.memfd_create("conmon", os.MFD_CLOEXEC), "r+b"))
            try:
                first = subprocess.Popen(
                    command(conmon, job),
                    cwd=job.bundle,
                    env=environment,
                    pass_fds=(theirs.fileno(), start_read),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=words,
                )
            except OSError as error:
                raise errors.Internal(f"cannot run {conmon}: {error.strerror}") from error
            finally:
                theirs.close()
                os.close(start_read)
            with contextlib.suppress(BrokenPipeError):  # it has ended already: its exit code tells
                os.write(start_write, b"\0")
            code = first.wait()
            if code != 0:
                words.seek(0)
                raise errors.Internal(_why(code, words.read().decode("utf-8", "replace"), job))
        answer = _read_line(ours, CREATE_TIMEOUT, lambda: _runtime_works(job))
    finally:
        ours.close()
    pid = int(answer.get("pid", -1))
    if pid <= 0:
        raise errors.Internal(f"container create failed: {_first_cause(str(answer.get('message', '')))}")
    return pid


def _why(code: int, words: str, job: Job) -> str:
    """Why conmon itself gave up."""
    if not os.access(job.runtime, os.X_OK):
        return f"the OCI runtime {job.runtime} is missing or may not be run"
    lines = words.strip().splitlines()
    last = lines[-1] if lines else "without a word"
    return f"conmon failed with exit code {code}: {last} (log {job.log_path})"


def _runtime_works(job: Job) -> bool:
    """Whether the OCI runtime is at work, or may be: it names the container on its command line.

    So does the container's own first process under crun, until it is started.
    """
    pid, first = monitor(job.bundle), 0
    with contextlib.suppress(OSError, ValueError):
        first = int((job.bundle / "pidfile").read_text())
    below = processes.children(pid) if pid else []
    return not pid or any(job.container_id in processes.command_line(child) for child in below if child != first)


def _read_line(connection: socket.socket, timeout: float, works: Callable[[], bool]) -> dict[str, Any]:
    """Read conmon's answer.

    conmon reads what a failing OCI runtime says to the end, which doesn't come while the container's first process
    (whose output it is as well) lives on; so this looks after the runtime itself.
    """
    begun = seen = time.monotonic()
    data = b""
    while b"\n" not in data:
        if not select.select([connection], [], [], _LOOK_SECONDS)[0]:
            now = time.monotonic()
            seen = now if works() else seen
            if now - begun > timeout:
                raise errors.DeadlineExceeded("the OCI runtime did not create the container in time")
            if now - seen > _GONE_SECONDS:
                raise errors.Internal("the OCI runtime ended before the container was ready")
            continue
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    if not data.strip():
        raise errors.Internal("conmon ended without an answer from the OCI runtime")
    answer = orjson.loads(data)
    return answer if isinstance(answer, dict) else {}


def _first_cause(message: str) -> str:
    return message.strip() or "the OCI runtime gave no reason"


def exit_status(exits: pathlib.Path, container_id: str) -> tuple[int, int] | None:
    """Exit status and its time in ns, if conmon has written it."""
    path = exits / container_id
    try:
        return int(path.read_text()), path.stat().st_mtime_ns
    except (FileNotFoundError, ValueError):
        return None


def oom_killed(bundle: pathlib.Path) -> bool:
    """Whether the kernel's OOM killer ended a process of the container."""
    return (bundle / "oom").exists()


def resize(bundle: pathlib.Path, rows: int, columns: int) -> None:
    """Change the size of the container's terminal."""
    _control(bundle, f"{_RESIZE} {rows} {columns}\n")


def reopen_log(bundle: pathlib.Path) -> None:
    """Make conmon open its log anew. Call it only after the old file was moved: conmon truncates."""
    _control(bundle, f"{_REOPEN} 0 0\n")


def _control(bundle: pathlib.Path, line: str) -> None:
    # One line per write: conmon 2.1.6 loses the second of two.
    try:
        descriptor = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise errors.FailedPrecondition(f"conmon of the container is gone: {error.strerror}") from error
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def connect_attach(bundle: pathlib.Path) -> socket.socket:
    """Connect to the container's stdio; each packet from it begins with the stream's number (2 out, 3 err)."""
    directory = os.open(bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        # Through /proc, since the real path may exceed the 107 bytes of a socket address.
        connection.connect(f"/proc/self/fd/{directory}/attach")
        connection.setblocking(False)
    except OSError as error:
        connection.close()
        raise errors.FailedPrecondition(f"cannot attach: {error.strerror}") from error
    finally:
        os.close(directory)
    return connection


def monitor(bundle: pathlib.Path) -> int:
    """The pid of a container's conmon; 0 if there is none."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((bundle / "conmon-pidfile").read_text())
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if str(bundle).encode() in words:  # not a stranger with a reused pid
            return pid
    return 0


def kill_monitor(bundle: pathlib.Path) -> None:
    """End the conmon of a container that is being removed, and the OCI runtime should that be at work."""
    pid = monitor(bundle)
    if pid:
        processes.kill_tree(pid)
