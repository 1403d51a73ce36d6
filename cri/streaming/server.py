"""The server behind the URLs of Exec, Attach and PortForward.

A plain HTTP/1.1 listener (loopback by default) whose every request is an upgrade: to SPDY/3.1, or for exec and attach
to a WebSocket. The path holds a token that was handed out over the CRI socket, valid once and for a minute; that token
is the authorization. What a client sends can end its own connection only.
"""

import asyncio
import contextlib
import dataclasses
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from component.logging import get_logger
from component.tasks import Tasks
from cri import errors
from cri.streaming import websocket_forward, websocket_tunnel
from cri.streaming.activity import Activity
from cri.streaming.channels import Channel
from cri.streaming.spdy_connection import Sink, Source, SpdyConnection
from cri.streaming.tokens import Tokens
from cri.streaming.websocket_connection import WebSocketConnection
from protocols import spdy, stream_session, websocket_channels

_log = get_logger("streams")
_HEAD_LIMIT = 1 << 16
_HEAD_TIMEOUT = 10.0
CREATION_TIMEOUT = 30.0
IDLE_TIMEOUT = 4 * 3600.0
_GOODBYE = 5.0
_FORWARD_PROTOCOLS = (websocket_tunnel.PROTOCOL, websocket_channels.V4)


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """What exec and attach run: which streams, and the function that uses them."""

    kind: str  # "exec" or "attach"
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool
    run: Callable[[dict[str, Channel]], Awaitable[bytes]]  # returns the final status

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams that the client has to open."""
        return stream_session.expected_streams(stdin=self.stdin, stdout=self.stdout, stderr=self.stderr, tty=self.tty)


@dataclasses.dataclass(frozen=True, slots=True)
class Forwarding:
    """What port-forward runs: a function that serves one pair of streams."""

    run: websocket_forward.Run
    ports: tuple[int, ...] = ()  # for clients that cannot name them per stream
    kind: str = "portforward"


class _Request(NamedTuple):
    method: str
    path: str
    query: str
    headers: dict[str, list[str]]

    def values(self, name: str) -> list[str]:
        """Every comma-separated part of every header of a name."""
        return [part.strip() for value in self.headers.get(name, ()) for part in value.split(",")]


class StreamServer:
    """Hands out URLs and serves them."""

    def __init__(self, address: str, port: int, tasks: Tasks, idle_timeout: float = IDLE_TIMEOUT) -> None:
        """``port`` 0 takes any; a connection without any traffic ends after ``idle_timeout`` seconds."""
        self._address = address
        self._port = port
        self._tasks = tasks
        self._tokens: Tokens[Session | Forwarding] = Tokens()
        self._server: asyncio.Server | None = None
        self._idle_timeout = idle_timeout
        self._upgrades = (("spdy/3.1", self._serve_spdy), ("websocket", self._serve_websocket))

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._connected, self._address, self._port, limit=_HEAD_LIMIT)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening; sessions end with their tasks."""
        if self._server is not None:
            self._server.close()

    def url(self, request: Session | Forwarding) -> str:
        """A URL that serves ``request`` once."""
        token = self._tokens.add(request, asyncio.get_running_loop().time())
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{host}:{self._port}/{request.kind}/{token}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except (spdy.SpdyError, websocket_channels.WebSocketError) as error:
            _log.info("Stream client broke the protocol", cause=str(error))
        except Exception as error:  # noqa: BLE001  one session's fault must not end the listener
            _log.error("Stream session failed", error=error)
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_TIMEOUT):
            head = await reader.readuntil(b"\r\n\r\n")
        request = _parse(head)
        if request is None:
            await _refuse(writer, 400, "bad request")
            return
        kind, _, token = request.path.strip("/").partition("/")
        asked = self._tokens.take(token, asyncio.get_running_loop().time())
        if asked is None or asked.kind != kind:
            await _refuse(writer, 404, "no such stream: the URL has expired or was used before")
            return
        upgrades = [value.lower() for value in request.values("upgrade")]
        serve = next((serve for name, serve in self._upgrades if name in upgrades), None)
        if serve is None:
            await _refuse(writer, 400, "the request has to be an upgrade to SPDY/3.1 or a WebSocket")
            return
        connection = Activity(reader, writer)
        work = asyncio.ensure_future(serve(request, asked, connection))
        idle = asyncio.ensure_future(connection.idle(self._idle_timeout))
        try:
            await asyncio.wait({work, idle}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            else:
                _log.info("Nothing has moved for too long", stream=kind, seconds=self._idle_timeout)
        finally:
            for task in (work, idle):
                task.cancel()
            await asyncio.wait({work, idle})

    # -- SPDY

    async def _serve_spdy(
        self,
        request: _Request,
        asked: Session | Forwarding,
        client: Activity,
    ) -> None:
        offered = request.values("x-stream-protocol-version")
        if isinstance(asked, Session):
            protocol = stream_session.choose_spdy_protocol(offered)
        else:
            protocol = stream_session.PORT_FORWARD_PROTOCOL
        if not protocol or (isinstance(asked, Forwarding) and offered and protocol not in offered):
            await _refuse(client, 403, f"none of the protocols {offered} is supported")
            return
        _switch(client, "SPDY/3.1", {"X-Stream-Protocol-Version": protocol})
        await client.drain()
        if isinstance(asked, Session):
            await self._session_over_spdy(asked, client)
        else:
            await self._forward_over_spdy(asked, client, client)

    async def _session_over_spdy(self, session: Session, client: Activity) -> None:
        channels: dict[str, Channel] = {}
        complete = asyncio.Event()

        def accept(_stream: int, channel: Channel) -> bool:
            if channel.name not in session.streams or channel.name in channels:
                return False
            channels[channel.name] = channel
            if len(channels) == len(session.streams):
                complete.set()
            return True

        connection = SpdyConnection(client, client, accept)
        pump = self._tasks.spawn(_quiet(connection.run()), name="spdy-session")
        try:
            opening = self._tasks.spawn(complete.wait(), name="stream-creation")
            await asyncio.wait({opening, pump}, timeout=CREATION_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
            opening.cancel()
            if complete.is_set():
                await self._run(session, channels, pump, connection)
        finally:
            pump.cancel()

    async def _forward_over_spdy(self, forwarding: Forwarding, reader: Source, writer: Sink) -> None:
        waiting: dict[str, dict[str, tuple[int, Channel]]] = {}
        running: set[asyncio.Task[None]] = set()

        def accept(stream: int, channel: Channel) -> bool:
            port = channel.headers.get(stream_session.PORT, "")
            if not port.isdecimal() or not 0 < int(port) < 1 << 16 or channel.name not in ("data", "error"):
                return False
            # Old clients send no request id: their pairs come as error stream N and data stream N + 2.
            key = channel.headers.get(stream_session.REQUEST_ID) or str(stream - 2 * (channel.name == "data"))
            pair = waiting.setdefault(key, {})
            pair[channel.name] = (stream, channel)
            if len(pair) == 2:
                del waiting[key]
                task = self._tasks.spawn(_quiet(serve(int(port), pair)), name=f"port-forward-{port}")
                running.add(task)
                task.add_done_callback(running.discard)
            return True

        async def serve(port: int, pair: dict[str, tuple[int, Channel]]) -> None:
            (data_stream, data), (error_stream, error) = pair["data"], pair["error"]
            try:
                await forwarding.run(port, data, error)
            finally:
                await error.finish()
                await data.finish()
                connection.forget(data_stream)
                connection.forget(error_stream)

        connection = SpdyConnection(reader, writer, accept)
        try:
            await connection.run()
        finally:
            for task in list(running):
                task.cancel()

    # -- WebSocket

    async def _serve_websocket(
        self,
        request: _Request,
        asked: Session | Forwarding,
        client: Activity,
    ) -> None:
        key = "".join(request.headers.get("sec-websocket-key", ()))
        known = websocket_channels.SUPPORTED if isinstance(asked, Session) else _FORWARD_PROTOCOLS
        protocol = websocket_channels.choose_protocol(",".join(request.values("sec-websocket-protocol")), known)
        if not key or not protocol:
            await _refuse(client, 400, "no WebSocket key, or none of the offered subprotocols is supported")
            return
        ports = [] if isinstance(asked, Session) else _ports(request.query) or list(asked.ports)
        if protocol == websocket_channels.V4 and isinstance(asked, Forwarding) and not ports:
            await _refuse(client, 400, "query parameter 'port' is required")
            return
        accepted = websocket_channels.accept_key(key)
        _switch(client, "websocket", {"Sec-WebSocket-Accept": accepted, "Sec-WebSocket-Protocol": protocol})
        if isinstance(asked, Session):
            await self._session_over_websocket(asked, protocol, client)
        elif protocol == websocket_tunnel.PROTOCOL:
            tunnel = websocket_tunnel.TunnelWriter(client)
            await self._forward_over_spdy(asked, websocket_tunnel.TunnelReader(client, tunnel), tunnel)
        else:
            numbers = websocket_forward.channel_numbers(ports)
            connection = WebSocketConnection(client, client, numbers, half_close=False)
            await _quiet(websocket_forward.serve(connection, ports, asked.run))

    async def _session_over_websocket(self, session: Session, protocol: str, client: Activity) -> None:
        numbers = {name: websocket_channels.CHANNELS[name] for name in session.streams}
        half_close = protocol == websocket_channels.V5
        connection = WebSocketConnection(client, client, numbers, half_close=half_close)
        await connection.open()
        pump = self._tasks.spawn(_quiet(connection.run()), name="websocket-session")
        try:
            await self._run(session, connection.channels, pump, connection)
        finally:
            pump.cancel()

    # -- both

    async def _run(
        self,
        session: Session,
        channels: dict[str, Channel],
        pump: "asyncio.Task[None]",
        connection: SpdyConnection | WebSocketConnection,
    ) -> None:
        """Run a session; it ends when its command does or its client goes away."""
        work = self._tasks.spawn(_caught(session.run(channels)), name=session.kind)
        try:
            await asyncio.wait({work, pump}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                return  # the client is gone
            for name in ("stdout", "stderr"):
                if name in channels:
                    await channels[name].finish()
            await channels["error"].write(work.result())
            await channels["error"].finish()
            await connection.go_away()
            # The client reads the rest and hangs up; who does not is cut off.
            await asyncio.wait({pump}, timeout=_GOODBYE)
        finally:
            work.cancel()
            await asyncio.wait({work})


async def _caught(work: Awaitable[bytes]) -> bytes:
    try:
        return await work
    except errors.CRIError as error:
        return stream_session.failure(str(error))
    except OSError as error:
        return stream_session.failure(f"{error.strerror or error}")
    except Exception as error:  # noqa: BLE001  the client hears of it, the other sessions don't
        _log.error("Stream session failed", error=error)
        return stream_session.failure(f"{type(error).__name__}: {error}")


async def _quiet(work: Awaitable[None]) -> None:
    """A connection that breaks is an end like any other; nothing above it may fall."""
    try:
        await work
    except (ConnectionError, OSError, asyncio.IncompleteReadError):
        pass
    except (spdy.SpdyError, websocket_channels.WebSocketError) as error:
        _log.info("Stream client broke the protocol", cause=str(error))
    except Exception as error:  # noqa: BLE001  a fault of one session must not reach the owner of all tasks
        _log.error("Stream session failed", error=error)


def _parse(head: bytes) -> _Request | None:
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return None
    headers: dict[str, list[str]] = {}
    for line in lines[1:]:
        if line:
            name, colon, value = line.partition(":")
            if not colon:
                return None
            headers.setdefault(name.strip().lower(), []).append(value.strip())
    path, _, query = parts[1].partition("?")
    return _Request(parts[0], path, query, headers)


def _ports(query: str) -> list[int]:
    """The ports that a URL names; what is no port is left out."""
    words = ",".join(urllib.parse.parse_qs(query).get(stream_session.PORT, ())).split(",")
    return [int(word) for word in words if word.isdecimal() and 0 < int(word) < 1 << 16]


def _switch(writer: Sink, protocol: str, headers: dict[str, str]) -> None:
    lines = ["HTTP/1.1 101 Switching Protocols", f"Upgrade: {protocol}", "Connection: Upgrade"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))


async def _refuse(writer: Sink, code: int, text: str) -> None:
    body = text.encode() + b"\n"
    head = (
        f"HTTP/1.1 {code} Refused\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
