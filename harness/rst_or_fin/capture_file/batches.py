"""Finds a capture's records many at a time, by numpy, whatever the format: a `Layout` says how they lie."""

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
    """How the records of one file lie behind what stands before them: each a head, then its frame.

    `head` has the head's fields, little-endian, among them `captured`: how many bytes of the frame follow.
    `shortest` is how many bytes a step needs.
    """

    link_type: int
    head: np.dtype[Any]
    shortest: int

    def likely(self, data: bytes, at: int) -> tuple[Column, Column]:
        """Find what looks like whole records from `at` on: where each begins, and where it ends."""

    def step(self, data: bytes, at: int) -> tuple[Column, int]:
        """Look at `at` itself: the record that begins there, if it is one, and where what comes next does.

        That is behind the data for what only the format's general reader can read.
        """

    def are_sound(self, heads: Column) -> bool:
        """Return whether no record claims what cannot be."""

    def are_bare(self, heads: Column) -> Column:
        """Return which records hold nothing but their frame."""

    def times_ns(self, heads: Column) -> Column:
        """Return when each record was captured."""

    def record(self, data: bytes, at: int) -> Record:
        """Read one record as the format's general reader does."""

    def rest(self) -> Iterator[Record]:
        """Have the general reader go on where the stream stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some records in a row: their bytes, and where each of them begins."""

    data: bytes
    padded: Column  # the same as numbers, and some zeros behind
    starts: Column

    def rows(self, length: int, among: Column | None = None) -> Column:
        """Return the first bytes of every record, or of those, as many of each, whatever follows it."""
        starts = self.starts if among is None else self.starts[among]
        return np.lib.stride_tricks.sliding_window_view(self.padded, length)[starts]

    def heads(self, layout: Layout) -> Column:
        """Return the fields of their heads."""
        return self.rows(layout.head.itemsize).view(layout.head)[:, 0]

    def record(self, number: int, layout: Layout) -> Record:
        """Read one of them."""
        return layout.record(self.data, int(self.starts[number]))


def batches(stream: ByteStream, layout: Layout) -> Iterator[Batch]:
    """Give the records of a file from where the stream stands, as many at a time as make a batch.

    Ends, and leaves the stream, before what is not there to its end or what the layout does not know.
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
    """Go from record to record; give where each whole one begins, and where the last of them ends.

    To follow every length is slow. So what looks like a record is looked up first, all at once, and only
    where one of these does not lead to the next is a step taken by itself.
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
