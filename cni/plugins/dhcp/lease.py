"""One lease: acquired over a raw socket inside the container's namespace, renewed until it is released.

A thread per lease sleeps until the next renewal. Where renewing fails for the whole time of the lease, a new one is
asked for; the interface keeps its address meanwhile, as the reference's does. Who keeps leases on disk is told of each
change.
"""

from __future__ import annotations

import os
import socket
import threading
import time

from cni.errors import INTERNAL, CNIError
from cni.plugins.dhcp import lease_file, packet
from linux import addresses, links, netns
from linux.netlink import Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ETH_P_IP = 0x0800
_BROADCAST_MAC = b"\xff" * 6
_FIRST_RESEND_SECONDS = 1.0
_DEFAULT_LEASE_SECONDS = 3600
_MINIMUM_RENEWAL_SECONDS = 1.0
DEFAULT_PARAMETERS = bytes(
    (
        packet.OPTION_SUBNET_MASK,
        packet.OPTION_ROUTER,
        packet.OPTION_DNS,
        packet.OPTION_DOMAIN,
        packet.OPTION_MTU,
        packet.OPTION_STATIC_ROUTES,
        packet.OPTION_SEARCH,
        packet.OPTION_CLASSLESS_ROUTES,
    )
)


class Lease:
    """A lease of one container's interface.

    Attributes:
        client_id: The attachment's name towards the server.
        ifname: The interface.
        keep: Is given the lease's record whenever it has changed.
    """

    def __init__(
        self,
        client_id: str,
        netns_path: str,
        ifname: str,
        *,
        timeout: float = 10.0,
        resend_max: float = 4.0,
        broadcast: bool = False,
        parameters: bytes = DEFAULT_PARAMETERS,
        provide: dict[int, bytes] | None = None,
    ) -> None:
        self.client_id, self.ifname, self._netns_path = client_id, ifname, netns_path
        self.keep: Callable[[dict[str, Any]], None] | None = None
        self._got = 0.0
        self._timeout, self._resend_max, self._broadcast = timeout, resend_max, broadcast
        self._parameters = parameters
        self._provide = provide or {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._namespace = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
        self._ack: packet.Packet | None = None
        self._mac = b""

    # -- the container's namespace

    def _path(self) -> str:
        return f"/proc/self/fd/{self._namespace}"

    def _socket(self) -> socket.socket:
        with netns.entered(self._path()):
            with Netlink() as nl:
                link = links.get(self.ifname, nl)
                if not link.up:
                    nl.send(links.up(link.index))
            self._mac = links.mac_bytes(link.mac)
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.htons(_ETH_P_IP))
            raw.bind((self.ifname, _ETH_P_IP))
        return raw

    # -- the protocol

    def acquire(self) -> None:
        """Get the lease, and keep it until release.

        Raises:
            CNIError: nobody offers one in time.
            OSError: there is no such interface.
        """
        self._accept(self._negotiate())
        self._start()

    def resume(self, record: dict[str, Any]) -> None:
        """Go on with a lease that a daemon before had."""
        self._ack = packet.Packet(packet.ACK, 0, b"", lease_file.options(record["options"]))
        self._ack.offered = bytes.fromhex(record["offered"])
        self._got = time.monotonic() - max(0.0, time.time() - float(record["got"]))
        self._start()

    def record(self) -> dict[str, Any]:
        """What a later daemon must know to go on with the lease."""
        assert self._ack is not None
        return {
            "clientID": self.client_id,
            "netns": self._netns_path,
            "inode": lease_file.inode(self._path()),
            "ifname": self.ifname,
            "parameters": self._parameters.hex(),
            "provide": lease_file.hexadecimal(self._provide),
            "offered": self._ack.offered.hex(),
            "options": lease_file.hexadecimal(self._ack.options),
            "got": time.time() - (time.monotonic() - self._got),
        }

    def _accept(self, ack: packet.Packet) -> None:
        self._ack, self._got = ack, time.monotonic()
        if self.keep is not None and not self._stop.is_set():
            self.keep(self.record())

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._maintain, name=f"dhcp-{self.client_id}", daemon=True)
        self._thread.start()

    def _negotiate(self) -> packet.Packet:
        deadline = time.monotonic() + self._timeout
        with self._socket() as raw:
            while True:
                transaction = int.from_bytes(os.urandom(4), "big")
                discover = self._message(packet.DISCOVER, transaction, {})
                offer = self._exchange(raw, discover, (packet.OFFER,), deadline)
                answer = self._exchange(
                    raw,
                    self._message(
                        packet.REQUEST,
                        transaction,
                        {
                            packet.OPTION_REQUESTED_IP: offer.offered,
                            packet.OPTION_SERVER: offer.options.get(packet.OPTION_SERVER, bytes(4)),
                        },
                    ),
                    (packet.ACK, packet.NAK),
                    deadline,
                )
                if answer.kind == packet.ACK:
                    return answer

    def _message(
        self, kind: int, transaction: int, options: dict[int, bytes], client: bytes = bytes(4)
    ) -> packet.Packet:
        every = {
            packet.OPTION_CLIENT_ID: b"\0" + self.client_id.encode()[:254],
            **self._provide,
            **options,
        }
        if kind in (packet.DISCOVER, packet.REQUEST):
            every[packet.OPTION_PARAMETERS] = self._parameters
        return packet.Packet(kind, transaction, self._mac, every, client=client, broadcast=self._broadcast)

    def _exchange(
        self, raw: socket.socket, message: packet.Packet, kinds: tuple[int, ...], deadline: float
    ) -> packet.Packet:
        """Send until one of the kinds answers."""
        data = packet.in_ip(message.encode(), message.client)
        pause = _FIRST_RESEND_SECONDS
        while True:
            raw.sendto(data, (self.ifname, _ETH_P_IP, 0, 0, _BROADCAST_MAC))
            until = min(deadline, time.monotonic() + pause)
            while (left := until - time.monotonic()) > 0:
                raw.settimeout(left)
                try:
                    payload = packet.from_ip(raw.recv(65535))
                except TimeoutError:
                    break
                answer = packet.decode(payload) if payload else None
                if answer and answer.op == 2 and answer.transaction == message.transaction and answer.kind in kinds:
                    return answer
            if time.monotonic() >= deadline or self._stop.is_set():
                raise CNIError(INTERNAL, f"{self.ifname}: no more tries: no DHCP server answered")
            pause = min(pause * 2, self._resend_max)

    # -- its life

    def _seconds(self, option: int, default: float) -> float:
        assert self._ack is not None
        value = self._ack.options.get(option, b"")
        return float(int.from_bytes(value, "big")) if len(value) == 4 else default

    def times(self) -> tuple[float, float, float]:
        """Seconds until renewing, rebinding and the end of the lease."""
        whole = self._seconds(packet.OPTION_LEASE_TIME, _DEFAULT_LEASE_SECONDS)
        return self._seconds(packet.OPTION_T1, whole / 2), self._seconds(packet.OPTION_T2, whole * 0.875), whole

    def _maintain(self) -> None:
        while True:
            renew, _, whole = self.times()
            if self._stop.wait(max(_MINIMUM_RENEWAL_SECONDS, self._got + renew - time.monotonic())):
                return
            try:
                while not self._renew():
                    if time.monotonic() > self._got + whole:
                        self._accept(self._negotiate())
                        break
                    if self._stop.wait(min(60.0, max(1.0, whole / 16))):
                        return
            except (CNIError, OSError):
                # The interface or its namespace has gone, or there is no server: try again as long as we live.
                if self._stop.wait(60.0):
                    return

    def _renew(self) -> bool:
        """Ask for more time. Returns whether it was granted."""
        assert self._ack is not None
        transaction = int.from_bytes(os.urandom(4), "big")
        message = self._message(packet.REQUEST, transaction, {}, client=self._ack.offered)
        try:
            with self._socket() as raw:
                until = time.monotonic() + self._resend_max
                answer = self._exchange(raw, message, (packet.ACK, packet.NAK), until)
        except CNIError:
            return False
        if answer.kind == packet.NAK:
            self._accept(self._negotiate())
        else:
            answer.options = {**self._ack.options, **answer.options}
            self._accept(answer)
        return True

    def release(self) -> None:
        """Give the lease back; where the interface has gone, the server finds out by itself."""
        self._stop.set()
        if self._ack is not None:
            options = {packet.OPTION_SERVER: self._ack.options.get(packet.OPTION_SERVER, bytes(4))}
            transaction = int.from_bytes(os.urandom(4), "big")
            try:
                with self._socket() as raw:
                    message = self._message(packet.RELEASE, transaction, options, client=self._ack.offered)
                    data = packet.in_ip(message.encode(), message.client)
                    raw.sendto(data, (self.ifname, _ETH_P_IP, 0, 0, _BROADCAST_MAC))
            except OSError:
                self._ack = None
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
        os.close(self._namespace)

    def abandon(self) -> None:
        """Stop renewing without giving the lease back."""
        self._ack = None
        self.release()

    def result(self) -> dict[str, Any]:
        """What the lease gives, as a CNI result."""
        assert self._ack is not None
        options = self._ack.options
        length = packet.prefix_length(options.get(packet.OPTION_SUBNET_MASK, b"\xff\xff\xff\0"))
        ip = {"address": f"{addresses.unpack(self._ack.offered)}/{length}"}
        routers = packet.ip_list(options.get(packet.OPTION_ROUTER, b""))
        if routers:
            ip["gateway"] = routers[0]
        dns: dict[str, Any] = {}
        if options.get(packet.OPTION_DNS):
            dns["nameservers"] = packet.ip_list(options[packet.OPTION_DNS])
        if options.get(packet.OPTION_DOMAIN):
            dns["domain"] = options[packet.OPTION_DOMAIN].rstrip(b"\0").decode(errors="replace")
        return {"ips": [ip], "routes": packet.routes(options), "dns": dns}
