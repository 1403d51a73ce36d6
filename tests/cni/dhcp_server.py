"""A DHCP server for tests: gives one address, and remembers what it was told."""

import socket
import struct
import threading

from cni.plugins.dhcp import packet
from linux import addresses, netns

ETH_P_IP = 0x0800


class Server:
    """Answers on an interface, in a thread."""

    def __init__(self, path: str, interface: str, *, lease_seconds: int) -> None:
        self.heard = []
        self._seconds, self._interface = lease_seconds, interface
        self._socket = netns.run_in(path, self._open)
        threading.Thread(target=self._loop, daemon=True).start()

    def _open(self):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        raw.bind((self._interface, ETH_P_IP))
        return raw

    def of(self, kind: int):
        """What was heard of a kind."""
        return [one for one in list(self.heard) if one.kind == kind]

    def _loop(self) -> None:
        while True:
            try:
                data, sender = self._socket.recvfrom(65535)
            except OSError:
                return
            if sender[2] == socket.PACKET_OUTGOING or data[9] != 17 or data[22:24] != b"\0\x43":
                continue
            message = packet.decode(data[28:])
            message.broadcast = bool(data[28 + 10] & 0x80)
            self.heard.append(message)
            answer = {packet.DISCOVER: packet.OFFER, packet.REQUEST: packet.ACK}.get(message.kind)
            if answer:
                self._socket.sendto(self._answer(message, answer), (self._interface, ETH_P_IP, 0, 0, b"\xff" * 6))

    def _answer(self, message, kind: int) -> bytes:
        options = {
            packet.OPTION_SERVER: addresses.pack("192.0.2.9"),
            packet.OPTION_SUBNET_MASK: addresses.pack("255.255.255.0"),
            packet.OPTION_ROUTER: addresses.pack("192.0.2.9"),
            packet.OPTION_LEASE_TIME: struct.pack("!I", self._seconds),
            packet.OPTION_T1: struct.pack("!I", 1),
        }
        made = packet.Packet(kind, message.transaction, message.mac, options)
        made.op, made.offered = 2, addresses.pack("192.0.2.77")
        payload = made.encode()
        udp = struct.pack("!HHHH", packet.SERVER_PORT, packet.CLIENT_PORT, len(payload) + 8, 0) + payload
        source, target = addresses.pack("192.0.2.9"), b"\xff" * 4
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, len(udp) + 20, 0, 0, 64, 17, 0, source, target)
        return head + udp

    def close(self) -> None:
        """Answer no more."""
        self._socket.close()
