"""The small HTTP face of programs without an API of their own: /healthz, /livez, /readyz, /metrics.

Plain asyncio: an HTTP library would cost these programs more memory than the rest of them.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping

from component.metrics import Registry

_MOST_HEADER = 16384
_Check = Callable[[], str | None]


class HealthServer:
    """Serves health checks and metrics.

    Args:
        checks: Name to a function that returns None when all is well, else what is wrong.
        metrics: What `/metrics` shows.
    """

    def __init__(self, checks: Mapping[str, _Check] | None = None, metrics: Registry | None = None) -> None:
        self._checks = {"ping": lambda: None, **(checks or {})}
        self._metrics = metrics or Registry()

    def answer(self, target: str) -> tuple[int, bytes]:
        """Status and body for a path with query."""
        path, _, query = target.partition("?")
        if path == "/metrics":
            return 200, self._metrics.exposition()
        root, _, name = path.lstrip("/").partition("/")
        if root not in ("healthz", "livez", "readyz"):
            return 404, b"404 page not found\n"
        chosen = {name: self._checks[name]} if name in self._checks else self._checks if not name else {}
        if not chosen:
            return 404, b"404 page not found\n"
        results = {check: function() for check, function in chosen.items()}
        failed = [check for check, wrong in results.items() if wrong]
        lines = [f"[-]{check} failed: {wrong}" if wrong else f"[+]{check} ok" for check, wrong in results.items()]
        if failed:
            return 500, "\n".join([*lines, f"{root} check failed"]).encode() + b"\n"
        if "verbose" in query:
            return 200, "\n".join([*lines, f"{root} check passed"]).encode() + b"\n"
        return 200, b"ok"

    async def serve(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen until cancelled; port 0 means not at all."""
        if not port:
            return
        server = await asyncio.start_server(self._connection, host, port, ssl=tls, limit=_MOST_HEADER)
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                head = await reader.readuntil(b"\r\n\r\n")
                words = head.split(b"\r\n", 1)[0].split(b" ")
                if len(words) != 3 or words[0] not in (b"GET", b"HEAD"):
                    status, body = 405, b"method not allowed\n"
                else:
                    status, body = self.answer(words[1].decode(errors="replace"))
                writer.write(
                    f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\n"
                    f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
                    "Connection: close\r\n\r\n".encode()
                    + (body if words[0] != b"HEAD" else b"")
                )
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            writer.close()
