"""What becomes of a connection whose watch has outlived its request."""

import json
import time
from pathlib import Path

import pytest

from tests.apiserver.conftest import Api, Pair, config_map

pytestmark = pytest.mark.live


def open_watches(api: Api) -> int:
    _, _, text = api.raw("GET", "/metrics")
    mark = b'apiserver_longrunning_requests{verb="WATCH"}'
    return next((int(float(line.split()[-1])) for line in text.splitlines() if line.startswith(mark)), 0)


def test_a_connection_is_used_again_after_its_watch(api: Api, ns: str):
    connection = api.connect()
    try:
        connection.request("GET", f"{ns}/configmaps?watch=1&timeoutSeconds=1")
        assert connection.getresponse().read() == b""
        socket = connection.sock
        for _ in range(2):
            connection.request("GET", f"{ns}/configmaps")
            assert json.loads(connection.getresponse().read())["items"] == []
        assert connection.sock is socket
        connection.request("GET", f"{ns}/configmaps?watch=1&timeoutSeconds=60")
        answer = connection.getresponse()
        _, made = api.json("POST", f"{ns}/configmaps", config_map("a"))
        assert json.loads(answer.readline())["object"] == made
    finally:
        connection.close()


def test_a_request_sent_too_early_is_answered_after_the_watch(api: Api, ns: str):
    connection = api.connect()
    try:
        connection.request("GET", f"{ns}/configmaps?watch=1&timeoutSeconds=2")
        answer = connection.getresponse()
        connection.sock.sendall(f"GET {ns}/configmaps/nothing HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert answer.read() == b""
        assert connection.sock.recv(12) == b"HTTP/1.1 404"
    finally:
        connection.close()


def wait_for_none(api: Api) -> int:
    deadline = time.monotonic() + 10
    while (left := open_watches(api)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def test_a_client_that_leaves_is_forgotten(api: Api, ns: str):
    assert wait_for_none(api) == 0
    with api.watch(f"{ns}/configmaps?watch=1") as watch:
        api.json("POST", f"{ns}/configmaps", config_map("a"))
        assert watch.next()[0] == "ADDED"
        assert open_watches(api) == 1
    assert wait_for_none(api) == 0


def test_clients_that_come_and_go_leave_no_memory_behind(api: Api, pair: Pair, ns: str):
    def rounds(count: int) -> int:
        for _ in range(count):
            watches = [api.watch(f"{ns}/configmaps?watch=1") for _ in range(50)]
            for watch in watches:
                watch.__exit__()
        assert wait_for_none(api) == 0
        return resident_kilobytes(pair)

    before = rounds(4)
    # What stays of a connection as garbage in a circle is 4 kB and more.
    grown = (rounds(12) - before) / 600
    assert grown < 3, grown


def resident_kilobytes(pair: Pair) -> int:
    return int(Path(f"/proc/{pair.server.pid}/statm").read_text().split()[1]) * 4
