"""Counts of calls, and /metrics where it is asked for."""

import asyncio

from component.metrics import Registry

REGISTRY = Registry()
_OPERATIONS = REGISTRY.counter(
    "crio_operations_total", "Cumulative number of CRI-O operations by operation type.", "operation"
)
_ERRORS = REGISTRY.counter(
    "crio_operations_errors_total", "Cumulative number of CRI-O operation errors by operation type.", "operation"
)
_LATENCY = REGISTRY.histogram(
    "crio_operations_latency_seconds", "Latency in seconds of CRI-O operations by operation type.", "operation"
)
_REQUEST_LINE_LIMIT = 8192


def observe(operation: str, code: str, seconds: float) -> None:
    """Count a call."""
    _OPERATIONS.inc(operation)
    if code != "OK":
        _ERRORS.inc(operation)
    _LATENCY.observe(operation, value=seconds)


async def serve(host: str, port: int) -> None:
    """Answer ``GET /metrics`` for ever; a whole web framework would double this process's memory."""
    server = await asyncio.start_server(_answer, host, port, limit=_REQUEST_LINE_LIMIT)
    async with server:
        await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(10):
            line = await reader.readline()
            while (await reader.readline()).strip():
                pass
            found = line.startswith(b"GET /metrics ")
            body = REGISTRY.exposition() if found else b"not found\n"
            status = b"200 OK" if found else b"404 Not Found"
            writer.write(
                b"HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n"
                b"Connection: close\r\n\r\n%s" % (status, len(body), body)
            )
            await writer.drain()
    except (TimeoutError, ConnectionError, ValueError):
        pass
    finally:
        writer.close()
