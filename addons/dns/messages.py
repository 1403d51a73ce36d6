"""DNS messages: questions read, answers of the zone written, packets of others adjusted.

Pure, over dnslib. Answers keep the question's spelling, carry EDNS when the client does, and
are cut to what the client can take over UDP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnslib import AAAA, CNAME, EDNS0, NS, PTR, QTYPE, RCODE, RR, SOA, SRV, TXT, A, DNSRecord

if TYPE_CHECKING:
    from typing import Any

    from addons.dns.records import Answer, Record

_PLAIN_UDP_SIZE = 512
_OUR_UDP_SIZE = 1232
_NEGATIVE_SECONDS = 5


class MalformedError(Exception):
    """The packet is no DNS query."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question, read.

    Attributes:
        name: lower case, without the last dot.
        udp_size: what the client can take over UDP.
    """

    request: Any
    name: str
    kind: str
    number: int
    record_class: int
    udp_size: int
    dnssec: bool

    @property
    def has_edns(self) -> bool:
        """Whether the client speaks EDNS."""
        return any(rr.rtype == QTYPE.OPT for rr in self.request.ar)


def parse(packet: bytes) -> Query:
    """Reads a query.

    Raises:
        MalformedError: if it isn't one with exactly one question.
    """
    try:
        request = DNSRecord.parse(packet)
    except Exception as error:
        raise MalformedError(str(error)) from error
    if request.header.qr or len(request.questions) != 1:
        raise MalformedError("not a query with one question")
    question = request.questions[0]
    options = next((rr for rr in request.ar if rr.rtype == QTYPE.OPT), None)
    size = max(options.rclass, _PLAIN_UDP_SIZE) if options is not None else _PLAIN_UDP_SIZE
    return Query(
        request=request,
        name=str(question.qname).rstrip(".").lower(),
        kind=QTYPE.get(question.qtype) or f"TYPE{question.qtype}",
        number=question.qtype,
        record_class=question.qclass,
        udp_size=size,
        dnssec=bool(options is not None and options.ttl & 0x8000),
    )


def _reply(query: Query) -> Any:
    reply = query.request.reply(ra=1, aa=1)
    if query.has_edns:
        reply.add_ar(EDNS0(udp_len=_OUR_UDP_SIZE))
    return reply


def build(query: Query, answer: Answer, soa: Record, *, udp: bool, turn: int = 0) -> bytes:
    """The packet for an answer of the zone.

    Args:
        query: the question.
        answer: what the zone says.
        soa: goes into negative answers.
        udp: whether the size is limited.
        turn: rotates the addresses, so that clients that take the first spread out.
    """
    reply = _reply(query)
    original = str(query.request.questions[0].qname)
    aliases = [record for record in answer.records if record.kind == "CNAME"]
    others = [record for record in answer.records if record.kind != "CNAME"]
    if others:
        start = turn % len(others)
        others = others[start:] + others[:start]
    for record in (*aliases, *others):
        reply.add_answer(_resource_record(record, query.name, original))
    for record in answer.additional:
        reply.add_ar(_resource_record(record, query.name, original))
    if not answer.exists:
        reply.header.rcode = RCODE.NXDOMAIN
    if not answer.records:
        reply.add_auth(_resource_record(soa, query.name, original))
    return _fit(query, reply, udp=udp)


def extend(query: Query, answer: Answer, packet: bytes, *, udp: bool) -> bytes:
    """The zone's alias followed by what another server said of its target."""
    reply = _reply(query)
    reply.header.aa = 0
    original = str(query.request.questions[0].qname)
    for record in answer.records:
        reply.add_answer(_resource_record(record, query.name, original))
    try:
        other = DNSRecord.parse(packet)
    except Exception as error:
        raise MalformedError(str(error)) from error
    for rr in other.rr:
        reply.add_answer(rr)
    reply.header.rcode = other.header.rcode
    return _fit(query, reply, udp=udp)


def ask_for(query: Query, name: str) -> bytes:
    """A query of the same type for another name."""
    return bytes(DNSRecord.question(name, query.kind).pack())


def failure(query: Query, code: str) -> bytes:
    """An answer without records: SERVFAIL, REFUSED, NOTIMP."""
    reply = _reply(query)
    reply.header.aa = 0
    reply.header.rcode = getattr(RCODE, code)
    return bytes(reply.pack())


def format_error(packet: bytes) -> bytes | None:
    """FORMERR for what can't be read, if it has at least a header and is no answer itself."""
    if len(packet) < 12 or packet[2] & 0x80:
        return None
    return packet[:2] + bytes([0x80 | (packet[2] & 0x79), 0x81]) + bytes(8)


def lifetime(packet: bytes) -> float:
    """How many seconds another server's answer may be kept."""
    try:
        reply = DNSRecord.parse(packet)
    except Exception:  # noqa: BLE001 - as in parse
        return 0
    if reply.header.tc:
        return 0
    if reply.header.rcode not in (RCODE.NOERROR, RCODE.NXDOMAIN):
        return _NEGATIVE_SECONDS if reply.header.rcode == RCODE.SERVFAIL else 0
    if reply.rr:
        return float(min(rr.ttl for rr in reply.rr))
    soas = [rr for rr in reply.auth if rr.rtype == QTYPE.SOA]
    return float(min(soas[0].ttl, soas[0].rdata.times[4])) if soas else _NEGATIVE_SECONDS


def adjust(query: Query, packet: bytes, age: int, *, udp: bool) -> bytes:
    """A kept answer for a new question: its id, its spelling, the time that has passed, its size."""
    packet = query.request.header.id.to_bytes(2, "big") + packet[2:]
    if age == 0 and (not udp or len(packet) <= query.udp_size):
        return packet
    reply = DNSRecord.parse(packet)
    for rr in (*reply.rr, *reply.auth):
        rr.ttl = max(rr.ttl - age, 0)
    return _fit(query, reply, udp=udp)


def _fit(query: Query, reply: Any, *, udp: bool) -> bytes:
    packed = bytes(reply.pack())
    if not udp or len(packed) <= query.udp_size:
        return packed
    short = query.request.reply(ra=1, aa=reply.header.aa)
    short.header.rcode = reply.header.rcode
    if query.has_edns:
        short.add_ar(EDNS0(udp_len=_OUR_UDP_SIZE))
    # Records that still fit help clients that ignore TC.
    for rr in reply.rr:
        short.add_answer(rr)
        if len(short.pack()) > query.udp_size:
            short.rr.pop()
            break
    short.header.tc = 1
    return bytes(short.pack())


def _resource_record(record: Record, asked: str, original: str) -> Any:
    owner = original if record.name == asked else record.name
    return RR(owner, getattr(QTYPE, record.kind), rdata=_data(record), ttl=record.ttl)


def _data(record: Record) -> Any:
    match record.kind:
        case "SRV":
            priority, weight, port, target = record.data.split()
            return SRV(int(priority), int(weight), int(port), target)
        case "SOA":
            server, mailbox, *times = record.data.split()
            return SOA(server, mailbox, tuple(int(number) for number in times))
    kinds: dict[str, Any] = {"A": A, "AAAA": AAAA, "CNAME": CNAME, "PTR": PTR, "NS": NS, "TXT": TXT}
    return kinds[record.kind](record.data)
