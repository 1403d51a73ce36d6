"""Large answers made small."""

import asyncio
import gzip

import pytest
from aiohttp import web

from apiserver.filters.delivery import compress, deliver
from component.serving import serve_app


async def test_a_body_is_compressed_once():
    body = b'{"items":[' + b'{"a":1},' * 50_000
    response = web.Response(body=body, content_type="application/json")
    await compress(response)
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Vary"] == "Accept-Encoding"
    packed = response.body
    assert len(packed) < len(body) // 50
    assert gzip.decompress(packed) == body
    await compress(response)
    assert response.body is packed


async def test_an_answer_without_a_body_stays_as_it_is():
    response = web.Response(status=304)
    await compress(response)
    assert "Content-Encoding" not in response.headers


BODY = bytes(range(256)) * 80_000


def serving(seconds: float):
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/small":
            return web.Response(body=b"ok")
        return await deliver(request, web.Response(body=BODY, headers={"X-Mark": "1"}), seconds)

    app = web.Application()
    app.router.add_get("/{name}", handler)
    return serve_app(app, "127.0.0.1", 0)


async def ask(port: int, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return reader, writer


async def test_a_large_answer_is_whole_and_keeps_nobody_waiting():
    async with serving(10) as port:
        reader, writer = await ask(port, "/large")
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Content-Length: {len(BODY)}".encode() in head
        assert b"X-Mark: 1" in head
        other, second = await ask(port, "/small")
        assert (await other.readuntil(b"ok")).endswith(b"ok")
        assert await reader.readexactly(len(BODY)) == BODY
        writer.write(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readuntil(b"ok")).endswith(b"ok")
        writer.close()
        second.close()


async def test_a_client_that_does_not_read_is_cut_off():
    async with serving(0.2) as port:
        reader, writer = await ask(port, "/large")
        await asyncio.sleep(0.5)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(len(BODY))
        writer.close()
