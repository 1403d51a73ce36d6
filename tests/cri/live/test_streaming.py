"""Issue 4, point 7."""

from __future__ import annotations

import asyncio
import os
import socket

import aiohttp
import grpc
import pytest

from protocols import stream_session
from protocols import websocket_channels as ws
from protocols.cri import api_pb2 as api
from tests.cri.live.cri_service import Container, Pod, Service, until
from tests.cri.live.stream_client import SpdyClient, Tunnel

pytestmark = pytest.mark.live
V4 = "v4.channel.k8s.io"
GET = b"GET / HTTP/1.0\r\n\r\n"


def exec_url(container: Container, *command: str, **streams: bool) -> str:
    return container.runtime.Exec(api.ExecRequest(container_id=container.id, cmd=command, **streams)).url


async def test_exec_over_spdy_carries_all_streams_and_the_code(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start()
        url = exec_url(container, "sh", "-c", "cat; echo err >&2; exit 7", stdin=True, stdout=True, stderr=True)
        client = await SpdyClient.open(url, V4)
        out = await client.run("stdin", "stdout", "stderr", stdin=b"through\n")
        assert (out["stdout"], out["stderr"]) == (b"through\n", b"err\n")
        assert stream_session.exit_code(out["error"]) == 7


async def test_a_terminal_takes_sizes(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start()
        url = exec_url(container, "sh", "-c", "sleep 0.3; stty size; tty", stdin=True, stdout=True, tty=True)
        client = await SpdyClient.open(url, V4)
        out = await client.run("stdin", "stdout", "resize", resize=b'{"Width":101,"Height":33}')
        assert out["stdout"] == b"33 101\r\n/dev/pts/0\r\n"
        assert stream_session.exit_code(out["error"]) == 0


async def test_a_terminals_first_size_is_never_lost(service: Service) -> None:
    """The OCI runtime is deaf for a moment while it starts: sizes that come just then count as well."""
    with service.pod() as pod:
        container = pod.start()
        for pause in (0.0, 0.01, 0.02, 0.03, 0.05):
            command = ("sh", "-c", "until stty size | grep -q '40 120'; do sleep 0.05; done")
            client = await SpdyClient.open(exec_url(container, *command, stdin=True, stdout=True, tty=True), V4)
            for name in ("error", "stdin", "stdout"):
                client.stream(name)
            resize = client.stream("resize")
            await asyncio.sleep(pause)
            client.send(resize, b'{"Width":120,"Height":40}')
            await client.receive(lambda c: c.over)
            assert stream_session.exit_code(bytes(client.data["error"])) == 0
            client.writer.close()


async def test_much_output_arrives_whole(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start()
        url = exec_url(container, "head", "-c", "8388608", "/dev/zero", stdout=True)
        out = await (await SpdyClient.open(url, V4)).run("stdout")
        assert len(out["stdout"]) == 8 << 20


async def test_urls_are_for_one_use(service: Service) -> None:
    with service.pod() as pod:
        url = exec_url(pod.start(), "true", stdout=True)
        await (await SpdyClient.open(url, V4)).run("stdout")
        with pytest.raises(ConnectionError):
            await SpdyClient.open(url, V4)
        with pytest.raises(ConnectionError):
            await SpdyClient.open(exec_url(pod.start(), "true", stdout=True), "v9.channel.k8s.io")


async def test_a_missing_command_is_told_on_the_error_stream(service: Service) -> None:
    with service.pod() as pod:
        url = exec_url(pod.start(), "no-such-program", stdout=True)
        out = await (await SpdyClient.open(url, V4)).run("stdout")
        assert b"no-such-program" in out["error"]
        assert stream_session.exit_code(out["error"]) is None


async def test_the_command_dies_with_its_client(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start()
        client = await SpdyClient.open(exec_url(container, "sleep", "4711", stdout=True), V4)
        client.stream("error")
        client.stream("stdout")
        await client.writer.drain()
        await asyncio.to_thread(until, lambda: "sleep 4711" in container.shell("ps"))
        client.writer.close()
        await asyncio.to_thread(until, lambda: "sleep 4711" not in container.shell("ps"))


def test_impossible_streams_are_refused(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start()
        for streams in ({}, {"tty": True, "stderr": True, "stdout": True}):
            with pytest.raises(grpc.RpcError) as caught:
                exec_url(container, "true", **streams)
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        container.stop()
        with pytest.raises(grpc.RpcError):
            exec_url(container, "true", stdout=True)


@pytest.mark.parametrize("protocol", ws.SUPPORTED)
async def test_exec_over_websocket_with_half_close(service: Service, protocol: str) -> None:
    with service.pod() as pod:
        container = pod.start()
        command = "cat; exit 9" if protocol == ws.V5 else "head -c 5; exit 9"
        url = exec_url(container, "sh", "-c", command, stdin=True, stdout=True, stderr=True)
        out = {ws.STDOUT: b"", ws.STDERR: b"", ws.ERROR: b""}
        async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=[protocol]) as connection:
            assert connection.protocol == protocol
            await connection.send_bytes(bytes([ws.STDIN]) + b"abcde")
            if protocol == ws.V5:
                await connection.send_bytes(bytes([ws.CLOSE_CHANNEL, ws.STDIN]))
            async for message in connection:
                assert message.data[0] != ws.CLOSE_CHANNEL  # that is for clients only
                if message.data[0] in out:
                    out[message.data[0]] += message.data[1:]
        assert out[ws.STDOUT] == b"abcde"
        assert stream_session.exit_code(out[ws.ERROR]) == 9


async def test_attach_sees_what_comes_and_feeds_stdin(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start(
            "sh", "-c", "echo before; while read x; do echo got $x; done", stdin=True, stdin_once=True
        )
        await asyncio.to_thread(until, lambda: "before" in container.logs())
        request = api.AttachRequest(container_id=container.id, stdin=True, stdout=True, stderr=True)
        client = await SpdyClient.open(service.runtime.Attach(request).url, V4)
        out = await client.run("stdin", "stdout", "stderr", stdin=b"one\ntwo\n")
        assert out["stdout"] == b"got one\ngot two\n"  # nothing is replayed
        assert container.wait().exit_code == 0


async def test_attach_to_a_terminal_resizes_it(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start("sh", "-c", "sleep 0.5; stty size", stdin=True, tty=True)
        request = api.AttachRequest(container_id=container.id, stdin=True, stdout=True, tty=True)
        client = await SpdyClient.open(service.runtime.Attach(request).url, V4)
        out = await client.run("stdin", "stdout", "resize", resize=b'{"Width":90,"Height":20}')
        assert b"20 90" in out["stdout"]


def web_server(pod: Pod, port: int, words: str = "hello") -> Container:
    """A container that serves some words, and is known to listen."""
    container = pod.start("sh", "-c", f"mkdir /www; echo {words} > /www/index.html; exec httpd -f -p {port} -h /www")
    until(lambda: f":{port:04X} " in container.shell("cat /proc/net/tcp /proc/net/tcp6"))
    return container


def forward_url(pod: Pod, *ports: int) -> str:
    return pod.service.runtime.PortForward(api.PortForwardRequest(pod_sandbox_id=pod.id, port=ports)).url


def get(client: SpdyClient, number: int, port: int) -> None:
    """Ask for a page through a pair of streams."""
    headers = {"port": str(port), "requestid": str(number)}
    error = client.stream(f"error{number}", streamtype="error", **headers)
    client.send(error, b"", fin=True)
    data = client.stream(f"data{number}", streamtype="data", **headers)
    client.send(data, GET)


async def test_port_forward_pairs_streams_and_tells_failures(service: Service) -> None:
    with service.pod() as pod:
        await asyncio.to_thread(web_server, pod, 8080)
        client = await SpdyClient.open(forward_url(pod), "portforward.k8s.io")
        for number, port in enumerate((8080, 81, 8080)):
            get(client, number, port)
        await client.receive(lambda c: {"data0", "data1", "data2", "error1"} <= c.finished)
        assert client.data["data0"].endswith(b"hello\n")
        assert client.data["data2"].endswith(b"hello\n")
        assert b"81" in client.data["error1"]
        client.writer.close()


async def test_port_forward_reaches_the_nodes_network(service: Service) -> None:
    with service.pod(network=api.NODE) as pod, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        await asyncio.to_thread(web_server, pod, port)
        client = await SpdyClient.open(forward_url(pod), "portforward.k8s.io")
        get(client, 0, port)
        await client.receive(lambda c: "data0" in c.finished)
        assert client.data["data0"].endswith(b"hello\n")
        client.writer.close()


async def test_port_forward_through_a_tunnel_in_a_websocket(service: Service) -> None:
    with service.pod() as pod:
        await asyncio.to_thread(web_server, pod, 8080)
        protocols = ["SPDY/3.1+portforward.k8s.io"]
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(forward_url(pod), protocols=protocols) as connection,
        ):
            assert connection.protocol == protocols[0]
            tunnel = Tunnel(connection)
            client = SpdyClient(tunnel, tunnel)
            get(client, 0, 8080)
            get(client, 1, 81)
            await client.receive(lambda c: {"data0", "error1"} <= c.finished)
        assert client.data["data0"].endswith(b"hello\n")
        assert b"81" in client.data["error1"]


@pytest.mark.parametrize("in_query", [False, True])
async def test_port_forward_over_a_websockets_channels(service: Service, in_query: bool) -> None:
    with service.pod() as pod:
        await asyncio.to_thread(web_server, pod, 8080)
        url = forward_url(pod) + "?port=8080&port=81" if in_query else forward_url(pod, 8080, 81)
        out: dict[int, bytes] = dict.fromkeys(range(4), b"")
        async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=[V4]) as connection:
            await connection.send_bytes(b"\0" + GET)
            async for message in connection:
                out[message.data[0]] += message.data[1:]
        assert out[0].startswith((8080).to_bytes(2, "little"))
        assert out[0].endswith(b"hello\n")
        assert out[1] == (8080).to_bytes(2, "little")
        assert out[2] == (81).to_bytes(2, "little")
        assert b"failed to connect to localhost:81" in out[3]


async def test_a_connection_without_traffic_ends(own_service: Service) -> None:
    own_service.restart_with('[crio.api]\nstream_idle_timeout = "1s"\n')
    with own_service.pod() as pod:
        container = pod.start()
        talking = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.4; done"
        client = await SpdyClient.open(exec_url(container, "sh", "-c", talking, stdout=True), V4)
        out = await client.run("stdout")
        assert out["stdout"] == b"1\n2\n3\n4\n5\n6\n"
        assert stream_session.exit_code(out["error"]) == 0
        client = await SpdyClient.open(exec_url(container, "sleep", "4712", stdout=True), V4)
        client.stream("error")
        client.stream("stdout")
        await client.receive(lambda c: c.over, 20)
        assert client.over
        await asyncio.to_thread(until, lambda: "sleep 4712" not in container.shell("ps"))


async def test_hostile_clients_end_only_their_own_connection(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start()
        for junk in (b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", os.urandom(200) + b"\r\n\r\n", b"A" * 70000):
            url = exec_url(container, "true", stdout=True)
            port = int(url.split(":")[2].split("/")[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(junk)
            assert b"101" not in (await reader.read(1000)).split(b"\r\n")[0]
            writer.close()
            client = await SpdyClient.open(url, V4)
            client.writer.write(b"\x80\x02" + os.urandom(500))
            await client.receive(lambda c: c.over)
        assert container.shell("echo alive") == "alive\n"
