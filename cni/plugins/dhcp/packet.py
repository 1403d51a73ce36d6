"""Pure: DHCP messages (RFC 2131, 2132, 3442), and the headers they travel in before there is an address."""

from __future__ import annotations

import struct

from linux import addresses

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = 1, 2, 3, 4, 5, 6, 7
SERVER_PORT, CLIENT_PORT = 67, 68
OPTION_SUBNET_MASK, OPTION_ROUTER, OPTION_DNS, OPTION_HOST_NAME, OPTION_DOMAIN = 1, 3, 6, 12, 15
OPTION_MTU, OPTION_STATIC_ROUTES, OPTION_REQUESTED_IP, OPTION_LEASE_TIME = 26, 33, 50, 51
OPTION_MESSAGE_TYPE, OPTION_SERVER, OPTION_PARAMETERS, OPTION_MESSAGE = 53, 54, 55, 56
OPTION_T1, OPTION_T2, OPTION_CLASS, OPTION_CLIENT_ID = 58, 59, 60, 61
OPTION_SEARCH, OPTION_CLASSLESS_ROUTES = 119, 121
OPTION_PAD, OPTION_END = 0, 255
NAMES = {
    "subnet-mask": OPTION_SUBNET_MASK,
    "routers": OPTION_ROUTER,
    "domain-name-servers": OPTION_DNS,
    "host-name": OPTION_HOST_NAME,
    "domain-name": OPTION_DOMAIN,
    "interface-mtu": OPTION_MTU,
    "static-routes": OPTION_STATIC_ROUTES,
    "dhcp-requested-address": OPTION_REQUESTED_IP,
    "dhcp-lease-time": OPTION_LEASE_TIME,
    "dhcp-server-identifier": OPTION_SERVER,
    "dhcp-renewal-time": OPTION_T1,
    "dhcp-rebinding-time": OPTION_T2,
    "vendor-class-identifier": OPTION_CLASS,
    "dhcp-client-identifier": OPTION_CLIENT_ID,
    "domain-search": OPTION_SEARCH,
    "classless-static-routes": OPTION_CLASSLESS_ROUTES,
    "user-class": 77,
}
_COOKIE = b"\x63\x82\x53\x63"
_HEADER = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
_BROADCAST_FLAG = 0x8000
_MINIMUM = 300
_ZERO = bytes(4)


class Packet:
    """One DHCP message."""

    __slots__ = ("broadcast", "client", "mac", "offered", "op", "options", "transaction")

    def __init__(
        self,
        kind: int,
        transaction: int,
        mac: bytes,
        options: dict[int, bytes] | None = None,
        *,
        client: bytes = _ZERO,
        broadcast: bool = False,
    ) -> None:
        self.op, self.transaction, self.mac = 1, transaction, mac
        self.client, self.offered, self.broadcast = client, _ZERO, broadcast
        self.options = {OPTION_MESSAGE_TYPE: bytes([kind]), **(options or {})}

    @property
    def kind(self) -> int:
        """The message's type; 0 where it has none."""
        return self.options.get(OPTION_MESSAGE_TYPE, b"\0")[0]

    def encode(self) -> bytes:
        """The message's bytes."""
        flags = _BROADCAST_FLAG if self.broadcast else 0
        head = _HEADER.pack(
            self.op, 1, 6, 0, self.transaction, 0, flags, self.client, self.offered, _ZERO, _ZERO, self.mac, b"", b""
        )
        body = b""
        for number, value in self.options.items():
            # A long value is cut into several options of the same number (RFC 3396).
            for start in range(0, max(1, len(value)), 255):
                part = value[start : start + 255]
                body += bytes([number, len(part)]) + part
        return (head + _COOKIE + body + bytes([OPTION_END])).ljust(_MINIMUM, b"\0")


def decode(data: bytes) -> Packet | None:
    """The message in some bytes; None where there is none."""
    if len(data) < _HEADER.size + 4 or data[_HEADER.size : _HEADER.size + 4] != _COOKIE:
        return None
    fields = _HEADER.unpack_from(data)
    packet = Packet(0, fields[4], fields[11][:6])
    packet.op, packet.client, packet.offered = fields[0], fields[7], fields[8]
    packet.options = {}
    offset = _HEADER.size + 4
    while offset < len(data) and data[offset] != OPTION_END:
        if data[offset] == OPTION_PAD:
            offset += 1
            continue
        if offset + 2 > len(data) or offset + 2 + data[offset + 1] > len(data):
            return None
        length = data[offset + 1]
        value = data[offset + 2 : offset + 2 + length]
        packet.options[data[offset]] = packet.options.get(data[offset], b"") + value
        offset += 2 + length
    return packet


def in_ip(payload: bytes, source: bytes = _ZERO, destination: bytes = b"\xff" * 4) -> bytes:
    """A message to the server's port in UDP and IPv4 headers."""
    length = len(payload) + 8
    udp = struct.pack("!HHHH", CLIENT_PORT, SERVER_PORT, length, 0) + payload  # checksum 0: none
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length + 20, 0, 0, 64, 17, 0, source, destination)
    return head[:10] + _checksum(head).to_bytes(2, "big") + head[12:] + udp


def from_ip(data: bytes) -> bytes | None:
    """What an IPv4 packet carries to the client's port; None where it is for somebody else."""
    if len(data) < 28 or data[0] >> 4 != 4 or data[9] != 17:
        return None
    start = (data[0] & 15) * 4
    if len(data) < start + 8 or int.from_bytes(data[start + 2 : start + 4], "big") != CLIENT_PORT:
        return None
    length = int.from_bytes(data[start + 4 : start + 6], "big")
    return data[start + 8 : start + length]


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_list(value: bytes) -> list[str]:
    """The addresses in an option."""
    return [addresses.unpack(value[start : start + 4]) for start in range(0, len(value) - 3, 4)]


def prefix_length(mask: bytes) -> int:
    """The length of a subnet mask."""
    return f"{int.from_bytes(mask, 'big'):032b}".count("1")


def routes(options: dict[int, bytes]) -> list[dict[str, str]]:
    """The routes that a server hands out: classless ones, else the static ones and the default route."""
    if OPTION_CLASSLESS_ROUTES in options:
        return _classless(options[OPTION_CLASSLESS_ROUTES])
    found = []
    words = ip_list(options.get(OPTION_STATIC_ROUTES, b""))
    for dst, gateway in zip(words[::2], words[1::2], strict=False):
        found.append({"dst": f"{dst}/{_class_length(dst)}", "gw": gateway})
    routers = ip_list(options.get(OPTION_ROUTER, b""))
    if routers:
        found.append({"dst": "0.0.0.0/0", "gw": routers[0]})
    return found


def _class_length(address: str) -> int:
    first = int(address.partition(".")[0])
    return 8 if first < 128 else 16 if first < 192 else 24


def _classless(value: bytes) -> list[dict[str, str]]:
    found = []
    offset = 0
    while offset < len(value):
        width = value[offset]
        octets = (width + 7) // 8
        end = offset + 1 + octets
        if width > 32 or end + 4 > len(value):
            break
        dst = addresses.unpack(value[offset + 1 : end].ljust(4, b"\0"))
        gateway = addresses.unpack(value[end : end + 4])
        found.append({"dst": f"{dst}/{width}", "gw": gateway})
        offset = end + 4
    return found
