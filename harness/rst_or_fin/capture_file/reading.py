"""Reads a capture's TCP segments lazily, and what else it says by its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from typing import Literal, Protocol, SupportsInt, TypeAlias

from rst_or_fin.capture_file import formats
from rst_or_fin.capture_file.damage import CaptureError
from rst_or_fin.capture_file.decoding import LARGEST_PAYLOAD, Decoder
from rst_or_fin.capture_file.icmp_errors import IcmpError
from rst_or_fin.capture_file.records import Comment, Comments, FileNotes, Record
from rst_or_fin.tcp.segment import Segment

# A file's next record: when, which file, the record itself, the later ones
_Head: TypeAlias = tuple[int, int, Record, Iterator[Record]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One capture file: what to call it, and its bytes in chunks, from the first one on at every call."""

    name: str
    open: Callable[[], Iterable[bytes]]


class Times(Protocol):
    """Points in time in ascending order, in nanoseconds (a column of numpy's)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> int: ...
    def searchsorted(self, value: int, /, side: Literal["right"]) -> SupportsInt:
        """Return how many of the times are not later than `value`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Where a file could not be read on: why, and after which frame. What came later is not known."""

    why: str
    after_frame: int


class CaptureReading:
    """The TCP segments of one capture, or of several in the order of time; iterate over it once.

    Frames are numbered from 1 on as Wireshark does, across all files. The attributes are complete only after
    the last segment. `payload_kept` bytes of each payload are kept.

    A reading may leave out segments that are known already. `on_left_out` then gets their times, in order,
    before the next segment is yielded, for whoever waits for time to pass.

    Raises CaptureError, at once, if a file is no capture.
    """

    on_left_out: Callable[[Times], None] | None = None

    def __init__(self, sources: Sequence[Source], *, payload_kept: int = LARGEST_PAYLOAD) -> None:
        self.frames = 0
        self._several = len(sources) > 1
        self._decoder = Decoder(payload_kept)
        self._comments = Comments()
        self._notes: list[FileNotes] = []
        self._breaks: list[Break] = []
        self._records = self._read(sources)
        self._segments = self._decoded(self._records)

    def __iter__(self) -> Iterator[Segment]:
        return self._segments

    def records(self) -> Iterator[tuple[int, Record]]:
        """Yield the records themselves with their numbers, instead of the segments in them."""
        yield from enumerate(self._records, start=1)

    @property
    def breaks(self) -> tuple[Break, ...]:
        """Where files could not be read to their end."""
        return tuple(self._breaks)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the capture may not hold all that there was, one for each file that breaks off."""
        return tuple(found.why for found in self._breaks)

    @property
    def dropped(self) -> int | None:
        """How many frames the capture missed; None if no file says."""
        known = [notes.dropped for notes in self._notes if notes.dropped is not None]
        return sum(known) if known else None

    @property
    def passed_over(self) -> Counter[str]:
        """How many frames held no TCP segment, by what they were instead."""
        return self._decoder.passed_over

    @property
    def icmp_errors(self) -> Sequence[IcmpError]:
        """ICMP errors that quote a TCP segment, as far as the capture was read; the first ten thousand."""
        return self._decoder.icmp_errors

    @property
    def comments(self) -> tuple[Comment, ...]:
        """The comments in a pcapng file."""
        return tuple(self._comments.kept)

    def _decoded(self, records: Iterator[Record]) -> Iterator[Segment]:
        decode = self._decoder.segment
        for record in records:
            self.frames += 1
            if record.comments:
                self._comments.add(record.comments, self.frames)
            segment = decode(record, self.frames)
            if segment is not None:
                yield segment

    def _read(self, sources: Sequence[Source]) -> Iterator[Record]:
        """Yield every record: of one file as it comes, of several in the order of time."""
        if len(sources) == 1:
            return self._file(sources[0])
        begins = ((_begin_ns(source), number) for number, source in enumerate(sources))
        return self._merged([(t_ns, number, sources[number]) for t_ns, number in sorted(begins)])

    def _file(self, source: Source) -> Iterator[Record]:
        notes = FileNotes(comments=self._comments)
        records = _opened(source, notes)
        self._notes.append(notes)
        return self._to_its_end(source, records, notes)

    def _to_its_end(self, source: Source, records: Iterator[Record], notes: FileNotes) -> Iterator[Record]:
        yield from records
        if notes.damage is not None:
            name = f"{source.name}: " if self._several else ""
            self._breaks.append(Break(why=f"{name}{notes.damage}", after_frame=self.frames))

    def _merged(self, sources: Iterable[tuple[float, int, Source]]) -> Iterator[Record]:
        """Yield always the earliest record; a file is not opened before its first record is due."""
        heads: list[_Head] = []
        for begin_ns, number, source in sources:
            yield from _up_to(begin_ns, heads)
            _put(heads, number, self._file(source))
        yield from _up_to(inf, heads)


def read(chunks: Iterable[bytes], *, payload_kept: int = LARGEST_PAYLOAD) -> CaptureReading:
    """Read one capture whose bytes come in `chunks`. Raises CaptureError, at once, if it is not one."""
    return CaptureReading([Source(name="", open=lambda: chunks)], payload_kept=payload_kept)


def _opened(source: Source, notes: FileNotes) -> Iterator[Record]:
    try:
        return formats.records(source.open(), notes)
    except CaptureError as error:
        name = f"{source.name}: " if source.name else ""
        raise CaptureError(f"{name}{error}", error.hint) from error


def _begin_ns(source: Source) -> float:
    """Return when a file's first frame came; one without frames comes last."""
    record = next(_opened(source, FileNotes()), None)
    return inf if record is None else record.t_ns


def _up_to(until_ns: float, heads: list[_Head]) -> Iterator[Record]:
    """Yield the records before a point in time."""
    while heads and heads[0][0] < until_ns:
        _, number, record, records = heappop(heads)
        yield record
        _put(heads, number, records)


def _put(heads: list[_Head], number: int, records: Iterator[Record]) -> None:
    """Put a file in the queue by its next record; the number decides between two of the same time."""
    record = next(records, None)
    if record is not None:
        heappush(heads, (record.t_ns, number, record, records))
