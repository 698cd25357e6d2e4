"""TCP segments inside Ethernet frames, for programs that pass frames on: read, damaged, or made. No I/O.

Standard library only, and only what a wire needs: IPv4 and IPv6 without extension headers. Every other frame
is passed on unread.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_LETTERS = (
    ("F", FIN),
    ("S", SYN),
    ("R", RST),
    ("P", PSH),
    ("U", 0x20),
    ("E", 0x40),
    ("W", 0x80),
    (".", ACK),
)
_ETHERNET_LEN = 14
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_TCP = 6
_HEADER = struct.Struct("!HHIIBB")  # ports, sequence number, acknowledgment, data offset, flags
_CHECKSUM_AT = 16
_DONT_FRAGMENT = 0x4000


class TcpSegment(NamedTuple):
    """One segment: `ends` are addresses and ports as on the wire, sender first; `tcp_at` is an offset."""

    ends: bytes
    tcp_at: int
    seq: int
    ack: int
    flags: int
    payload_len: int

    @property
    def end(self) -> int:
        """The sequence number after all that it occupies, SYN and FIN included."""
        return (self.seq + self.payload_len + bool(self.flags & SYN) + bool(self.flags & FIN)) & 0xFFFFFFFF


def read(frame: bytes) -> Optional[TcpSegment]:  # noqa: UP045 - Python 3.9 runs this too
    """Return the TCP segment in a frame; None if there is none, or only a fragment of one."""
    kind = frame[12:14]
    if kind == _IPV4:
        if len(frame) < 54 or frame[23] != _TCP or frame[20] & 0x3F or frame[21]:
            return None
        tcp_at = _ETHERNET_LEN + (frame[14] & 0x0F) * 4
        end = _ETHERNET_LEN + ((frame[16] << 8) | frame[17])
        ends = frame[26:34]
    elif kind == _IPV6:
        if len(frame) < 74 or frame[20] != _TCP:
            return None
        tcp_at = 54
        end = tcp_at + ((frame[18] << 8) | frame[19])
        ends = frame[22:54]
    else:
        return None
    if len(frame) < end or end < tcp_at + 20:
        return None
    _, _, seq, ack, offset, flags = _HEADER.unpack_from(frame, tcp_at)
    header_len = (offset >> 4) * 4
    return TcpSegment(
        ends + frame[tcp_at : tcp_at + 4], tcp_at, seq, ack, flags, max(0, end - tcp_at - header_len)
    )


def other_way(ends: bytes) -> bytes:
    """Return the same two ends with the other one first."""
    half = (len(ends) - 4) // 2
    return ends[half : 2 * half] + ends[:half] + ends[-2:] + ends[-4:-2]


def letters(flags: int) -> str:
    """Write the control bits as tcpdump prints them: `S`, `S.`, `P.`, `F.`, `R`."""
    return "".join(letter for letter, bit in _LETTERS if flags & bit) or "none"


def bits(letters_: str) -> int:
    """Return the control bits for such letters."""
    return sum(bit for letter, bit in _LETTERS if letter in letters_)


def corrupted(frame: bytes, segment: TcpSegment) -> bytes:
    """Return the frame with a wrong checksum, so that no TCP takes it."""
    at = segment.tcp_at + _CHECKSUM_AT
    (checksum,) = struct.unpack_from("!H", frame, at)
    return frame[:at] + struct.pack("!H", checksum ^ 0x5555) + frame[at + 2 :]


def answer(frame: bytes, segment: TcpSegment, *, flags: int, seq: int, ack: int, ttl: int) -> bytes:
    """Make a bare segment to the sender of that frame, in the name of the end that it was sent to.

    As Linux sends a RST on behalf of no socket: IP ID 0, not to be fragmented, no TCP options.
    """
    ends = other_way(segment.ends)
    tcp = ends[-4:] + struct.pack("!IIBBHHH", seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 5 << 4, flags, 0, 0, 0)
    addresses = ends[:-4]
    pseudo = addresses + struct.pack("!II", len(tcp), _TCP)
    checksum = struct.pack("!H", _sum(pseudo + tcp))
    tcp = tcp[:_CHECKSUM_AT] + checksum + tcp[_CHECKSUM_AT + 2 :]
    ethernet = frame[6:12] + frame[0:6] + frame[12:14]
    if len(addresses) == 8:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, _DONT_FRAGMENT, ttl, _TCP, 0) + addresses
        ip = ip[:10] + struct.pack("!H", _sum(ip)) + ip[12:]
    else:
        ip = struct.pack("!IHBB", 6 << 28, 20, _TCP, ttl) + addresses
    return ethernet + ip + tcp


def _sum(data: bytes) -> int:
    """Compute the Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
