"""The server on real sockets of loopback, with another one as its upstream resolver."""

import asyncio
import socket
from functools import partial

import pytest
from dnslib import QTYPE, RCODE, RR, A, DNSRecord

from addons.dns.forward import Forwarder, name_servers
from addons.dns.records import Zone
from addons.dns.server import DatagramServer, Resolver, serve_stream
from component.tasks import Tasks
from tests.addons.dns.test_records import VIEW, View, service, slice_of


class Upstream(asyncio.DatagramProtocol):
    """Knows example.com, counts questions, is silent for silent.test."""

    def __init__(self):
        self.asked = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        request = DNSRecord.parse(data)
        name = str(request.q.qname)
        self.asked.append(name)
        if name == "silent.test.":
            return
        reply = request.reply()
        if name == "example.com.":
            reply.add_answer(RR(name, QTYPE.A, rdata=A("192.0.2.80"), ttl=60))
        else:
            reply.header.rcode = RCODE.NXDOMAIN
        self.transport.sendto(reply.pack(), addr)


class Running:
    def __init__(self, upstream, port, resolver):
        self.upstream, self.port, self.resolver = upstream, port, resolver

    async def udp(self, name, kind="A", *, edns=False, packet=None):
        loop = asyncio.get_running_loop()
        request = DNSRecord.question(name, kind)
        if edns:
            from dnslib import EDNS0

            request.add_ar(EDNS0(udp_len=4096))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            s.connect(("127.0.0.1", self.port))
            await loop.sock_sendall(s, packet or request.pack())
            async with asyncio.timeout(8):
                reply = DNSRecord.parse(await loop.sock_recv(s, 65535))
        assert packet or reply.header.id == request.header.id
        return reply

    async def tcp(self, *names):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        replies = []
        for name in names:
            packet = DNSRecord.question(name).pack()
            writer.write(len(packet).to_bytes(2, "big") + packet)
            size = int.from_bytes(await reader.readexactly(2), "big")
            replies.append(DNSRecord.parse(await reader.readexactly(size)))
        writer.close()
        return replies


@pytest.fixture
async def dns(tmp_path):
    loop = asyncio.get_running_loop()
    transport, upstream = await loop.create_datagram_endpoint(Upstream, local_addr=("127.0.0.1", 0))
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("# test\nnameserver 127.0.0.1\nsearch example.org\n")
    big = slice_of("big", *({"addresses": [f"10.244.1.{i}"], "conditions": {}} for i in range(100)))
    view = View(
        {**VIEW.services, ("ns", "big"): service("big", clusterIP="None")}, {**VIEW.all_slices, ("ns", "big"): [big]}
    )
    forwarder = Forwarder(str(resolv_conf), {"10.96.0.10"}, transport.get_extra_info("sockname")[1])
    async with Tasks() as tasks:
        resolver = Resolver(Zone("cluster.local", "10.96.0.10", view), forwarder, lambda: True, tasks)
        server = await asyncio.start_server(partial(serve_stream, resolver), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        own, _ = await loop.create_datagram_endpoint(partial(DatagramServer, resolver), local_addr=("127.0.0.1", port))
        async with server:
            yield Running(upstream, port, resolver)
        own.close()
    transport.close()


async def test_zone_names_keep_the_questions_spelling(dns):
    reply = await dns.udp("WeB.ns.svc.Cluster.Local")
    assert reply.header.aa == 1
    assert str(reply.rr[0].rname) == "WeB.ns.svc.Cluster.Local."
    assert str(reply.rr[0].rdata) == "10.96.0.5"


async def test_missing_names_and_missing_types(dns):
    reply = await dns.udp("nope.ns.svc.cluster.local")
    assert reply.header.rcode == RCODE.NXDOMAIN
    assert reply.auth[0].rtype == QTYPE.SOA
    reply = await dns.udp("web.ns.svc.cluster.local", "AAAA")
    assert reply.header.rcode == RCODE.NOERROR
    assert reply.rr == []
    assert reply.auth[0].rtype == QTYPE.SOA


async def test_other_names_are_forwarded_and_kept(dns):
    for _ in range(3):
        reply = await dns.udp("example.com")
        assert str(reply.rr[0].rdata) == "192.0.2.80"
    assert dns.upstream.asked == ["example.com."]
    reply = await dns.udp("nope.example.com")
    assert reply.header.rcode == RCODE.NXDOMAIN


async def test_questions_at_the_same_time_are_asked_once(dns):
    packet = DNSRecord.question("example.com").pack()
    packets = [number.to_bytes(2, "big") + packet[2:] for number in range(5)]
    replies = await asyncio.gather(*(dns.udp("example.com", packet=one) for one in packets))
    assert [reply.header.id for reply in replies] == list(range(5))
    assert dns.upstream.asked == ["example.com."]


async def test_an_external_name_is_followed_outside(dns):
    reply = await dns.udp("ext.ns.svc.cluster.local")
    assert [(QTYPE[r.rtype], str(r.rdata)) for r in reply.rr] == [("CNAME", "example.com."), ("A", "192.0.2.80")]


async def test_silence_upstream_is_servfail_and_delays_nobody(dns):
    waiting = asyncio.ensure_future(dns.udp("silent.test"))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        assert (await dns.udp("web.ns.svc.cluster.local")).rr
    assert (await waiting).header.rcode == RCODE.SERVFAIL
    async with asyncio.timeout(1):
        assert (await dns.udp("silent.test")).header.rcode == RCODE.SERVFAIL, "once silent, given less time"
    assert (await dns.udp("example.com")).rr, "and trusted again when it answers"


async def test_tcp_takes_several_questions_and_big_answers(dns):
    small, big = await dns.tcp("web.ns.svc.cluster.local", "big.ns.svc.cluster.local")
    assert len(small.rr) == 1
    assert len(big.rr) == 100
    assert big.header.tc == 0


async def test_udp_answers_are_cut_to_what_the_client_takes(dns):
    reply = await dns.udp("big.ns.svc.cluster.local")
    assert reply.header.tc == 1
    assert len(reply.pack()) <= 512
    reply = await dns.udp("big.ns.svc.cluster.local", edns=True)
    assert reply.header.tc == 0
    assert len(reply.rr) == 100


async def test_addresses_rotate(dns):
    first = {str((await dns.udp("db.ns.svc.cluster.local")).rr[0].rdata) for _ in range(4)}
    assert first == {"10.244.0.7", "10.244.0.8"}


@pytest.mark.parametrize("packet", [b"", b"x", bytes(12), b"\x00" * 40, b"\xff" * 100, bytes(range(200))])
async def test_hostile_packets_do_no_harm(dns, packet):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(packet, ("127.0.0.1", dns.port))
    assert (await dns.udp("web.ns.svc.cluster.local")).rr


async def test_what_is_not_a_query_gets_its_error(dns):
    reply = await dns.udp("x", packet=b"\x12\x34\x01\x00\x00\x02" + bytes(6) + b"\x00\x00\x01\x00\x01" * 2)
    assert reply.header.rcode == RCODE.FORMERR
    reply = await dns.udp("x", packet=b"\x12\x34\x28\x00\x00\x01" + bytes(6) + b"\x00\x00\x01\x00\x01")
    assert reply.header.rcode == RCODE.NOTIMP


def test_name_servers_of_a_resolv_conf():
    assert name_servers(
        "search x\nnameserver 1.1.1.1\n#nameserver 2.2.2.2\n nameserver fe80::1%eth0 \nnameserver\n"
    ) == [
        "1.1.1.1",
        "fe80::1%eth0",
    ]
