"""WATCH: frames pushed into the connection as the cache applies events.

A quiet watch has no task that wakes: the cache calls `deliver`, which writes a frame (encoded once, shared by all
watchers of the same form, chunk framing included) straight to the transport. A client that doesn't read is cut off
when too much waits for it. Once a watch has caught up, its request ends and only the connection stays
(`parked_watch`). Resources whose served version differs from the stored one go through a queue and keep the request.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from apimachinery.errors import APIError, BadRequest, Expired, Invalid
from apimachinery.objects.field_path import FieldPath, forbidden, invalid
from apiserver.endpoints import transform
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.parked_watch import ParkedWatch
from apiserver.endpoints.selection import selection
from apiserver.endpoints.versions import parse_version, wait_for_version
from apiserver.filters.request_info import RequestInfo
from apiserver.registry.store import Store
from apiserver.storage.cache.history import CacheEvent
from apiserver.storage.cache.subscriber import Selection
from component.clock import Clock

_MAX_WAITING_BYTES = 8 * 1024 * 1024
_INITIAL_BATCH = 32
_REPLAY_BYTES = 128 * 1024
_MAX_WAITING_EVENTS = 10_000
_BOOKMARK_SECONDS = 50.0
_MIN_TIMEOUT = 1800
_FLUSH_SECONDS = 0.004
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"


def chunk(frame: bytes) -> bytes:
    """Return a frame as an HTTP/1.1 chunk."""
    return b"%x\r\n%s\r\n" % (len(frame), frame)


def _closed() -> None:
    """Make no handler: the connection is to be closed."""


class Watches:
    """All open watches: bookmarks come from here, and a shutdown or a removed resource ends them.

    Attributes:
        connections: makes the handler for what comes after a watch on its connection (aiohttp's Server).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.streams: dict[WatchStream, None] = {}
        self._pending: list[WatchStream] = []
        self._scheduled = False
        self._last_flush = 0.0
        self.connections: Callable[[], Any] = _closed

    def flush_soon(self, stream: WatchStream) -> None:
        """Write what waits for a stream: at once after a quiet time, else together with what comes in a moment.

        A write costs a system call per watcher; under load several events share it, a single one never waits.
        """
        self._pending.append(stream)
        if self._scheduled:
            return
        self._scheduled = True
        loop = asyncio.get_running_loop()
        wait = self._last_flush + _FLUSH_SECONDS - loop.time()
        if wait > 0:
            loop.call_later(wait, self._flush)
        else:
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._last_flush = asyncio.get_running_loop().time()
        self._scheduled = False
        pending, self._pending = self._pending, []
        for stream in pending:
            stream.flush()

    async def run(self) -> None:
        """Send bookmarks for ever."""
        while True:
            await self._clock.sleep(_BOOKMARK_SECONDS)
            for stream in tuple(self.streams):
                if stream.bookmarks:
                    stream.bookmark()

    def end_all(self) -> None:
        """End every watch cleanly, and its connection."""
        self.connections = _closed
        for stream in tuple(self.streams):
            stream.end()

    def end_resource(self, store_header: bytes) -> None:
        """End the watches of a resource version that is no longer served."""
        for stream in tuple(self.streams):
            if stream.store.header == store_header:
                stream.end()


class WatchStream:
    """One watcher: a subscriber of a cache that writes to one connection."""

    __slots__ = (
        "_after",
        "_ended",
        "_exchange",
        "_form",
        "_held",
        "_parked",
        "_queue",
        "_selection",
        "_transport",
        "_waiting",
        "_watches",
        "bookmarks",
        "store",
    )

    def __init__(self, exchange: Exchange, store: Store, chosen: Selection, revision: int) -> None:
        self._exchange: Exchange | None = exchange
        self.store = store
        self.bookmarks = exchange.info.flag("allowWatchBookmarks")
        self._selection = chosen
        self._transport: Any = None
        self._after = revision
        self._ended: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()  # None while parked
        self._parked: ParkedWatch | None = None
        self._queue: asyncio.Queue[CacheEvent] | None = None
        self._held: deque[CacheEvent] | None = None
        self._waiting: list[bytes] = []
        self._watches: Watches = exchange.services.parts["watches"]
        if store.strategy.from_storage is not None:
            self._queue = asyncio.Queue()
        form = exchange.form
        include = transform.include_object(exchange) if form.kind == "Table" else ""
        self._form = (store.header, form.kind, include, form.api_version)

    @property
    def ended(self) -> bool:
        """Whether nothing more will be sent."""
        if self._parked is not None:
            return self._parked.ended
        return self._ended is not None and self._ended.done()

    # -- the cache's side ------------------------------------------------------------------------------------------

    def deliver(self, event: CacheEvent) -> None:
        """Take an event: write its frame."""
        if event.revision <= self._after or self.ended:
            return
        if self._held is not None:
            self._held.append(event)
            if len(self._held) > _MAX_WAITING_EVENTS:
                self.end()
            return
        self._take(event)

    def _take(self, event: CacheEvent) -> None:
        if self._queue is not None:
            self._queue.put_nowait(event)
            if self._queue.qsize() > _MAX_WAITING_EVENTS:
                self.end()
            return
        seen = self._selection.effective(event)
        if seen is None:
            return
        kind, entry = seen
        key = (kind, entry.body is event.entry.body, self._form)
        frame = event.frames.get(key)
        if frame is None:
            frame = event.frames[key] = chunk(self._frame(kind, self.store.header + entry.body))
        if not self._waiting:
            self._watches.flush_soon(self)
        self._waiting.append(frame)

    def flush(self) -> None:
        """Write the events that wait."""
        if self._waiting:
            data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
            self._waiting = []
            self._send(data)

    def _write(self, data: bytes) -> None:
        """Write something that isn't an event of the cache, after those."""
        self.flush()
        self._send(data)

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            self.end()
            return
        transport.write(data)
        if transport.get_write_buffer_size() > _MAX_WAITING_BYTES:
            self.end()
            transport.abort()

    def end(self) -> None:
        """End the watch."""
        if self.ended:
            return
        if self._parked is not None:
            self._parked.finish()
        elif self._ended is not None:
            self._ended.set_result(None)
            self.flush()

    def bookmark(self, *, initial_events_end: bool = False) -> None:
        """Tell the client how far it is."""
        if self._queue is not None and not self._queue.empty():
            return
        revision = self._after if initial_events_end else max(self.store.cached.revision, self._after)
        meta: dict[str, Any] = {"resourceVersion": str(revision)}
        if initial_events_end:
            meta["annotations"] = {_INITIAL_EVENTS_END: "true"}
        resource = self.store.resource
        kind, version = resource.kind, resource.api_version
        obj: dict[str, Any] = {"kind": kind, "apiVersion": version, "metadata": meta}
        _, form, _, form_version = self._form
        if form == "Table":
            obj = {
                "kind": "Table",
                "apiVersion": form_version,
                "metadata": meta,
                "columnDefinitions": [],
                "rows": [],
            }
        elif form:
            obj = {"kind": "PartialObjectMetadata", "apiVersion": form_version, "metadata": meta}
        elif resource.group == "" and kind == "Pod":
            obj["spec"] = {"containers": None}
        self._write(chunk(b'{"type":"BOOKMARK","object":%s}\n' % orjson.dumps(obj)))

    def _frame(self, kind: str, body: bytes) -> bytes:
        if self._form[1]:
            body = self._transformed(body)
        return b'{"type":"%s","object":%s}\n' % (kind.encode(), body)

    def _transformed(self, body: bytes) -> bytes:
        obj = orjson.loads(body)
        if self._exchange is not None and self._form[1] == "Table":
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            return orjson.dumps(transform.table(self._exchange, self.store, [obj], meta))
        return orjson.dumps(transform.partial(obj, self._form[3]))

    # -- the request's side ----------------------------------------------------------------------------------------

    async def serve(self, exchange: Exchange, *, initial: bool, end_mark: bool) -> web.StreamResponse:
        """Send what is asked for until the time is over, the client leaves, or the server stops."""
        response = web.StreamResponse(headers={**exchange.headers(), "Content-Type": "application/json"})
        exchange.warn(response)
        response.enable_chunked_encoding()
        await response.prepare(exchange.request)
        exchange.started()
        self._transport = exchange.request.transport
        deadline = asyncio.get_running_loop().time() + _timeout(exchange.info)
        try:
            async with asyncio.timeout_at(deadline):
                await self._start(exchange, response, initial=initial, end_mark=end_mark)
                self._watches.streams[self] = None
                exchange.leave()
                if self._queue is not None:
                    await self._pump(self._queue)
                elif not self.ended and self._transport is not None:
                    self._park(exchange, deadline)
                    return response
        except TimeoutError:
            self._last_bookmark()
        except APIError as error:
            # The answer has begun: a conversion that fails is told in it.
            self._fail(error)
        finally:
            if self._parked is None:
                self.end()
                self._forget()
        if exchange.request.transport is not None:
            await response.write_eof()
        return response

    def _park(self, exchange: Exchange, deadline: float) -> None:
        """Let the request end; the connection and this stream go on without it."""
        self._parked = ParkedWatch.take_over(exchange.request.protocol, self, deadline)
        exchange.parked = self._parked
        self._ended = None
        if self._form[1] != "Table":
            self._exchange = None

    def expire(self) -> None:
        """End the watch because its time is over."""
        self._last_bookmark()
        self.end()

    def parting(self) -> None:
        """Leave the cache, after writing what waits; called once at a parked watch's end."""
        self.flush()
        self._forget()

    def next_handler(self) -> Any:
        """Return aiohttp's handler for the connection's next request, or None to have it closed."""
        return self._watches.connections()

    def _last_bookmark(self) -> None:
        if self.bookmarks and not self._transport.is_closing():
            self.bookmark()

    def _forget(self) -> None:
        self._watches.streams.pop(self, None)
        self.store.cache.subscribers.pop(self, None)

    async def _start(self, exchange: Exchange, response: web.StreamResponse, *, initial: bool, end_mark: bool) -> None:
        """Send the state or the missed events, and subscribe, without anything coming between."""
        cache = self.store.cache
        if initial:
            if self._selection.fields is not None and self.store.strategy.fields_ready is not None:
                await self.store.strategy.fields_ready(cache.select(self._selection.prefix))
            chosen = self._selection.entries(cache)
            self._after = self.store.cached.revision
            if self._queue is None:
                self._held = deque()
            cache.subscribers[self] = None
            for start in range(0, len(chosen), _INITIAL_BATCH):
                bodies = await self.store.bodies(chosen[start : start + _INITIAL_BATCH])
                frames = [self._frame("ADDED", self.store.header + body) for body in bodies]
                await response.write(b"".join(frames))  # waits while the client is slow
            if end_mark:
                self.bookmark(initial_events_end=True)
            await self._release(exchange)
            return
        missed = cache.history.after(self._after)
        cache.subscribers[self] = None
        if missed is None:
            self._too_old()
            return
        self._held = deque(missed)
        await self._release(exchange)

    async def _release(self, exchange: Exchange) -> None:
        """Send the events held back, as fast as the client takes them, and hold back no more."""
        while self._held and not self.ended:
            self._take(self._held.popleft())
            if sum(map(len, self._waiting)) > _REPLAY_BYTES:
                self.flush()
                await exchange.request.protocol._drain_helper()  # noqa: SLF001 - frames go past aiohttp's writer
        self._held = None

    def _too_old(self) -> None:
        self._fail(Expired(f"too old resource version: {self._after} ({self.store.cache.history.since})"))

    def _fail(self, error: APIError) -> None:
        self._write(chunk(b'{"type":"ERROR","object":%s}\n' % orjson.dumps(error.to_status())))
        self.end()

    async def _pump(self, queue: asyncio.Queue[CacheEvent]) -> None:
        """Convert events to the served version, one after the other."""
        ended = self._ended
        while ended is not None and not ended.done():
            getting = asyncio.ensure_future(queue.get())
            await asyncio.wait((getting, ended), return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                getting.cancel()
                return
            event = getting.result()
            if self._selection.fields is not None and self.store.strategy.fields_ready is not None:
                previous = [event.previous] if event.previous is not None else []
                await self.store.strategy.fields_ready([event.entry, *previous])
            seen = self._selection.effective(event)
            if seen is None:
                continue
            body = (await self.store.bodies([seen[1]]))[0]
            self._write(chunk(self._frame(seen[0], self.store.header + body)))


def _timeout(info: RequestInfo) -> float:
    text = info.first("timeoutSeconds")
    if text.isdecimal() and len(text) < 20 and int(text) > 0:
        return float(min(int(text), 10**8))
    return float(_MIN_TIMEOUT + random.randrange(_MIN_TIMEOUT))  # noqa: S311 - spreads reconnects


def _check_options(info: RequestInfo) -> bool:
    """Refuse contradictory options; return whether initial events are asked for explicitly."""
    errors = []
    match = info.first("resourceVersionMatch")
    send = info.first("sendInitialEvents")
    if send:
        path = FieldPath("resourceVersionMatch")
        if not match:
            errors.append(forbidden(path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
        elif match != "NotOlderThan":
            errors.append(
                invalid(path, match, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
            )
        if not info.flag("allowWatchBookmarks") and info.flag("sendInitialEvents"):
            detail = "sendInitialEvents requires setting allowWatchBookmarks to true"
            errors.append(forbidden(FieldPath("allowWatchBookmarks"), detail))
    elif match:
        detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        errors.append(forbidden(FieldPath("resourceVersionMatch"), detail))
    if errors:
        raise Invalid.of("ListOptions", "meta.k8s.io", "", errors)
    return info.flag("sendInitialEvents")


async def watch(exchange: Exchange, store: Store) -> web.StreamResponse:
    """Answer with a stream of events."""
    info = exchange.info
    if exchange.form.kind == "PartialObjectMetadataList":
        raise BadRequest("PartialObjectMetadataList is not a form of a watch event")
    send_initial = _check_options(info)
    chosen = selection(info, store)
    version = info.first("resourceVersion")
    wanted = parse_version(version)
    explicit_off = bool(info.first("sendInitialEvents")) and not send_initial
    if send_initial or (not wanted and not explicit_off):
        await wait_for_version(exchange, version)
        stream = WatchStream(exchange, store, chosen, store.cached.revision)
        return await stream.serve(exchange, initial=True, end_mark=send_initial)
    if not wanted:
        await store.cached.ensure_fresh()
        wanted = store.cached.revision
    stream = WatchStream(exchange, store, chosen, wanted)
    return await stream.serve(exchange, initial=False, end_mark=False)
