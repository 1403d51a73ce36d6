"""The cluster's DNS server: UDP and TCP on the cluster address, on the node itself.

Talks to the API server (informers) for what the zone says, and to the host's resolvers for
the rest. Zone answers are made at once on the event loop; only forwarded questions wait, each
in a task of its own, so a dead resolver delays nobody else.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from addons.dns import messages
from addons.dns.cache import Cache
from component.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from addons.dns.forward import Forwarder
    from addons.dns.messages import Query
    from addons.dns.records import Answer, Zone
    from component.tasks import Tasks

_LOG = get_logger("server")
_MAX_WAITING = 1000
_TCP_IDLE_SECONDS = 10.0
_IN = 1


class Resolver:
    """Answers packets.

    Args:
        zone: what is ours.
        forwarder: asks others for the rest.
        ready: whether the informers have told everything; until then the zone is not answered.
        tasks: owner of the waiting questions.
    """

    def __init__(self, zone: Zone, forwarder: Forwarder, ready: Callable[[], bool], tasks: Tasks) -> None:
        self._zone = zone
        self._forwarder = forwarder
        self._ready = ready
        self._tasks = tasks
        self._cache = Cache()
        self._turn = 0
        self._waiting = 0

    def answer_now(self, packet: bytes, *, udp: bool) -> bytes | Deferred | None:
        """An answer that needs nobody else; a deferred one otherwise; None where silence is right."""
        try:
            query = messages.parse(packet)
        except messages.MalformedError:
            return messages.format_error(packet)
        if query.request.header.opcode != 0:
            return messages.failure(query, "NOTIMP")
        if query.record_class != _IN:
            return messages.failure(query, "REFUSED")
        if self._zone.covers(query.name):
            return self._from_zone(query, self._zone.answer(query.name, query.kind), udp=udp)
        if query.kind in ("PTR", "ANY") and self._ready():
            found = self._zone.reverse(query.name)
            if found is not None:
                return self._from_zone(query, found, udp=udp)
        kept = self._cache.get(_question(query), asyncio.get_running_loop().time())
        if kept is not None:
            return messages.adjust(query, *kept, udp=udp)
        return Deferred(query, packet, None)

    def _from_zone(self, query: Query, answer: Answer, *, udp: bool) -> bytes | Deferred:
        if not self._ready():
            # Better "try again" than a wrong NXDOMAIN that the client keeps.
            return messages.failure(query, "SERVFAIL")
        if answer.forward:
            return Deferred(query, messages.ask_for(query, answer.forward), answer)
        self._turn += 1
        return messages.build(query, answer, self._zone.soa(), udp=udp, turn=self._turn)

    async def finish(self, deferred: Deferred, *, udp: bool) -> bytes:
        """Asks the host's resolvers."""
        query = deferred.query
        if self._waiting >= _MAX_WAITING:
            return messages.failure(query, "SERVFAIL")
        self._waiting += 1
        try:
            answer = await self._forwarder.ask(deferred.packet, tcp=not udp and deferred.alias is None)
        finally:
            self._waiting -= 1
        if answer is None:
            return messages.failure(query, "SERVFAIL")
        if deferred.alias is not None:
            try:
                return messages.extend(query, deferred.alias, answer, udp=udp)
            except messages.MalformedError:
                return messages.failure(query, "SERVFAIL")
        self._cache.put(_question(query), answer, messages.lifetime(answer), asyncio.get_running_loop().time())
        return answer

    def defer(self, deferred: Deferred, send: Callable[[bytes], None]) -> None:
        """Answers a datagram later."""

        async def work() -> None:
            send(await self.finish(deferred, udp=True))

        self._tasks.spawn(_logged(work(), deferred.query.name), name=f"forward {deferred.query.name}")


class Deferred:
    """A question that others must be asked.

    Args:
        query: the client's.
        packet: what to ask.
        alias: records of the zone that come before the answer.
    """

    __slots__ = ("alias", "packet", "query")

    def __init__(self, query: Query, packet: bytes, alias: Answer | None) -> None:
        self.query, self.packet, self.alias = query, packet, alias


def _question(query: Query) -> tuple[str, int, int, bool]:
    return (query.name, query.number, query.record_class, query.dnssec)


async def _logged(work: Any, name: str) -> None:
    try:
        await work
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 - one question must not end the server
        _LOG.warning("A question failed", name=name, err=error)


class DatagramServer(asyncio.DatagramProtocol):
    """The UDP side."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is bound."""
        self._transport = transport  # type: ignore[assignment]  # asyncio hands datagram transports here

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """One question."""
        try:
            answer = self._resolver.answer_now(data, udp=True)
        except Exception as error:  # noqa: BLE001 - hostile packets must not end the server
            _LOG.warning("A packet could not be answered", peer=addr[0], err=error)
            return
        if isinstance(answer, Deferred):
            self._resolver.defer(answer, lambda reply: self._send(reply, addr))
        elif isinstance(answer, bytes):
            self._send(answer, addr)

    def _send(self, reply: bytes, addr: Any) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(reply, addr)


async def serve_stream(resolver: Resolver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The TCP side: questions one after the other on a connection."""
    try:
        while True:
            async with asyncio.timeout(_TCP_IDLE_SECONDS):
                size = int.from_bytes(await reader.readexactly(2), "big")
                packet = await reader.readexactly(size)
            answer = resolver.answer_now(packet, udp=False)
            if isinstance(answer, Deferred):
                answer = await resolver.finish(answer, udp=False)
            if not isinstance(answer, bytes):
                return
            writer.write(len(answer).to_bytes(2, "big") + answer)
            await writer.drain()
    except (TimeoutError, OSError, asyncio.IncompleteReadError):
        return
    except Exception as error:  # noqa: BLE001 - as for datagrams
        _LOG.warning("A connection could not be answered", err=error)
    finally:
        writer.close()
