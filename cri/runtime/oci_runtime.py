"""crun and runc: their command lines, and the shortcuts around them.

Every operation has the command line as its plain form. Where a file operation does the same for a known runtime, it is
used instead, since a fork costs 5 to 9 ms: starting is a byte through ``exec.fifo``. Everything here blocks; call it in
a thread.
"""

import contextlib
import dataclasses
import errno
import json
import os
import pathlib
import select
import shutil
import subprocess
import time
from typing import Any

from cri import errors
from linux import processes

_COMMAND_TIMEOUT = 120.0
_LOOK_AGAIN = 100  # ms


@dataclasses.dataclass(frozen=True, slots=True)
class OciRuntime:
    """One installed OCI runtime and the directory where it keeps its own state."""

    path: str
    root: str
    kind: str  # "crun", "runc" or "" for another
    systemd_cgroup: bool = False

    def command(self, *arguments: str) -> list[str]:
        """A command line of this runtime."""
        flags = ["--systemd-cgroup"] if self.systemd_cgroup else []
        return [self.path, f"--root={self.root}", *flags, *arguments]

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run a command to its end.

        Raises:
            Internal: it failed; the text is the runtime's own.
        """
        try:
            done = subprocess.run(
                self.command(*arguments), input=stdin, capture_output=True, timeout=_COMMAND_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise errors.DeadlineExceeded(f"{self.path} {arguments[0]} took over {_COMMAND_TIMEOUT:.0f} s") from error
        except OSError as error:
            raise errors.Internal(f"cannot run {self.path}: {error.strerror}") from error
        if done.returncode != 0:
            raise errors.Internal(f"{self.path} {arguments[0]} failed: {_last_words(done.stderr)}")
        return done.stdout

    def create(self, bundle: pathlib.Path, container_id: str) -> None:
        """Create a container without conmon.

        Its process inherits our descriptors, so they may not be pipes that we would wait on.

        Raises:
            Internal: the runtime refused.
        """
        words = bundle / "create.log"
        with words.open("wb") as stream:
            done = subprocess.run(
                self.command("create", "--bundle", str(bundle), container_id),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                timeout=_COMMAND_TIMEOUT,
                check=False,
            )
        if done.returncode != 0:
            raise errors.Internal(f"{self.path} create failed: {_last_words(words.read_bytes())}")

    def state_directory(self, container_id: str) -> pathlib.Path:
        """Where the runtime keeps what it knows of a container."""
        return pathlib.Path(self.root) / container_id

    def start(self, container_id: str, pid: int, *, hooks: bool = False) -> None:
        """Let a created container run its process.

        Args:
            container_id: The container.
            pid: Its first process, that waits.
            hooks: It has some that the runtime itself has to run.

        Raises:
            FailedPrecondition: nothing waits there.
            Internal: the runtime refused.
        """
        if hooks or not self._start_by_fifo(container_id, pid):
            self.run("start", container_id)

    def _start_by_fifo(self, container_id: str, pid: int) -> bool:
        """What ``start`` does, without a fork: the waiting init goes on when its FIFO is opened from the other side."""
        fifo = self.state_directory(container_id) / "exec.fifo"
        try:
            if self.kind == "crun":
                descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                with contextlib.closing(os.fdopen(descriptor, "wb", buffering=0)) as stream:
                    stream.write(b"1")
            elif self.kind == "runc":
                _await_byte(fifo, pid)
            else:
                return False
        except OSError as error:
            if error.errno == errno.ENXIO:  # nobody reads yet: let the runtime wait for it
                return False
            if error.errno == errno.ENOENT:
                raise errors.FailedPrecondition(f"container {container_id} is not waiting to be started") from error
            return False
        fifo.unlink(missing_ok=True)
        return True

    def delete(self, container_id: str) -> None:
        """Remove the runtime's state and the cgroup; kills what is left. A container it does not know is fine."""
        if not self.state_directory(container_id).exists():
            return
        try:
            self.run("delete", "--force", container_id)
        except errors.Internal as error:
            # Killed at work, it left a state that it cannot read itself.
            shutil.rmtree(self.state_directory(container_id), ignore_errors=True)
            if "does not exist" not in str(error):
                raise

    def update(self, container_id: str, resources: dict[str, Any]) -> None:
        """Change limits of a running container."""
        self.run("update", "--resources", "-", container_id, stdin=json.dumps(resources).encode())

    def exec_command(self, container_id: str, process_file: str, pid_file: str, *, terminal: bool) -> list[str]:
        """The command line that runs another process in a container, with this process's stdio."""
        flags = ["--tty"] if terminal else []
        return self.command("exec", *flags, "--process", process_file, "--pid-file", pid_file, container_id)


def _await_byte(fifo: pathlib.Path, pid: int) -> None:
    """Take the byte that runc's init writes as soon as somebody reads; it may be killed instead.

    Raises:
        FileNotFoundError: it has gone.
    """
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while not poll.poll(_LOOK_AGAIN):
            if not processes.is_alive(pid):
                raise FileNotFoundError(errno.ENOENT, "the container has ended", str(fifo))
        os.read(descriptor, 1)
    finally:
        os.close(descriptor)


def kind_of(path: str) -> str:
    """Which runtime a binary is, by its name."""
    name = pathlib.Path(path).name
    return next((kind for kind in ("crun", "runc") if name.startswith(kind)), "")


def version(path: str) -> str:
    """The first line of ``--version``.

    Raises:
        OSError: it cannot be run.
    """
    done = subprocess.run([path, "--version"], capture_output=True, timeout=10, check=False)
    return done.stdout.decode("utf-8", "replace").splitlines()[0] if done.stdout else ""


def wait_gone(path: pathlib.Path, seconds: float) -> bool:
    """Wait until a path has gone."""
    deadline = time.monotonic() + seconds
    while path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _last_words(text: bytes) -> str:
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return "no message"
    last = lines[-1]
    with contextlib.suppress(ValueError):
        record = json.loads(last)
        if isinstance(record, dict) and record.get("msg"):
            return str(record["msg"])
    return last
