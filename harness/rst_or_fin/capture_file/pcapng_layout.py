"""The layout of a pcapng capture, for `batches`: Enhanced Packet Blocks of one section.

It is what Wireshark and dumpcap write: little-endian, all interfaces described before the packets and alike,
then packets, then the interface statistics. Blocks that the general reader ignores may stand anywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from rst_or_fin.capture_file.batches import Column
from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.damage import DamageError
from rst_or_fin.capture_file.pcapng import ENHANCED_PACKET, Interface, Reader
from rst_or_fin.capture_file.pcapng_blocks import LONGEST_BLOCK, SHORTEST_BLOCK
from rst_or_fin.capture_file.records import FileNotes, Record

_EMPTY_PACKET = 32  # bytes: of an Enhanced Packet Block without its frame
_WORD = 4  # bytes: what blocks and frames are padded to
_SECOND_NS = 1_000_000_000
_LATEST_NS = 1 << 62  # within the 64 bits of a column
_BEGIN = struct.Struct("<II")  # kind and length
_LENGTH = struct.Struct("<I")


class PcapngLayout:
    """The packets of one file (see `batches.Layout`)."""

    head = np.dtype(
        [(name, "<u4") for name in ("kind", "length", "interface", "high", "low", "captured", "wire")]
    )
    shortest = SHORTEST_BLOCK

    def __init__(self, reader: Reader) -> None:
        self.link_type = reader.interfaces[0].link_type
        self._reader = reader
        self._interfaces = len(reader.interfaces)
        self._unit_ns = _SECOND_NS // reader.interfaces[0].ticks_per_s
        self._late = _LATEST_NS // self._unit_ns >> 32

    def likely(self, data: bytes, at: int) -> tuple[Column, Column]:
        """Find likely Enhanced Packet Blocks: that block type, and the same length at both ends."""
        words = np.frombuffer(data, dtype="<u4", count=(len(data) - at) // _WORD, offset=at)
        begins = np.flatnonzero(words[: 1 - _EMPTY_PACKET // _WORD] == ENHANCED_PACKET)
        length = words[begins + 1].astype(np.int64)
        after = begins + length // _WORD
        is_likely = (length >= _EMPTY_PACKET) & (length <= LONGEST_BLOCK) & (length % _WORD == 0)
        is_likely &= after <= len(words)
        begins, length, after = begins[is_likely], length[is_likely], after[is_likely]
        is_likely = words[after - 1] == length
        return begins[is_likely] * _WORD + at, after[is_likely] * _WORD + at

    def step(self, data: bytes, at: int) -> tuple[Column, int]:
        """Skip a block that the general reader ignores; end the batch at any other."""
        kind, length = _BEGIN.unpack_from(data, at)
        after, none = at + length, np.empty(0, dtype=np.int64)
        if self._reader.reads(kind) or length < SHORTEST_BLOCK or length % _WORD or after > len(data):
            return none, len(data) + 1
        (again,) = _LENGTH.unpack_from(data, after - _WORD)
        return none, after if again == length else len(data) + 1

    def are_sound(self, heads: Column) -> bool:
        """Return whether every packet has a known interface, fits its block and has a plausible time."""
        captured = heads["captured"].astype(np.int64)
        wrong = (heads["interface"] >= self._interfaces) | (heads["high"] >= self._late)
        return not bool((wrong | (captured + _EMPTY_PACKET > heads["length"])).any())

    def are_bare(self, heads: Column) -> Column:
        """Return which packets have no options."""
        captured = heads["captured"].astype(np.int64)
        bare: Column = captured + -captured % _WORD + _EMPTY_PACKET == heads["length"]
        return bare

    def times_ns(self, heads: Column) -> Column:
        """Return when each was captured."""
        times: Column = (heads["high"].astype(np.int64) << 32 | heads["low"]) * self._unit_ns
        return times

    def record(self, data: bytes, at: int) -> Record:
        """Read one packet with its options."""
        _, length = _BEGIN.unpack_from(data, at)
        return self._reader.packet(data[at + _BEGIN.size : at + length - _LENGTH.size])

    def rest(self) -> Iterator[Record]:
        """Have the general reader go on."""
        return self._reader.records()


def opened(stream: ByteStream, notes: FileNotes) -> PcapngLayout | None:
    """Read up to the packets; None if these lie in any other way. Raises CaptureError."""
    reader = Reader(stream, notes)
    reader.begin()
    try:
        reader.describe()
    except (DamageError, struct.error):
        return None
    is_known = reader.order == "<" and len({_how(each) for each in reader.interfaces}) == 1
    return PcapngLayout(reader) if is_known and _is_simple(reader.interfaces[0]) else None


def _how(interface: Interface) -> tuple[int, ...]:
    return interface.link_type, interface.ticks_per_s, interface.offset_ns, interface.fcs_len


def _is_simple(interface: Interface) -> bool:
    is_whole = _SECOND_NS % interface.ticks_per_s == 0  # a tick is that many nanoseconds
    return is_whole and not interface.offset_ns and not interface.fcs_len
