"""The layout of a classic capture, for `batches`: little-endian, as libpcap writes it now."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from rst_or_fin.capture_file import classic
from rst_or_fin.capture_file.batches import Column
from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.records import SNAP_LENGTH, FileNotes, Record

_HEAD_LEN = 16
_CAPTURED = struct.Struct("<8xI")


class ClassicLayout:
    """The records of one file (see `batches.Layout`)."""

    head = np.dtype([(name, "<u4") for name in ("seconds", "fraction", "captured", "wire")])
    shortest = _HEAD_LEN

    def __init__(self, stream: ByteStream, header: classic.Header, notes: FileNotes) -> None:
        self.link_type = header.link_type
        self._stream, self._header, self._notes = stream, header, notes

    def likely(self, data: bytes, at: int) -> tuple[Column, Column]:
        """Find plausible headers whose seconds have the same upper 16 bits as those at `at` (18 hours)."""
        day = int.from_bytes(data[at + 2 : at + 4], "little")
        end = len(data)
        halves = (np.frombuffer(data, dtype="<u2", count=(end - odd) // 2, offset=odd) for odd in (0, 1))
        found = [np.flatnonzero(half == day) * 2 + odd - 2 for odd, half in enumerate(halves)]
        begins = np.sort(np.concatenate(found), kind="stable")
        begins = begins[(begins >= at) & (begins <= end - _HEAD_LEN)]
        words = np.ndarray((end - 3,), dtype="<u4", buffer=data, strides=(1,))  # at every byte
        captured, wire = words[begins + 8].astype(np.int64), words[begins + 12]
        after = begins + _HEAD_LEN + captured
        is_likely = (captured <= wire) & (captured <= SNAP_LENGTH) & (after <= end)
        return begins[is_likely], after[is_likely]

    def step(self, data: bytes, at: int) -> tuple[Column, int]:
        """Follow the record's length."""
        (captured,) = _CAPTURED.unpack_from(data, at)
        return np.array([at]), at + _HEAD_LEN + captured

    def are_sound(self, heads: Column) -> bool:
        """Return whether all lengths are possible."""
        return not bool(((heads["captured"] > heads["wire"]) | (heads["captured"] > SNAP_LENGTH)).any())

    def are_bare(self, heads: Column) -> Column:
        """Return True for each: classic records have no options."""
        return np.ones(len(heads), dtype=bool)

    def times_ns(self, heads: Column) -> Column:
        """Return when each was captured."""
        times: Column = heads["seconds"].astype(np.int64) * 1_000_000_000
        times += heads["fraction"].astype(np.int64) * self._header.unit_ns
        return times

    def record(self, data: bytes, at: int) -> Record:
        """Read one record."""
        seconds, fraction, captured, wire_len = self._header.record.unpack_from(data, at)
        at += _HEAD_LEN
        t_ns = seconds * 1_000_000_000 + fraction * self._header.unit_ns
        return Record(t_ns, self.link_type, data[at : at + captured], wire_len)

    def rest(self) -> Iterator[Record]:
        """Have the general reader go on."""
        return classic.behind_header(self._stream, self._header, self._notes)


def opened(stream: ByteStream, notes: FileNotes) -> ClassicLayout | None:
    """Read a file's header; None if its records have any other layout. Raises CaptureError."""
    header = classic.header(stream)
    is_known = header.record.format == "<IIII" and not header.swapped and not header.fcs_len
    return ClassicLayout(stream, header, notes) if is_known else None
