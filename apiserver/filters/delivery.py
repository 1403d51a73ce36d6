"""How large answers leave: compressed for clients on other machines, and in pieces, so that others have their turns.

A list of twenty thousand objects would otherwise be encrypted and buffered as a whole, which takes twice its memory
and keeps everybody waiting.
"""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import web

LARGE = 128 * 1024
_WHOLE = 8 * 1024 * 1024  # smaller ones are sent as one: pieces cost a few milliseconds
_PIECE = 1024 * 1024
_FASTEST = 1
_GZIP = 31


def _packed(body: bytes) -> bytes:
    packer = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()


async def compress(response: web.Response) -> None:
    """Replace an answer's body by its compressed form."""
    body = response.body
    if not isinstance(body, bytes) or "Content-Encoding" in response.headers:
        return
    response.body = await asyncio.to_thread(_packed, body)
    response.headers["Content-Encoding"] = "gzip"
    response.headers.add("Vary", "Accept-Encoding")


async def deliver(request: web.BaseRequest, response: web.Response, seconds: float) -> web.StreamResponse:
    """Send an answer whose body is large as fast as the client takes it; one that takes too long is cut off."""
    body = response.body
    if not isinstance(body, bytes) or len(body) < _WHOLE or request.method == "HEAD":
        return response
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(body)
    view = memoryview(body)
    try:
        async with asyncio.timeout(seconds):
            await stream.prepare(request)
            for start in range(0, len(view), _PIECE):
                await stream.write(view[start : start + _PIECE])
                await asyncio.sleep(0)
            await stream.write_eof()
    except TimeoutError as error:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client does not read") from error
    return stream
