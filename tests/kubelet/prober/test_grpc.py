import grpc
import pytest

from kubelet.prober.grpc import check


@pytest.fixture
async def server():
    async def answer(request, _context):
        return b"\x08\x01" if request in {b"", b"\x0a\x02up"} else b"\x08\x02"

    handler = grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(answer)}
    )
    found = grpc.aio.server()
    found.add_generic_rpc_handlers((handler,))
    port = found.add_insecure_port("127.0.0.1:0")
    await found.start()
    yield port
    await found.stop(0)


async def test_serving_and_not(server):
    assert await check("127.0.0.1", server, "", 2) == ""
    assert await check("127.0.0.1", server, "up", 2) == ""
    assert await check("127.0.0.1", server, "down", 2) == 'service unhealthy (responded with "2")'


async def test_nobody_there():
    assert (await check("127.0.0.1", 1, "", 1)).startswith('timeout: failed to connect service "127.0.0.1:1" within 1s')
