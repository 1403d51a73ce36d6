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
from cni.plugins.dhcp import packet
from cni.plugins.dhcp.lease import Lease
from linux import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SOCKET_PATH = "/run/cni/dhcp.sock"
_CLIENT_ID_MAX = 254
_USAGE = """usage: dhcp daemon [-socketpath /run/cni/dhcp.sock] [-pidfile FILE] [-hostprefix DIR] [-broadcast]
                   [-timeout 10s] [-resendmax 4s]
Holds the leases of the dhcp plugin: renews them, and gives them back on DEL.
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


class Daemon:
    """The leases, and the answers to the plugin."""

    def __init__(
        self, *, host_prefix: str = "", timeout: float = 10.0, resend_max: float = 4.0, broadcast: bool = False
    ) -> None:
        self._prefix, self._timeout, self._resend_max, self._broadcast = host_prefix, timeout, resend_max, broadcast
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
                lease.release()
            return {}
        if lease is None:
            raise CNIError(UNKNOWN_CONTAINER, f"lease not found: {name}")
        return lease.result()

    def _allocate(self, name: str, question: dict[str, Any]) -> dict[str, Any]:
        ipam = question.get("ipam") or {}
        provide = {}
        for entry in ipam.get("provide") or []:
            value = str(entry.get("value") or "")
            provide[option_number(entry.get("option"))] = value.encode()
        if question.get("ip"):
            provide[packet.OPTION_REQUESTED_IP] = addresses.pack(question["ip"])
        request = bytes(option_number(entry.get("option")) for entry in ipam.get("request") or [])
        lease = Lease(
            name,
            self._prefix + question["netns"],
            question["ifname"],
            timeout=self._timeout,
            resend_max=self._resend_max,
            broadcast=self._broadcast,
            request=request,
            provide=provide,
        )
        try:
            lease.acquire()
        except BaseException:
            lease.release()
            raise
        with self._lock:
            old = self._leases.pop(name, None)
            self._leases[name] = lease
        if old is not None:
            old.release()
        return lease.result()

    def _collect(self, question: dict[str, Any]) -> dict[str, Any]:
        network = question["network"]
        keep = {client_id(container_id, network, ifname) for container_id, ifname in question.get("valid") or []}
        with self._lock:
            gone = [name for name in self._leases if name.split("/")[1:2] == [network] and name not in keep]
            leases = [self._leases.pop(name) for name in gone]
        for lease in leases:
            lease.release()
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
    options = {"socketpath": SOCKET_PATH, "pidfile": "", "hostprefix": "", "timeout": "10s", "resendmax": "4s"}
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
            timeout=_duration(options["timeout"]),
            resend_max=_duration(options["resendmax"]),
            broadcast=broadcast,
        )
        listener = listen(options["hostprefix"] + options["socketpath"])
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
