import asyncio

from aiohttp import web

from component.serving import serve_app
from component.upgrade_proxy import UpgradedResponse, accept_upgrade, dial_upgrade, proxy_upgrade


async def echo(request: web.Request) -> web.StreamResponse:
    if request.query.get("refuse"):
        return web.Response(status=403, text="no")
    stream = await accept_upgrade(request, {"Connection": "Upgrade", "Upgrade": request.headers["Upgrade"]})
    while data := await stream.read():
        await stream.write(data.upper())
        if b"quit" in data:
            break
    stream.close()
    return UpgradedResponse.made()


def app(handler) -> web.Application:
    made = web.Application()
    made.router.add_route("*", "/{tail:.*}", handler)
    return made


async def test_bytes_flow_both_ways_through_a_proxy_whatever_the_protocol():
    async with serve_app(app(echo), "127.0.0.1", 0) as backend:

        async def forward(request: web.Request) -> web.StreamResponse:
            return await proxy_upgrade(request, f"http://127.0.0.1:{backend}{request.rel_url}", request.headers)

        async with serve_app(app(forward), "127.0.0.1", 0) as front:
            for protocol, method in (("SPDY/3.1", "POST"), ("websocket", "GET")):
                headers = {"Connection": "Upgrade", "Upgrade": protocol}
                answer = await dial_upgrade(method, f"http://127.0.0.1:{front}/x?y=1", headers)
                assert answer.status == 101
                assert answer.stream is not None
                for word in (b"one", b"two" * 100_000, b"quit"):
                    await answer.stream.write(word)
                    got = b""
                    while len(got) < len(word):
                        got += await answer.stream.read()
                    assert got == word.upper()
                assert await answer.stream.read() == b""
                answer.stream.close()


async def test_a_refusal_is_passed_on():
    async with serve_app(app(echo), "127.0.0.1", 0) as backend:

        async def forward(request: web.Request) -> web.StreamResponse:
            return await proxy_upgrade(request, f"http://127.0.0.1:{backend}{request.rel_url}", request.headers)

        async with serve_app(app(forward), "127.0.0.1", 0) as front:
            answer = await dial_upgrade(
                "POST", f"http://127.0.0.1:{front}/?refuse=1", {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
            )
            assert (answer.status, answer.body) == (403, b"no")


async def test_the_far_end_closing_ends_the_near_one():
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nbye")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]

        async def forward(request: web.Request) -> web.StreamResponse:
            return await proxy_upgrade(request, f"http://127.0.0.1:{port}/", request.headers)

        async with serve_app(app(forward), "127.0.0.1", 0) as front:
            answer = await dial_upgrade("GET", f"http://127.0.0.1:{front}/", {"Connection": "Upgrade", "Upgrade": "x"})
            assert answer.stream is not None
            assert await answer.stream.read() == b"bye"
            assert await answer.stream.read() == b""
            answer.stream.close()
