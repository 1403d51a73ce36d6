import asyncio

from cri.streaming.channels import Channel


def channel(sent: list[bytes]) -> Channel:
    async def send(data: bytes) -> None:
        sent.append(data)

    async def finish() -> None:
        sent.append(b"<end>")

    return Channel("x", send, finish)


async def test_bytes_come_in_order_and_end() -> None:
    stream = channel([])
    await stream.feed(b"a")
    await stream.feed(b"b")
    stream.end()
    await stream.feed(b"after the end")
    assert [await stream.read() for _ in range(3)] == [b"a", b"b", b""]


async def test_a_slow_reader_holds_the_writer_back() -> None:
    stream = channel([])
    feeding = asyncio.ensure_future(stream.feed(b"x" * (2 << 20)))
    await asyncio.sleep(0.01)
    assert not feeding.done()
    await stream.read()
    await feeding


async def test_nothing_is_sent_after_the_finish() -> None:
    sent: list[bytes] = []
    stream = channel(sent)
    await stream.write(b"a")
    await stream.finish()
    await stream.finish()
    await stream.write(b"b")
    assert sent == [b"a", b"<end>"]
