"""Clients that send slowly, wrongly or too much at once: each has its end, and nobody else waits for it."""

import contextlib
import socket
import time

import pytest

from tests.apiserver.conftest import Api, config_map

pytestmark = pytest.mark.live


class Wire:
    """A TLS connection on which anything may be written."""

    def __init__(self, api: Api) -> None:
        plain = socket.create_connection(("127.0.0.1", api.pair.port), 10)
        self._socket = api.tls.wrap_socket(plain, server_hostname="127.0.0.1")

    def send(self, text: str | bytes) -> None:
        with contextlib.suppress(OSError):  # the server may have had enough in the middle
            self._socket.sendall(text.encode() if isinstance(text, str) else text)

    def all(self) -> bytes:
        """What comes until the server closes."""
        found = b""
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                found += data
        return found

    def some(self, mark: bytes) -> bytes:
        found = b""
        while mark not in found and (data := self._socket.recv(65536)):
            found += data
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


@pytest.fixture
def wire(api: Api):
    with Wire(api) as made:
        yield made


HEAD = "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "rest",
    ["Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{", "Content-Length: 100\r\n\r\n"],
)
def test_a_body_that_stalls_has_the_requests_time(wire: Wire, api: Api, ns: str, rest: str):
    started = time.monotonic()
    wire.send(HEAD.format(path=f"{ns}/configmaps?timeout=500ms") + rest)
    assert api.json("GET", f"{ns}/configmaps")[0] == 200
    answer = wire.some(b"within requested timeout")
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert time.monotonic() - started >= 0.5


@pytest.mark.parametrize(
    "rest",
    [
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-5\r\nabc",
        "Content-Length: -5\r\n\r\n{}",
        "Content-Length: 5, 6\r\n\r\n{}",
        "Content-Length: 99999999999999999999999\r\n\r\n{}",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "Transfer-Encoding: x\r\n\r\n{}",
        "Bad Header: x\r\n\r\n",
        "X: a\x00b\r\n\r\n",
        "X: " + "y" * 300_000 + "\r\n\r\n",
        "".join(f"X-{number}: y\r\n" for number in range(5000)) + "\r\n",
    ],
)
def test_a_wrong_frame_is_a_bad_request(wire: Wire, api: Api, ns: str, rest: str):
    wire.send(HEAD.format(path=f"{ns}/configmaps?timeout=1s") + rest)
    answer = wire.some(b"\r\n\r\n")
    assert int(answer.split(b" ")[1]) in (400, 413, 431, 504), answer
    assert api.json("GET", f"{ns}/configmaps")[1]["items"] == []


@pytest.mark.parametrize(
    "line",
    [
        "GET",
        "GET / HTTP/9.9",
        "GET / HTTP/1.1 x",
        "G\x00T / HTTP/1.1",
        "GET \x01\x02 HTTP/1.1",
        "GET http://other/ HTTP/1.1",
        "GET /%zz HTTP/1.1",
        "GET //api//v1 HTTP/1.1",
        "GET /api/v1/namespaces/%00/pods/%ff HTTP/1.1",
        "GET /../../etc/passwd HTTP/1.1",
        "CONNECT a:443 HTTP/1.1",
        "TRACE / HTTP/1.1",
        "PRI * HTTP/2.0",
        "OPTIONS * HTTP/1.1",
        "\x16\x03\x01",
    ],
)
def test_a_wrong_request_line_is_answered(wire: Wire, api: Api, line: str):
    wire.send(f"{line}\r\nHost: a\r\n\r\n")
    answer = wire.some(b"\r\n\r\n")
    assert 200 <= int(answer.split(b" ")[1]) < 500, answer
    assert api.raw("GET", "/livez")[0] == 200


def test_pipelined_requests_are_answered_in_order(wire: Wire, api: Api, ns: str):
    for index in range(40):
        api.json("POST", f"{ns}/configmaps", config_map(f"c{index:02d}"))
    wire.send("".join(f"GET {ns}/configmaps/c{index:02d} HTTP/1.1\r\nHost: a\r\n\r\n" for index in range(40)))
    wire.send(f"GET {ns}/configmaps/none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    found = wire.all()
    places = [found.index(f'"name":"c{index:02d}"'.encode()) for index in range(40)]
    assert places == sorted(places)
    assert found.count(b"HTTP/1.1 200") == 40
    assert b"HTTP/1.1 404" in found[places[-1] :]


def test_a_body_longer_than_told_is_no_request(wire: Wire, api: Api, ns: str):
    body = '{"metadata":{"name":"a"}}'
    wire.send(HEAD.format(path=f"{ns}/configmaps") + f"Content-Length: {len(body)}\r\n\r\n{body}junk junk\r\n\r\n")
    assert b" 400 Bad Request" in wire.all()
    assert len(api.json("GET", f"{ns}/configmaps")[1]["items"]) <= 1


def test_a_client_that_leaves_in_the_middle_is_no_trouble(api: Api, ns: str):
    for cut in range(0, 120, 7):
        with Wire(api) as wire:
            wire.send((HEAD.format(path=f"{ns}/configmaps") + "Content-Length: 25\r\n\r\n{")[:cut])
    assert api.json("GET", f"{ns}/configmaps")[0] == 200


@pytest.mark.parametrize("path", ["/api/v1/namespaces/default/pods/x/exec?command=x", "/livez", "/api/v1/pods?watch=1"])
@pytest.mark.parametrize("protocol", ["websocket", "SPDY/3.1", "h2c", "x"])
def test_upgrades_and_junk_after_them(api: Api, path: str, protocol: str):
    with Wire(api) as wire:
        lines = [f"GET {path} HTTP/1.1", "Host: a", "Connection: Upgrade", f"Upgrade: {protocol}"]
        wire.send("\r\n".join([*lines, "Sec-WebSocket-Key: AAAA", "Sec-WebSocket-Version: 13", "", ""]))
        wire.send(bytes(range(256)) * 10)
        head = wire.some(b"\r\n\r\n")
        assert 100 < int(head.split(b" ")[1]) < 500, head
    assert api.raw("GET", "/livez")[0] == 200
