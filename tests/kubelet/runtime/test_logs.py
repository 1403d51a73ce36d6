import pytest

from kubelet.runtime.logs import LogQuery, epoch_of, read, tail_offset

LINES = [
    "2026-01-01T00:00:00.000000001Z stdout F one\n",
    "2026-01-01T00:00:01.5Z stdout P tw\n",
    "2026-01-01T00:00:01.6Z stdout F o\n",
    "2026-01-01T00:00:02.000000000+00:00 stderr F three\n",
]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "0.log"
    path.write_text("".join(LINES))
    return str(path)


async def collect(path, **query):
    return b"".join([c async for c in read(path, LogQuery(**query), lambda: False)])


async def test_content_without_the_prefix_and_partial_lines_joined(log):
    assert await collect(log) == b"one\ntwo\nthree\n"


async def test_tail_counts_lines_of_the_file(log):
    assert await collect(log, tail=1) == b"three\n"
    assert await collect(log, tail=0) == b""
    assert await collect(log, tail=99) == b"one\ntwo\nthree\n"
    assert tail_offset(log, 2) == sum(map(len, LINES[:2]))


async def test_since_limit_stream_and_timestamps(log):
    assert await collect(log, since=epoch_of("2026-01-01T00:00:01.7Z")) == b"three\n"
    assert await collect(log, limit=5) == b"one\nt"
    assert await collect(log, stream="stderr") == b"three\n"
    assert (await collect(log, timestamps=True, tail=1)).startswith(b"2026-01-01T00:00:02.000000000+00:00 three")


async def test_follow_reads_what_comes_and_ends_with_the_container(log):
    alive = [True, True, True]
    got = b""
    async for chunk in read(log, LogQuery(follow=True, tail=0), lambda: bool(alive and alive.pop())):
        got += chunk
    assert got == b""
    alive = [True, True]
    async for chunk in read(log, LogQuery(follow=True), lambda: bool(alive and alive.pop())):
        got += chunk
        if b"three" in got and b"four" not in got:
            with open(log, "a") as file:
                file.write("2026-01-01T00:00:03Z stdout F four\n")
    assert got == b"one\ntwo\nthree\nfour\n"


async def test_a_missing_log_is_empty(tmp_path):
    assert await collect(str(tmp_path / "none")) == b""
