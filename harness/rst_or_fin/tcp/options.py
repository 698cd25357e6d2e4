"""The options of a TCP header (RFC 9293 section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator

_END, _NO_OPERATION = 0, 1


def options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each option's kind and value, up to the first malformed one; a value may be cut off."""
    at = 0
    while at < len(data) and data[at] != _END:
        if data[at] == _NO_OPERATION:
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        if length < 2:
            return
        yield data[at], data[at + 2 : at + length]
        at += length
