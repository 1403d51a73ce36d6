import asyncio

import pytest

from kubelet.prober import tcp
from kubelet.prober.http import HTTPProbeError, fetch, request_of


def test_requests():
    action = {"port": "web", "path": "x?y=1", "httpHeaders": [{"name": "User-Agent", "value": "mine"}]}
    request = request_of(action, {"ports": [{"name": "web", "containerPort": 81}]}, "10.0.0.1", agent="kube-probe/1.36")
    assert request.url == "http://10.0.0.1:81/x?y=1"
    assert dict(request.headers) == {"User-Agent": "mine", "Accept": "*/*"}
    with pytest.raises(HTTPProbeError):
        request_of({"port": "none"}, {}, "h", agent="")


async def test_answers_and_refusals():
    async def answer(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 418 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\ntea")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert await fetch(request_of({"port": port}, {}, "127.0.0.1", agent="a"), 2) == (418, "tea")
        assert await tcp.connect("127.0.0.1", port, 1) == ""
    assert "connection refused" in await tcp.connect("127.0.0.1", port, 1)
    with pytest.raises(HTTPProbeError, match="connection refused"):
        await fetch(request_of({"port": port}, {}, "127.0.0.1", agent="a"), 1)
