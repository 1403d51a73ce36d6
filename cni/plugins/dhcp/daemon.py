"""`dhcp daemon`: holds leases for the dhcp plugin, which lives only for a moment.

Speaks over a unix socket: one JSON object a line, one answer a line, a connection per question. (The reference's
daemon speaks Go's own RPC there; the two can't be mixed.)
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading

from cni import documents
from cni.errors import INTERNAL, INVALID_CONFIG, UNKNOWN_CONTAINER, CNIError, from_exception
from cni.plugins.dhcp import lease_file, packet
from cni.plugins.dhcp.lease import DEFAULT_PARAMETERS, Lease
from linux import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SOCKET_PATH = "/run/cni/dhcp.sock"
_CLIENT_ID_MAX = 254
_VALUE_MAX = 255
_USAGE = """usage: dhcp daemon [-socketpath /run/cni/dhcp.sock] [-pidfile FILE] [-hostprefix DIR] [-broadcast]
                   [-timeout 10s] [-resendmax 4s] [-resendtimeout 10s]
Holds the leases of the dhcp plugin: renews them, and gives them back on DEL. They are also kept in SOCKETPATH.leases:
a daemon that is started anew goes on with them.

  -socketpath     where the plugin asks; the same as daemonSocketPath of the configuration
  -pidfile        write the process id there
  -hostprefix     where the host's root is mounted, for a daemon in a container
  -broadcast      ask servers to answer by broadcast
  -timeout        how long a server may take to give a lease
  -resendmax      the longest pause between two tries
  -resendtimeout  after how long no more is tried, where that is longer than -timeout
"""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def client_id(container_id: str, network: str, ifname: str) -> str:
    """The name of an attachment towards the server."""
    return f"{container_id}/{network}/{ifname}"[:_CLIENT_ID_MAX]


def option_number(name: Any) -> int:
    """The number of an option that is named or numbered.

    Raises:
        CNIError: if there is none.
    """
    text = str(name)
    if text in packet.NAMES:
        return packet.NAMES[text]
    if text.isdigit() and 0 < int(text) < packet.OPTION_END:
        return int(text)
    raise CNIError(INVALID_CONFIG, f"unknown DHCP option {text}")


def provided(entries: Any, args: dict[str, str]) -> dict[int, bytes]:
    """The options that the client tells the server: `value`, or the one of CNI_ARGS that `fromArg` names.

    Raises:
        CNIError: an option that there is not, or a value that is too long.
    """
    found = {}
    for entry in entries or []:
        number = option_number(entry.get("option"))
        for value in (str(entry.get("value") or ""), args.get(str(entry.get("fromArg") or ""), "")):
            if len(value.encode()) > _VALUE_MAX:
                raise CNIError(INVALID_CONFIG, f"DHCP option {entry['option']}: value is longer than {_VALUE_MAX}")
            if value:
                found[number] = value.encode()
    return found


def requested(entries: Any) -> bytes:
    """The numbers of the options that the client wants to be told; `skipDefault` leaves the usual ones out.

    Raises:
        CNIError: an option that there is not.
    """
    entries = entries or []
    usual = b"" if any(entry.get("skipDefault") for entry in entries) else DEFAULT_PARAMETERS
    more = bytes(option_number(entry["option"]) for entry in entries if entry.get("option"))
    return bytes(dict.fromkeys(usual + more))


class Daemon:
    """The leases, and the answers to the plugin."""

    def __init__(
        self,
        *,
        host_prefix: str = "",
        timeout: float = 10.0,
        resend_max: float = 4.0,
        broadcast: bool = False,
        lease_directory: str = "",
    ) -> None:
        self._prefix, self._timeout, self._resend_max, self._broadcast = host_prefix, timeout, resend_max, broadcast
        self._directory = lease_directory
        self._leases: dict[str, Lease] = {}
        self._lock = threading.Lock()

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer one question: `command` ADD, DEL, CHECK or GC, and whom it is for."""
        command = question.get("command")
        if command == "GC":
            return self._collect(question)
        name = client_id(question["containerID"], question["network"], question["ifname"])
        if command == "ADD":
            return self._allocate(name, question)
        with self._lock:
            lease = self._leases.pop(name, None) if command == "DEL" else self._leases.get(name)
        if command == "DEL":
            if lease is not None:
                self._release(lease)
            return {}
        if lease is None:
            raise CNIError(UNKNOWN_CONTAINER, f"lease not found: {name}")
        return lease.result()

    def _allocate(self, name: str, question: dict[str, Any]) -> dict[str, Any]:
        ipam = question.get("ipam") or {}
        provide = provided(ipam.get("provide"), question.get("args") or {})
        if question.get("ip"):
            provide[packet.OPTION_REQUESTED_IP] = addresses.pack(question["ip"])
        parameters = requested(ipam.get("request"))
        lease = self._lease(name, self._prefix + question["netns"], question["ifname"], parameters, provide)
        try:
            lease.acquire()
        except BaseException:
            self._release(lease)
            raise
        with self._lock:
            old = self._leases.pop(name, None)
            self._leases[name] = lease
        if old is not None:
            old.release()
        return lease.result()

    def _lease(self, name: str, netns: str, ifname: str, parameters: bytes, provide: dict[int, bytes]) -> Lease:
        lease = Lease(
            name,
            netns,
            ifname,
            timeout=self._timeout,
            resend_max=self._resend_max,
            broadcast=self._broadcast,
            parameters=parameters,
            provide=provide,
        )
        lease.keep = self._keep
        return lease

    def _keep(self, record: dict[str, Any]) -> None:
        if self._directory:
            lease_file.save(self._directory, record)

    def _release(self, lease: Lease) -> None:
        lease.release()
        if self._directory:
            lease_file.remove(self._directory, lease.client_id)

    def restore(self) -> None:
        """Go on with the leases of the daemon before."""
        for record in lease_file.load(self._directory) if self._directory else []:
            lease = self._lease(
                record["clientID"],
                record["netns"],
                record["ifname"],
                bytes.fromhex(record["parameters"]),
                lease_file.options(record["provide"]),
            )
            lease.resume(record)
            self._leases[lease.client_id] = lease

    def _collect(self, question: dict[str, Any]) -> dict[str, Any]:
        network = question["network"]
        keep = {client_id(container_id, network, ifname) for container_id, ifname in question.get("valid") or []}
        with self._lock:
            gone = [name for name in self._leases if name.split("/")[1:2] == [network] and name not in keep]
            leases = [self._leases.pop(name) for name in gone]
        for lease in leases:
            self._release(lease)
        return {}

    def close(self) -> None:
        """End all renewing; the leases stay valid at the server."""
        with self._lock:
            leases, self._leases = list(self._leases.values()), {}
        for lease in leases:
            lease.abandon()

    # -- the socket

    def serve(self, listener: socket.socket) -> None:
        """Answer until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(connection,), name="dhcp-client", daemon=True).start()

    def _serve_one(self, connection: socket.socket) -> None:
        # A caller may be gone at any point; another daemon's probe never asks anything.
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            question = lines.readline()
            if not question:
                return
            try:
                reply = {"result": self.answer(documents.loads(question))}
            except Exception as error:  # noqa: BLE001 - it is the plugin's to tell
                reply = {"error": from_exception(error).to_json("1.1.0")}
            connection.sendall(documents.dumps(reply).encode() + b"\n")


def listen(path: str) -> socket.socket:
    """A listener at a path; one that a dead daemon has left is replaced.

    Raises:
        CNIError: if a daemon listens there already.
    """
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            if os.path.exists(path):
                os.unlink(path)
        else:
            raise CNIError(INTERNAL, f"a dhcp daemon is listening on {path} already")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(64)
    return listener


def run_command(words: list[str]) -> int:
    """Be the daemon, until SIGTERM or SIGINT. Returns the exit status."""
    options = {"socketpath": SOCKET_PATH, "pidfile": "", "hostprefix": "", "timeout": "10s"}
    options.update(resendmax="4s", resendtimeout="0s")
    broadcast = False
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).lstrip("-").partition("=")
        if name == "broadcast":
            broadcast = value != "false"
        elif name in options and (equals or rest):
            options[name] = value if equals else rest.pop(0)
        else:
            sys.stderr.write(_USAGE)
            return 0 if name in ("h", "help") else 2
    try:
        daemon = Daemon(
            host_prefix=options["hostprefix"],
            timeout=max(_duration(options["timeout"]), _duration(options["resendtimeout"])),
            resend_max=_duration(options["resendmax"]),
            broadcast=broadcast,
            lease_directory=f"{options['hostprefix']}{options['socketpath']}.leases",
        )
        listener = listen(options["hostprefix"] + options["socketpath"])
        daemon.restore()
        if options["pidfile"]:
            with open(options["pidfile"], "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
    except (CNIError, OSError, ValueError) as error:
        sys.stderr.write(f"dhcp daemon: {error}\n")
        return 1
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=daemon.serve, args=(listener,), name="dhcp-listener", daemon=True).start()
    ended.wait()
    listener.close()
    os.unlink(options["hostprefix"] + options["socketpath"])
    daemon.close()
    return 0


def _duration(text: str) -> float:
    for unit, seconds in _UNITS.items():
        if text.endswith(unit) and text[: -len(unit)].replace(".", "", 1).isdigit():
            return float(text[: -len(unit)]) * seconds
    raise ValueError(f"invalid duration: {text}")
