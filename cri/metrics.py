"""What is counted, under CRI-O's names, and /metrics where it is asked for."""

import asyncio
from typing import Any

from component.metrics import Registry

REGISTRY = Registry()
_PREFIX = "container_runtime_crio_"
_OPERATIONS = REGISTRY.counter(
    f"{_PREFIX}operations_total", "Cumulative number of CRI-O operations by operation type.", "operation"
)
_ERRORS = REGISTRY.counter(
    f"{_PREFIX}operations_errors_total", "Cumulative number of CRI-O operation errors by operation type.", "operation"
)
_LAST_LATENCY = REGISTRY.gauge(
    f"{_PREFIX}operations_latency_seconds",
    "Latency in seconds of individual CRI calls for CRI-O operations. Broken down by operation type.",
    "operation",
)
_LATENCY = REGISTRY.histogram(
    f"{_PREFIX}operations_latency_seconds_total",
    "Latency in seconds of CRI-O operations. Broken down by operation type.",
    "operation",
)
IMAGE_PULLS_SUCCESS = REGISTRY.counter(
    f"{_PREFIX}image_pulls_success_total", "Cumulative number of CRI-O image pull successes."
)
IMAGE_PULLS_FAILURE = REGISTRY.counter(
    f"{_PREFIX}image_pulls_failure_total", "Cumulative number of CRI-O image pull failures by error.", "error"
)
_PULLED_BYTES = REGISTRY.counter(
    f"{_PREFIX}image_pulls_bytes_total", "Bytes transferred by CRI-O image pulls", "mediatype", "size"
)
_SKIPPED_BYTES = REGISTRY.counter(
    f"{_PREFIX}image_pulls_skipped_bytes_total", "Bytes skipped by CRI-O image pulls", "size"
)
_REUSED_LAYERS = REGISTRY.counter(
    f"{_PREFIX}image_layer_reuse_total", "Reused (not pulled) local image layer count by name", "name"
)
_KB, _MB, _GB = 1000, 1000**2, 1000**3
_SIZES = (
    (10 * _GB, ">10 GiB"),
    (_GB, ">1 GiB"),
    *((n * _MB, f">{n} MiB") for n in (500, 400, 300, 200, 100, 50, 10, 1)),
)
_SIZE_NAMES = (*_SIZES, (_KB, ">1 KiB"))
_LAYER_SIZES = REGISTRY.histogram(
    f"{_PREFIX}image_pulls_layer_size",
    "Bytes transferred by CRI-O image pulls per layer",
    buckets=tuple(float(size) for size, _ in reversed(_SIZE_NAMES)),
)
CONTAINERS_OOM = REGISTRY.counter(
    f"{_PREFIX}containers_oom_total", "Amount of containers killed because they ran out of memory (OOM)"
)
CONTAINERS_OOM_BY_NAME = REGISTRY.counter(
    f"{_PREFIX}containers_oom_count_total",
    "Amount of containers killed because they ran out of memory (OOM) by their name",
    "name",
)
DEFAULT_RUNTIME = REGISTRY.gauge(
    f"{_PREFIX}default_runtime", "Default container runtime configured. Value is always 1.", "runtime"
)
_REQUEST_LINE_LIMIT = 8192


def observe(operation: str, code: str, seconds: float) -> None:
    """Count a call."""
    _OPERATIONS.inc(operation)
    if code != "OK":
        _ERRORS.inc(operation)
    _LAST_LATENCY.set(operation, to=seconds)
    _LATENCY.observe(operation, value=seconds)


def observe_layer(image: str, layer: dict[str, Any], *, loaded: bool) -> None:
    """Count a layer of an image that was pulled: loaded, or there already."""
    size = int(layer.get("size") or 0)
    if loaded:
        _PULLED_BYTES.inc(str(layer.get("mediaType", "")), size_name(size), by=size)
        _LAYER_SIZES.observe(value=size)
    else:
        _SKIPPED_BYTES.inc(size_name(size), by=size)
        _REUSED_LAYERS.inc(f"{image}@{layer.get('digest', '')}")


def size_name(size: int) -> str:
    """The label for a number of bytes."""
    return next((name for least, name in _SIZE_NAMES if size > least), ">0 B")


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
