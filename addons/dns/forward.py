"""Asking the resolvers of the host what is not ours.

Talks UDP (and TCP for answers that don't fit) to the name servers of a resolv.conf, which is
read anew when it changes. Promises an answer or None within a few seconds, never blocks the
loop, asks a question that many clients ask at once only once, and prefers the server that
answered last.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from component.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOG = get_logger("forward")

# Two servers can be tried before a client's usual five seconds are over.
TRY_SECONDS = 2.0
_SHORT_TRY_SECONDS = 0.5
_REST_SECONDS = 5.0
_RELOAD_SECONDS = 5.0
_LONG_AGO = float("-inf")
_MAX_SERVERS = 3
_PORT = 53


class Forwarder:
    """Sends questions to the host's resolvers.

    Args:
        resolv_conf: the file that names them.
        own_addresses: never asked, since that would be ourselves.
        port: the resolvers' port.
    """

    def __init__(self, resolv_conf: str, own_addresses: Iterable[str], port: int = _PORT) -> None:
        self._path = Path(resolv_conf)
        self._own = frozenset(own_addresses)
        self._port = port
        self._servers: list[str] = []
        self._stamp: tuple[int, int] | None = None
        self._checked = float("-inf")
        self._failed: dict[str, float] = {}
        self._running: dict[bytes, asyncio.Future[bytes | None]] = {}

    def servers(self) -> list[str]:
        """The servers, best first; looks at the file at most every five seconds."""
        now = asyncio.get_running_loop().time()
        if now - self._checked >= _RELOAD_SECONDS:
            self._checked = now
            self._reload()
        return self._servers

    def _reload(self) -> None:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp == self._stamp:
                return
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            _LOG.warning("No upstream resolvers", file=self._path, err=error)
            return
        self._stamp = stamp
        self._servers = [s for s in name_servers(text) if s not in self._own][:_MAX_SERVERS]
        _LOG.info("Upstream resolvers", servers=",".join(self._servers) or "none")

    async def ask(self, packet: bytes, *, tcp: bool = False) -> bytes | None:
        """The answer to a packet, under the packet's own id; None when nobody answers."""
        question = bytes([tcp]) + packet[2:]
        running = self._running.get(question)
        if running is None:
            running = asyncio.get_running_loop().create_future()
            self._running[question] = running
            answer: bytes | None = None
            try:
                answer = await self._ask(packet, tcp=tcp)
            finally:
                del self._running[question]
                running.set_result(answer)
        else:
            answer = await asyncio.shield(running)
        return None if answer is None else packet[:2] + answer[2:]

    async def _ask(self, packet: bytes, *, tcp: bool) -> bytes | None:
        loop = asyncio.get_running_loop()
        servers = list(self.servers())
        healthy = [server for server in servers if self._failed.get(server, _LONG_AGO) < loop.time() - _REST_SECONDS]
        # When all were silent just now, one short try is enough: clients wait on every search domain in turn.
        patience = TRY_SECONDS if healthy else _SHORT_TRY_SECONDS
        for server in healthy or servers[:1]:
            # An id of our own, so that a client can't choose what we expect from the server.
            own = secrets.token_bytes(2) + packet[2:]
            try:
                async with asyncio.timeout(patience):
                    answer = await (self._by_tcp if tcp else self._by_udp)(server, own)
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                _LOG.debug("Resolver did not answer", server=server, err=error)
                self._failed[server] = loop.time()
                if len(self._servers) > 1 and self._servers[0] == server:
                    self._servers.append(self._servers.pop(0))
                continue
            self._failed.pop(server, None)
            return answer
        return None

    async def _by_udp(self, server: str, packet: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        # A socket per question: a random source port is what keeps forged answers out.
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: _Exchange(packet[:2], loop.create_future()), remote_addr=(server, self._port)
        )
        try:
            transport.sendto(packet)
            return await protocol.answer
        finally:
            transport.close()

    async def _by_tcp(self, server: str, packet: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(server, self._port)
        try:
            writer.write(len(packet).to_bytes(2, "big") + packet)
            size = int.from_bytes(await reader.readexactly(2), "big")
            return await reader.readexactly(size)
        finally:
            writer.close()


class _Exchange(asyncio.DatagramProtocol):
    """Waits for the one datagram that answers ours."""

    def __init__(self, identity: bytes, answer: asyncio.Future[bytes]) -> None:
        self._identity = identity
        self.answer = answer

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the protocol's signature
        if data[:2] == self._identity and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


def name_servers(text: str) -> list[str]:
    """The `nameserver` lines of a resolv.conf."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            found.append(words[1])
    return found
