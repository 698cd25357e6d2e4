"""Write captured segments as frames, and frames as a capture file (libpcap's classic format)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from tests.truth.capture import CapturePlan
from tests.truth.segment import Crossing, Segment

_ETHERNET = 1
_SHORTEST_FRAME = 60
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
    crossings: Iterable[tuple[Crossing, int]], addresses: Addresses, plan: CapturePlan, *, start_ns: int
) -> bytes:
    """Return a capture file of what passed the tap, each at its time."""
    magic, snap_len = (0xA1B23C4D if plan.fine else 0xA1B2C3D4), plan.snap_len or 262_144
    pieces = [struct.pack("<IHHiIII", magic, 2, 4, 0, 0, snap_len, _ETHERNET)]
    for crossing, at_ns in crossings:
        data = frame(crossing, addresses, offload=crossing.segment.side == plan.offload)
        if plan.padded and len(data) < _SHORTEST_FRAME:
            data += bytes(_SHORTEST_FRAME - len(data))
        seconds, rest_ns = divmod(start_ns + at_ns, 1_000_000_000)
        kept = data[:snap_len]
        pieces.append(struct.pack("<IIII", seconds, rest_ns // plan.unit_ns, len(kept), len(data)))
        pieces.append(kept)
    return b"".join(pieces)


def frame(crossing: Crossing, addresses: Addresses, *, offload: bool = False) -> bytes:
    """Return the Ethernet frame of a segment as it passes the tap."""
    segment = crossing.segment
    source, target, link = _link(addresses, segment.side)
    tcp = _tcp(segment, source + target, offload)
    if addresses.version == 6:
        ip = struct.pack("!IHBB", 6 << 28, len(tcp), 6, crossing.ttl) + source + target
    else:
        ip = _ipv4(len(tcp), crossing.ttl, segment.ip_id, source + target)
    whole = link + ip + tcp
    return _spoil(whole, crossing.corrupted, len(link), len(ip)) if crossing.corrupted else whole


def _spoil(data: bytes, how: int, link_len: int, ip_len: int) -> bytes:
    """Flip one bit: in the IPv4 header's identification, TTL or checksum, or behind the ports."""
    if ip_len == 20 and how % 5 == 0:
        at = link_len + (4, 5, 8, 10, 11)[how // 5 % 5]
    else:
        first = link_len + ip_len + 4
        at = first + how // 8 % min(len(data) - first, 40)
    return data[:at] + bytes([data[at] ^ 1 << how % 8]) + data[at + 1 :]


@lru_cache(maxsize=64)
def _link(addresses: Addresses, side: int) -> tuple[bytes, bytes, bytes]:
    packed = (ip_address(addresses.a).packed, ip_address(addresses.b).packed)
    ethertype = b"\x08\x00" if addresses.version == 4 else b"\x86\xdd"
    return packed[side], packed[1 - side], _MAC[1 - side] + _MAC[side] + ethertype


def _ipv4(tcp_len: int, ttl: int, ip_id: int, ends: bytes) -> bytes:
    fixed = struct.pack("!BBHHHBB", 0x45, 0, 20 + tcp_len, ip_id, 0x4000, ttl, 6)
    return fixed + struct.pack("!H", checksum(fixed + b"\0\0" + ends)) + ends


def _tcp(segment: Segment, ends: bytes, offload: bool) -> bytes:
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
    pseudo = ends + struct.pack("!II", 18 + len(rest), 6)
    # A card that computes checksums is handed the sum over the pseudo header
    found = 0xFFFF - checksum(pseudo) if offload else checksum(pseudo + head + b"\0\0" + rest)
    return head + struct.pack("!H", found) + rest


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
