"""Reads the blocks that make up pcapng, and their options (draft-ietf-opsawg-pcapng, section 3)."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator

from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.damage import Damage, DamageError, the_end
from rst_or_fin.capture_file.records import SNAP_LENGTH

SECTION_HEADER = 0x0A0D0D0A
MAGIC = SECTION_HEADER.to_bytes(4, "big")  # the same in both byte orders
OPTION_COMMENT = 1
_OPTION_END = 0
SHORTEST_BLOCK = 12  # bytes: kind, length, the length again
LONGEST_BLOCK = SNAP_LENGTH + 4 * 65_536  # bytes: the largest frame and four options of the largest size
_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_HEADS = {order: struct.Struct(order + "II") for order in "<>"}
_LENGTHS = {order: struct.Struct(order + "I") for order in "<>"}
_OPTION_HEADS = {order: struct.Struct(order + "HH") for order in "<>"}


class Blocks:
    """The blocks of a stream, one after the other. `order` is the section's byte order, as for `struct`.

    Only blocks of the `wanted` kinds are held; all others are skipped. `at` is where the last block begins;
    `damage` says, once there is no further one, whether the file should have gone on.
    """

    def __init__(self, stream: ByteStream, wanted: Container[int]) -> None:
        self.order = ">"
        self.at = stream.position
        self.damage: Damage | None = None
        self._stream = stream
        self._wanted = wanted

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield (kind, body) of every wanted block."""
        stream = self._stream
        try:
            while stream.fill(SHORTEST_BLOCK):
                kind, length = self._head()
                body = self._body(kind, length)
                if body is None:
                    break
                if kind in self._wanted:
                    yield kind, body
                self.at = stream.position
        except DamageError as error:
            self.damage = Damage(what=str(error), at=self.at)
        else:
            left = stream.position + stream.available - self.at
            self.damage = the_end(self.at, left, stream.broken)

    def next_kind(self) -> int | None:
        """Return the type of the next block without reading it; None if there is none."""
        stream = self._stream
        if not stream.fill(SHORTEST_BLOCK):
            return None
        kind: int = _LENGTHS[self.order].unpack_from(stream.data, stream.at)[0]
        return kind

    def _head(self) -> tuple[int, int]:
        """Look at the kind of the next block and its length, which some writers give without its padding."""
        data, at = self._stream.data, self._stream.at
        if data[at : at + 4] == MAGIC:
            order = _ORDERS.get(data[at + 8 : at + 12])
            if order is None:
                raise DamageError("damaged: a section in neither byte order")
            self.order = order
        kind, length = _HEADS[self.order].unpack_from(data, at)
        if length < SHORTEST_BLOCK:
            raise DamageError(f"damaged: a block of {length} bytes")
        return kind, length + -length % 4

    def _body(self, kind: int, length: int) -> bytes | None:
        """Read a block to its end; None if the stream ends before it does."""
        stream = self._stream
        body = b""
        if kind in self._wanted:
            if length > LONGEST_BLOCK:
                raise DamageError(f"damaged: a block of kind {kind} with {length} bytes")
            if not stream.fill(length):
                return None
            body = stream.data[stream.at + 8 : stream.at + length - 4]
            stream.at += length - 4
        elif not (stream.skip(length - 4) and stream.fill(4)):
            return None
        (again,) = _LENGTHS[self.order].unpack_from(stream.data, stream.at)
        if again + -again % 4 != length:
            raise DamageError(
                f"damaged: a block that has {length} bytes at its beginning and {again} at its end"
            )
        stream.at += 4
        return body


def options(order: str, body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield (code, value) of the options from byte `at` of a block's body on, while they make sense."""
    head = _OPTION_HEADS[order]
    while at + 4 <= len(body):
        code, length = head.unpack_from(body, at)
        at += 4
        if code == _OPTION_END or at + length > len(body):
            return
        yield code, body[at : at + length]
        at += length + -length % 4


def number(order: str, value: bytes, *, signed: bool = False) -> int:
    """Read an option's value as a number; none is longer than 8 bytes."""
    return int.from_bytes(value[:8], "big" if order == ">" else "little", signed=signed)


def text(value: bytes) -> str:
    """Read an option's value as text, with bytes that are not UTF-8 replaced."""
    return value.decode("utf-8", "replace")
