"""Compare 32 bit sequence numbers across their wrap (RFC 9293 section 3.4)."""

from __future__ import annotations

SPACE = 1 << 32
MASK = SPACE - 1
HALF = 1 << 31


def distance(later: int, earlier: int) -> int:
    """Return `later - earlier` as a signed number between -2^31 and 2^31 - 1."""
    return ((later - earlier + HALF) & MASK) - HALF
