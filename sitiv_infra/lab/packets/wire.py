"""IP packets that carry a number, written and recognised.

TCP has the number as its sequence, and the run's token as the acknowledgement of a SYN, which
nobody reads; all else has token and number as its first bytes of data. Checksums are right:
connection tracking calls anything else invalid.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
EXPERIMENTS = 253, 254  # protocols that nobody speaks: for experiments (RFC 3692)
ECHO = {ICMP: 8, ICMP6: 128}
TTL = 64
SYN = 2
WINDOW = 1024
MARK = struct.Struct("!II")


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection; ``port`` is 0 where the protocol has none."""

    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    protocol: int
    port: int = 0

    @property
    def version(self) -> int:
        """Give its address family, 4 or 6."""
        return self.source.version

    def written(self, token: int, number: int, source_port: int) -> bytes:
        """Write it from its IP header on; ``source_port`` sets connections apart."""
        ends = self.source.packed + self.destination.packed
        body = self._body(MARK.pack(token, number), token, number, source_port)
        place = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}.get(self.protocol)
        if place is not None:
            over = body if self.protocol == ICMP else ends + self._pseudo(len(body)) + body
            body = body[:place] + struct.pack("!H", _checksum(over)) + body[place + 2 :]
        if self.version == 6:
            return struct.pack("!IHBB", 6 << 28, len(body), self.protocol, TTL) + ends + body
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, TTL, self.protocol, 0)
        check = struct.pack("!H", _checksum(head + ends))
        return head[:10] + check + ends + body

    def _body(self, mark: bytes, token: int, number: int, source_port: int) -> bytes:
        if self.protocol == TCP:
            ports = struct.pack("!HH", source_port, self.port)
            return ports + struct.pack("!IIBBHHH", number, token, 5 << 4, SYN, WINDOW, 0, 0)
        if self.protocol == UDP:
            return struct.pack("!HHHH", source_port, self.port, 8 + len(mark), 0) + mark
        if self.protocol in ECHO:
            return struct.pack("!BBHHH", ECHO[self.protocol], 0, 0, source_port, 1) + mark
        return mark

    def _pseudo(self, length: int) -> bytes:
        return struct.pack("!IxxxB", length, self.protocol)


def _checksum(data: bytes) -> int:
    """Compute the internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF


def number_of(data: bytes, token: int) -> int | None:
    """Give the number of a packet of this run, read from its IP header on; None for all others."""
    if len(data) < 28:
        return None
    if data[0] >> 4 == 4:
        protocol, start = data[9], (data[0] & 15) * 4
    else:
        protocol, start = data[6], 40
    offset = start + (4 if protocol == TCP else 8 if protocol in {UDP, ICMP, ICMP6} else 0)
    if len(data) < offset + MARK.size:
        return None
    first, second = MARK.unpack_from(data, offset)
    number, seen = (first, second) if protocol == TCP else (second, first)
    return number if seen == token else None
