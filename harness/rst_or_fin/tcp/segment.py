"""TCP's basic terms: flags, segments, endpoints, and the ways a connection ends (RFC 9293).

Knows no Erlang, no files and no captures; everything above it speaks these words.
"""

from __future__ import annotations

from enum import IntFlag, StrEnum
from typing import NamedTuple

import msgspec


class Flags(IntFlag):
    """The control bits of a TCP header (RFC 9293 section 3.1)."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20
    ECE = 0x40
    CWR = 0x80


HALF = 1 << 31
SPACE = 1 << 32  # of sequence numbers


def distance(later: int, earlier: int) -> int:
    """Return `later - earlier` in sequence space: signed, correct across the wrap.

    Source: RFC 9293 section 3.4.
    """
    return (later - earlier + HALF) % SPACE - HALF


class Endpoint(NamedTuple):
    """One end of a connection: an IP address in text form and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Checksum(StrEnum):
    """Whether a segment's checksum fits (RFC 9293 section 3.1).

    PARTIAL is the sum of the pseudo header alone: what Linux leaves for the network card to complete
    (CHECKSUM_PARTIAL), so captured on the sending host. UNVERIFIED: the capture cut the segment short, or the
    field is 0 and does not fit, as some drivers leave it. BAD: a receiver throws this segment away.
    """

    GOOD = "good"
    BAD = "bad"
    PARTIAL = "partial"
    UNVERIFIED = "unverified"


class Segment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One TCP segment as it crossed the wire.

    `t_ns` is the capture's clock in nanoseconds since the epoch; `seq` and `ack` are absolute (32 bit);
    `payload_len` counts the bytes the IP header announces, also where the capture cut the payload short.
    `ttl` (IPv6: the hop limit) and `ip_id` (IPv4 only) come from the innermost IP header; `frame_no` is the
    1-based number of the frame in its capture, as Wireshark counts, and 0 if it is in none.

    A msgspec struct: a capture holds millions of these, and a frozen dataclass takes six times as long.
    """

    t_ns: int
    src: Endpoint
    dst: Endpoint
    seq: int
    ack: int
    flags: int
    window: int
    payload_len: int
    payload: bytes = b""
    options: bytes = b""
    ttl: int | None = None
    ip_id: int | None = None
    checksum: Checksum = Checksum.UNVERIFIED
    frame_no: int = 0

    @property
    def syn(self) -> bool:
        """Whether the SYN flag is set."""
        return bool(self.flags & 0x02)

    @property
    def fin(self) -> bool:
        """Whether the FIN flag is set."""
        return bool(self.flags & 0x01)

    @property
    def rst(self) -> bool:
        """Whether the RST flag is set."""
        return bool(self.flags & 0x04)

    @property
    def has_ack(self) -> bool:
        """Whether the ACK flag is set."""
        return bool(self.flags & 0x10)
