"""Verifies the Internet checksum (RFC 1071): whether a header or a segment is what left its sender.

The ones' complement sum of 16-bit words is the number that they form, modulo 65535: 2^16 leaves 1. Python
computes that for a whole segment at once.
"""

from __future__ import annotations

from rst_or_fin.tcp.segment import Checksum

_ONES = 0xFFFF
_FIELD_AT = 16  # bytes from the start of a TCP header


def fits(header: bytes) -> bool:
    """Return whether an even number of bytes, not all of them 0, fits the checksum among them."""
    return int.from_bytes(header, "big") % _ONES == 0


def of_tcp(data: bytes, at: int, end: int, addresses_sum: int) -> Checksum:
    """Verify the segment `data[at:end]` (RFC 9293, section 3.1).

    `addresses_sum` is the sum of its pseudo header without the length.
    """
    length = end - at
    if end > len(data):
        return Checksum.UNVERIFIED
    words = int.from_bytes(data[at:end], "big") << (8 if length & 1 else 0)
    if (words + addresses_sum + length) % _ONES == 0:
        return Checksum.GOOD
    return _why(data[at + _FIELD_AT] << 8 | data[at + _FIELD_AT + 1], addresses_sum, length)


def _why(field: int, addresses_sum: int, length: int) -> Checksum:
    """Name what stands in a field that does not fit.

    Where the network card is to cut the segment up, Windows leaves the pseudo header's length to it too.
    """
    if not field:
        return Checksum.UNVERIFIED
    partial = field % _ONES in ((addresses_sum + length) % _ONES, addresses_sum % _ONES)
    return Checksum.PARTIAL if partial else Checksum.BAD
