"""TLS between a plain transport and a protocol, against Python's own client."""

import asyncio
import contextlib
import ssl
from functools import partial

import pytest

from component.certificates import CertificateAuthority
from component.tls_connection import TLSConnection

WAIT = 5


class Above(asyncio.Protocol):
    """Gives everything back, and remembers what happened to it."""

    def __init__(self, log):
        self.log = log

    def connection_made(self, transport):
        self.transport = transport
        self.log.append("made")

    def data_received(self, data):
        if data == b"close":
            self.transport.close()
        elif data.startswith(b"send "):
            self.transport.write(b"x" * int(data[5:]))
        else:
            self.transport.writelines([data, b"!"])

    def eof_received(self):
        self.log.append("eof")

    def pause_writing(self):
        self.log.append("pause")

    def resume_writing(self):
        self.log.append("resume")

    def connection_lost(self, exc):
        self.log.append("lost")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    authority = CertificateAuthority.create("ca")
    (directory / "ca.crt").write_bytes(authority.certificate_pem)
    other = CertificateAuthority.create("other")
    for name, issuer, usage in (
        ("server", authority, "server"),
        ("client", authority, "client"),
        ("stranger", other, "client"),
    ):
        certificate, key = issuer.issue(name, ips=("127.0.0.1",), usage=usage)
        (directory / f"{name}.crt").write_bytes(certificate)
        (directory / f"{name}.key").write_bytes(key)
    return directory


def client_context(files, name=""):
    context = ssl.create_default_context(cafile=files / "ca.crt")
    if name:
        context.load_cert_chain(files / f"{name}.crt", files / f"{name}.key")
    return context


def serving(files, patience=WAIT):
    """Run a coroutine function of (port, log) against a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "server.crt", files / "server.key")
    context.load_verify_locations(files / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL

    def run(work):
        async def main():
            log = []
            made = []

            def above():
                made.append(Above(log))
                return made[-1]

            factory = partial(TLSConnection, context, above, patience)
            listener = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
            try:
                async with asyncio.timeout(2 * WAIT):
                    await work(listener.sockets[0].getsockname()[1], log, made)
            finally:
                listener.close()

        asyncio.run(main())

    return run


async def seen(log, what):
    async with asyncio.timeout(WAIT):
        while what not in log:
            await asyncio.sleep(0.005)


def test_small_and_large_data_goes_both_ways(files):
    async def work(port, log, made):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(files))
        writer.write(b"hello")
        assert await reader.readexactly(6) == b"hello!"
        large = bytes(code for code in range(256) if code != ord("!")) * 4096
        writer.write(large)
        received = b""
        # Each piece that arrives comes back with a mark of its own.
        while len(received) - received.count(b"!") < len(large):
            received += await reader.read(2**20)
        assert received.replace(b"!", b"") == large
        assert made[0].transport.get_extra_info("ssl_object").getpeercert(True) is None
        writer.close()
        await seen(log, "lost")
        assert log[0] == "made"

    serving(files)(work)


def test_the_clients_certificate_is_told(files):
    async def work(port, log, made):
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(files, "client"))
        await seen(log, "made")
        subject = made[0].transport.get_extra_info("ssl_object").getpeercert()["subject"]
        assert subject == ((("commonName", "client"),),)
        writer.close()

    serving(files)(work)


def test_a_certificate_of_somebody_else_is_refused(files):
    async def work(port, log, made):
        async def talk():
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(files, "stranger"))
            writer.write(b"hello")
            await reader.readexactly(6)

        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await talk()
        assert log == []

    serving(files)(work)


def test_close_says_goodbye_after_what_waits(files):
    async def work(port, log, made):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(files))
        writer.write(b"hello")
        await reader.readexactly(6)
        writer.write(b"close")
        assert await reader.read() == b""
        await seen(log, "lost")
        assert made[0].transport.is_closing()
        made[0].transport.write(b"nobody hears")
        writer.close()

    serving(files)(work)


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05abcde", b"\x00" * 100])
def test_junk_instead_of_a_handshake_ends_the_connection(files, junk):
    async def work(port, log, made):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(junk)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        assert log == []
        writer.close()

    serving(files)(work)


def test_a_client_that_never_shakes_hands_is_sent_away(files):
    async def work(port, log, made):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert log == []
        writer.close()

    serving(files, patience=0.05)(work)


def test_a_slow_client_is_told_of_above(files):
    async def work(port, log, made):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(files))
        size = 32 * 2**20
        writer.write(b"send %d" % size)
        await seen(log, "pause")
        left = size
        while left:
            left -= len(await reader.read(2**20))
        await seen(log, "resume")
        writer.transport.abort()
        await seen(log, "lost")

    serving(files)(work)
