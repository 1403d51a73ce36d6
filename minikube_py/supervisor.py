"""Keeping the programs alive, with the `supervisor` package.

One supervisord per profile, which outlives the command that started it. It restarts what ends, rotates the logs, and
is spoken to through a unix socket in the profile's run directory.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from linux.files import atomic_write
from minikube_py.profiles import Profile
from minikube_py.programs import PROGRAMS, Program, command_line
from minikube_py.reasons import SUPERVISOR, Failure

_START_SECONDS = 10.0
_TREE = Path(__file__).resolve().parent.parent

_HEAD = """\
[unix_http_server]
file={run}/supervisor.sock
chmod=0700

[supervisord]
logfile={logs}/supervisor.log
logfile_maxbytes=1MB
logfile_backups=1
loglevel=warn
pidfile={run}/supervisor.pid
directory=/
minfds=1024
identifier=minikube-py-{name}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = """
[program:{name}]
command={command}
environment={environment}
directory=/
autostart=true
autorestart=true
startsecs=1
startretries=1000000
stopsignal=TERM
stopwaitsecs={stop_seconds}
redirect_stderr=true
stdout_logfile={logs}/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1
"""


@dataclass(frozen=True, slots=True)
class ProgramState:
    """What supervisord says of one program: its state's name (RUNNING, BACKOFF, …) and pid (0 if none)."""

    name: str
    state: str
    pid: int


def configuration(profile: Profile) -> str:
    """Supervisord's configuration for a profile."""
    text = _HEAD.format(run=profile.run_directory, logs=profile.logs, name=profile.name)
    for program in PROGRAMS:
        text += _PROGRAM.format(
            name=program.name,
            command=" ".join(_quoted(word) for word in command_line(program, profile)),
            environment=",".join(f'{key}="{value}"' for key, value in program_environment(program).items()),
            stop_seconds=program.stop_seconds,
            logs=profile.logs,
        )
    return text


def program_environment(program: Program) -> dict[str, str]:
    """What a program finds in its environment beside the launcher's own."""
    path = os.environ.get("PATH", "")
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        "PATH": f"{path}:{system}" if path else system,
        "PYTHONPATH": str(_TREE),
        "PYTHONUNBUFFERED": "1",
        # One malloc arena: our programs have one busy thread, and each further arena costs memory for nothing.
        "MALLOC_ARENA_MAX": "1",
        **program.environment,
    }


def _quoted(word: str) -> str:
    # supervisord expands %(…)s in commands, so a literal percent sign is doubled.
    return shlex.quote(word).replace("%", "%%")


def pid(profile: Profile) -> int:
    """The pid of the profile's supervisord, 0 if it does not run."""
    try:
        found = int((profile.run_directory / "supervisor.pid").read_text())
        command = Path(f"/proc/{found}/cmdline").read_bytes()
    except (OSError, ValueError):
        return 0
    return found if str(profile.run_directory).encode() in command else 0


def start(profile: Profile) -> None:
    """Start supervisord, which starts all programs at once. Does nothing where it runs already.

    Raises:
        Failure: SUPERVISOR.
    """
    if pid(profile):
        return
    profile.run_directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    profile.logs.mkdir(parents=True, exist_ok=True)
    file = profile.run_directory / "supervisord.conf"
    atomic_write(file, configuration(profile).encode(), 0o600)
    result = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(file)],
        cwd="/",
        # Without byte code on disk every program would compile itself at every start.
        env={key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        # Its own session: Ctrl-C of the command that started it is not meant for the cluster.
        start_new_session=True,
    )
    if result.returncode:
        raise Failure(
            SUPERVISOR,
            f"supervisord did not start: {(result.stderr or result.stdout).strip()}",
            log=profile.logs / "supervisor.log",
        )
    # supervisord sleeps a second before its first look at its programs; being spoken to wakes it.
    _call(profile, "getState")


class _SocketConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_START_SECONDS * 3)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _call(profile: Profile, method: str, *arguments: str | bool) -> Any:
    import xmlrpc.client

    connection = _SocketConnection(str(profile.run_directory / "supervisor.sock"))
    try:
        body = xmlrpc.client.dumps(arguments, f"supervisor.{method}")
        connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
        reply = connection.getresponse().read()
    except OSError as error:
        raise Failure(
            SUPERVISOR, f"supervisord does not answer: {error}", log=profile.logs / "supervisor.log"
        ) from error
    finally:
        connection.close()
    try:
        (value,), _ = xmlrpc.client.loads(reply)
    except xmlrpc.client.Fault as fault:
        raise Failure(SUPERVISOR, f"supervisord: {fault.faultString}", log=profile.logs / "supervisor.log") from fault
    return value


def states(profile: Profile) -> list[ProgramState]:
    """What each program is doing; an empty list where no supervisord runs."""
    if not pid(profile):
        return []
    try:
        rows = _call(profile, "getAllProcessInfo")
    except Failure:
        return []
    return [ProgramState(row["name"], row["statename"], row["pid"]) for row in rows]


def stop_program(profile: Profile, name: str) -> None:
    """End one program and keep it ended (it need not run)."""
    try:
        _call(profile, "stopProcess", name, True)
    except Failure as failure:
        if "NOT_RUNNING" not in failure.message:
            raise


def start_program(profile: Profile, name: str) -> None:
    """Start one program that was stopped."""
    _call(profile, "startProcess", name, False)


def stop(profile: Profile) -> None:
    """End supervisord and with it all programs; returns when the last one has gone."""
    supervisor = pid(profile)
    if not supervisor:
        return
    children = [state.pid for state in states(profile) if state.pid]
    os.kill(supervisor, signal.SIGTERM)
    deadline = time.monotonic() + max(program.stop_seconds for program in PROGRAMS) + 5
    while pid(profile) and time.monotonic() < deadline:
        time.sleep(0.02)
    # What outlived supervisord (killed, or past its deadline) is ended by hand.
    for victim in (supervisor if pid(profile) else 0, *children):
        if victim and is_ours(victim):
            os.kill(victim, signal.SIGKILL)
    (profile.run_directory / "supervisor.pid").unlink(missing_ok=True)
    (profile.run_directory / "supervisor.sock").unlink(missing_ok=True)


def strays(profile: Profile) -> list[int]:
    """Programs of this profile that run without a supervisord (it was killed)."""
    marks = (str(profile.directory).encode() + b"/", str(profile.run_directory).encode() + b"/")
    executables = {Path(sys.executable).resolve(), Path("/usr/bin/etcd")}
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            command = (process / "cmdline").read_bytes()
            executable = (process / "exe").resolve()
        except OSError:
            continue
        if executable in executables and any(mark in command for mark in marks):
            found.append(int(process.name))
    return found


def end_strays(profile: Profile) -> None:
    """End programs of this profile that no supervisord holds."""
    for victim in strays(profile):
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue


def is_ours(victim: int) -> bool:
    """Whether a pid still belongs to one of our programs."""
    try:
        executable = Path(f"/proc/{victim}/exe").resolve()
    except OSError:
        return False
    return executable in {Path(sys.executable).resolve(), Path("/usr/bin/etcd")}
