"""Finds a capture's records many at a time, with numpy; a `Layout` describes where they are in a format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.records import Record

Column: TypeAlias = npt.NDArray[Any]

_BATCH_LEN = 2_097_152  # bytes read at a time: what is computed from them fits into a processor's cache
_PADDING = 256  # bytes: more than headers take


class Layout(Protocol):
    """Describes where the records of a file are, each a header followed by its frame.

    `head` is the header's dtype, little-endian; its field `captured` is the frame's length in bytes.
    `shortest` is the number of bytes that `step` needs.
    """

    link_type: int
    head: np.dtype[Any]
    shortest: int

    def likely(self, data: bytes, at: int) -> tuple[Column, Column]:
        """Find likely whole records from `at` on; return where each begins, and where it ends."""

    def step(self, data: bytes, at: int) -> tuple[Column, int]:
        """Return the record that begins at `at`, if there is one, and the offset of what follows.

        An offset beyond the data means that only the format's general reader can go on.
        """

    def are_sound(self, heads: Column) -> bool:
        """Return whether the headers are plausible: lengths, interfaces and times that can be."""

    def are_bare(self, heads: Column) -> Column:
        """Return which records hold only their frame, without options."""

    def times_ns(self, heads: Column) -> Column:
        """Return when each record was captured, in nanoseconds since the epoch."""

    def record(self, data: bytes, at: int) -> Record:
        """Read one record as the format's general reader does."""

    def rest(self) -> Iterator[Record]:
        """Read on with the format's general reader, from the stream's position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Consecutive records: their bytes, and where each of them begins."""

    data: bytes
    padded: Column  # the same as numbers, and some zeros behind
    starts: Column

    def rows(self, length: int, among: Column | None = None) -> Column:
        """Return the first `length` bytes of every record, or of those `among`.

        They may reach into the next record.
        """
        starts = self.starts if among is None else self.starts[among]
        return np.lib.stride_tricks.sliding_window_view(self.padded, length)[starts]

    def heads(self, layout: Layout) -> Column:
        """Return the records' headers."""
        return self.rows(layout.head.itemsize).view(layout.head)[:, 0]

    def record(self, number: int, layout: Layout) -> Record:
        """Read record `number` of the batch."""
        return layout.record(self.data, int(self.starts[number]))


def batches(stream: ByteStream, layout: Layout) -> Iterator[Batch]:
    """Yield the records from the stream's position on, in batches.

    Stops at an incomplete record, or at one that the layout does not know, and leaves the stream there.
    """
    while stream.fill(_BATCH_LEN) or stream.available >= layout.shortest:
        data, at = stream.data, stream.at
        starts, stream.at = _walked(layout, data, at)
        if stream.at == at:
            return
        if len(starts):
            padded = np.frombuffer(data + bytes(_PADDING + len(data) % 2), dtype=np.uint8)
            yield Batch(data=data, padded=padded, starts=starts)


def _walked(layout: Layout, data: bytes, at: int) -> tuple[Column, int]:
    """Find the whole records; return where each begins, and where the last one ends.

    Following every length is slow. So likely records are looked up first, all at once, and only if one of
    these does not lead to the next is a single step taken.
    """
    likely, after = layout.likely(data, at)
    breaks = np.append(np.flatnonzero(after[:-1] != likely[1:]), len(likely) - 1)
    pieces = [np.empty(0, dtype=np.int64)]
    while at + layout.shortest <= len(data):
        place = int(np.searchsorted(likely, at))
        if place < len(likely) and likely[place] == at:
            last = int(breaks[np.searchsorted(breaks, place)])
            run, following = likely[place : last + 1], int(after[last])
        else:
            run, following = layout.step(data, at)
        if following > len(data):
            break
        pieces.append(run)
        at = following
    return np.concatenate(pieces), at
