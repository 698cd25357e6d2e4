"""Write captured segments as frames, and frames as a capture file (libpcap's classic format)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from tests.truth.segment import Crossing, Segment

_ETHERNET = 1
_MAC = (b"\x02\x00\x00\x00\x00\x0a", b"\x02\x00\x00\x00\x00\x0b")
_PERIOD = 9973
# What streams consist of: byte k of a stream is byte k of this, repeated.
_PATTERN = bytes((k * k + 7 * k) % 251 for k in range(_PERIOD)) * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The two hosts' addresses, both IPv4 or both IPv6, and how frames carry them."""

    a: str
    b: str

    @property
    def version(self) -> int:
        """Return 4 or 6."""
        return 6 if ":" in self.a else 4


def payload(offset: int, length: int) -> bytes:
    """Return so many bytes of a stream."""
    start = offset % _PERIOD
    return _PATTERN[start : start + length]


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071): the ones' complement sum is the number modulo 65535."""
    number = int.from_bytes(data, "big") << 8 * (len(data) % 2)
    return 0xFFFF - ((number % 0xFFFF) or 0xFFFF)


def capture(
    crossings: Iterable[tuple[Crossing, int]], addresses: Addresses, *, start_ns: int, fine: bool
) -> bytes:
    """Return a capture file of what passed the tap, each at its time; `fine`: in nanoseconds."""
    unit_ns = 1 if fine else 1000
    pieces = [struct.pack("<IHHiIII", 0xA1B23C4D if fine else 0xA1B2C3D4, 2, 4, 0, 0, 262_144, _ETHERNET)]
    for crossing, at_ns in crossings:
        data = frame(crossing, addresses)
        seconds, rest_ns = divmod(start_ns + at_ns, 1_000_000_000)
        pieces.append(struct.pack("<IIII", seconds, rest_ns // unit_ns, len(data), len(data)))
        pieces.append(data)
    return b"".join(pieces)


def frame(crossing: Crossing, addresses: Addresses) -> bytes:
    """Return the Ethernet frame of a segment as it passes the tap."""
    segment = crossing.segment
    source, target, ethertype = _link(addresses, segment.side)
    tcp = _tcp(segment, source + target, crossing.corrupted)
    if addresses.version == 6:
        ip = struct.pack("!IHBB", 6 << 28, len(tcp), 6, crossing.ttl) + source + target
    else:
        ip = _ipv4(len(tcp), crossing.ttl, segment.ip_id, source + target)
    return ethertype + ip + tcp


@lru_cache(maxsize=64)
def _link(addresses: Addresses, side: int) -> tuple[bytes, bytes, bytes]:
    packed = (ip_address(addresses.a).packed, ip_address(addresses.b).packed)
    ethertype = b"\x08\x00" if addresses.version == 4 else b"\x86\xdd"
    return packed[side], packed[1 - side], _MAC[1 - side] + _MAC[side] + ethertype


def _ipv4(tcp_len: int, ttl: int, ip_id: int, ends: bytes) -> bytes:
    fixed = struct.pack("!BBHHHBB", 0x45, 0, 20 + tcp_len, ip_id, 0x4000, ttl, 6)
    return fixed + struct.pack("!H", checksum(fixed + b"\0\0" + ends)) + ends


def _tcp(segment: Segment, ends: bytes, corrupted: bool) -> bytes:
    extra = options(segment)
    words = 5 + len(extra) // 4
    head = struct.pack(
        "!HHIIBBH",
        segment.sport,
        segment.dport,
        segment.seq,
        segment.ack,
        words << 4,
        segment.flags,
        segment.window,
    )
    rest = b"\0\0" + extra + payload(segment.offset, segment.length)
    length = 18 + len(rest)
    right = checksum(ends + struct.pack("!II", length, 6) + head + b"\0\0" + rest)
    return head + struct.pack("!H", right ^ 0x5A5A if corrupted else right) + rest


def options(segment: Segment) -> bytes:
    """Return the TCP options as they go over the wire, padded to whole words."""
    found = b""
    if segment.mss:
        found += struct.pack("!BBH", 2, 4, segment.mss)
    if segment.stamp is not None:
        found += struct.pack("!BBBBII", 1, 1, 8, 10, *segment.stamp)
    if segment.wscale >= 0:
        found += struct.pack("!BBBB", 1, 3, 3, segment.wscale)
    return found
