"""Sifts a large capture before it is judged: counts plain connections, leaves the others to the judge.

Segments between one pair of ends say nothing of another pair, so pairs are sifted as wholes: a pair is plain
if every connection that it has in the capture is (`rst_or_fin.tcp.plain`). The first reading finds the plain
pairs, `SiftedReading` then leaves their frames out.

In memory are some bytes for each frame, connection and pair, and the columns of half a million segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np

from rst_or_fin.capture_file.batches import Batch, Column, Layout, batches
from rst_or_fin.capture_file.columns import Columns, are_known, columns, datagrams
from rst_or_fin.capture_file.damage import CaptureError
from rst_or_fin.capture_file.decoding import Decoder
from rst_or_fin.capture_file.hosts import Hosts
from rst_or_fin.capture_file.layouts import opened
from rst_or_fin.capture_file.numbering import Numbering, keys_of
from rst_or_fin.capture_file.reading import CaptureReading, Source
from rst_or_fin.capture_file.records import FileNotes, Record
from rst_or_fin.tcp import plain
from rst_or_fin.tcp.segment import Endpoint

_EPOCH = 500_000  # segments whose columns are held at a time
_LONG = 1_000  # segments of a connection: one that has as many is not plain where it goes on beyond these
_CROSSED_NS = 1_000_000_000  # what ended later than this before a file breaks off is in doubt
_ELSEWHERE = np.iinfo(np.uint32).max  # in place of a pair: a frame that is not simple
_PORTS = 16
_KEPT, _PLAIN, _DATAGRAM = range(3)  # what becomes of a frame: the second reading has the kept ones alone


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainConnections:
    """The plain connections of a capture: their number, segments and times in nanoseconds since the epoch.

    `last_ns` is when the capture's last segment came, `begun` the frames with which they began, in order.
    """

    total: int
    segments: int
    first_ns: int
    ended_ns: int
    last_ns: int
    begun: Column
    hosts: Hosts
    right: Column  # the hosts that sent a right checksum, as numbers, as often as they come

    def begun_before(self, frame_no: int) -> int:
        """Count the connections that began before that frame."""
        return int(np.searchsorted(self.begun, frame_no))

    def is_right(self, address: str) -> bool:
        """Return whether that host sent a segment with a right checksum on one of them."""
        number = self.hosts.number(address)
        return number is not None and bool((self.right == number).any())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """What the first reading of a capture found."""

    source: Source
    plain: PlainConnections
    fates: Column  # by frame
    notes: FileNotes  # what the file says besides its frames

    def reading(self, payload_kept: int) -> SiftedReading:
        """Return the second reading, without plain connections; keep `payload_kept` bytes of each payload."""
        return SiftedReading(self, payload_kept)


class SiftedReading(CaptureReading):
    """Reads a capture without the frames of its plain connections."""

    def __init__(self, sifted: Sifted, payload_kept: int) -> None:
        self._sifted = sifted
        super().__init__([sifted.source], payload_kept=payload_kept)

    def _file(self, source: Source) -> Iterator[Record]:
        notes = FileNotes(comments=self._comments)
        self._notes.append(notes)
        return self._to_its_end(source, self._rest(source, notes), notes)

    def _rest(self, source: Source, notes: FileNotes) -> Iterator[Record]:
        """Yield the remaining records with their original frame numbers.

        Stops where the first reading ended: the file may have grown.
        """
        fates, known = self._sifted.fates, self._sifted.notes
        if fates.all():
            notes.dropped = known.dropped
            notes.comments.add(comment.text for comment in known.comments.kept)
        else:
            yield from self._kept(source, notes)
            self._decoder.pass_over_datagrams(int((fates == _DATAGRAM).sum()))
        self.frames = len(fates)
        notes.damage = known.damage

    def _kept(self, source: Source, notes: FileNotes) -> Iterator[Record]:
        found = opened(source.open(), notes)
        if found is None:  # it is another file by now
            return
        fates, (stream, layout) = self._sifted.fates, found
        base = 0
        for batch in batches(stream, layout):
            of_batch = fates[base : base + len(batch.starts)]
            plain_ones, kept = np.flatnonzero(of_batch == _PLAIN), np.flatnonzero(of_batch == _KEPT)
            times, after = layout.times_ns(batch.heads(layout))[plain_ones], 0
            for number, before in zip(kept.tolist(), np.searchsorted(plain_ones, kept).tolist(), strict=True):
                self._pass(times[after:before])
                after = before
                self.frames = base + number
                yield batch.record(number, layout)
            self._pass(times[after:])
            base += len(batch.starts)
        next(layout.rest(), None)  # no record, but what the file says at its end

    def _pass(self, times: Column) -> None:
        if len(times) and self.on_left_out is not None:
            self.on_left_out(np.maximum.accumulate(times))


def sift(source: Source) -> Sifted | None:
    """Read a capture for the first time; None if it cannot be sifted or has no plain connection."""
    notes = FileNotes()
    try:
        begun = opened(source.open(), notes)
    except CaptureError:
        return None
    if begun is None:
        return None
    stream, layout = begun
    if not are_known(layout.link_type):
        return None
    sifting = _Sifting(layout)
    if not all(sifting.add(batch) for batch in batches(stream, layout)):
        return None
    if next(layout.rest(), None) is not None or notes.dropped:  # of drops every verdict speaks
        return None
    found, fates = sifting.finish(is_cut=notes.damage is not None)
    if not found.total:
        return None
    return Sifted(source=source, plain=found, fates=fates, notes=notes)


class _Pairs:
    """Every pair of ends so far, by number; `general`: it has connections that are not plain."""

    def __init__(self) -> None:
        self.ends = Numbering()
        self.general = self.good_low = self.good_high = np.empty(0, dtype=bool)

    def numbers(self, keys: Column, low: Column, high: Column) -> Column:
        """Return the numbers of pairs. `keys` must be sorted; pairs that share a key are not plain."""
        found = self.ends.numbers(keys, low, high)
        none = np.zeros(len(self.ends) - len(self.general), dtype=bool)
        self.general, self.good_low, self.good_high = (
            np.append(each, none) for each in (self.general, self.good_low, self.good_high)
        )
        self.exclude_others(found, low, high)
        return found

    def exclude_others(self, numbers: Column, low: Column, high: Column) -> None:
        """Mark the numbers that belong to another pair than this one as general."""
        is_other = (self.ends.one[numbers] != low) | (self.ends.other[numbers] != high)
        self.general[numbers[is_other]] = True

    def exclude(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Mark pairs that have other frames than simple segments as general."""
        wanted = sorted(set(pairs))
        if wanted:
            self.general[self.ends.known(keys_of(*np.array(wanted, dtype=np.uint64).T))] = True


class _Sifting:
    """Collects a capture's pairs and connections during the first reading."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._decoder = Decoder(0)
        self._hosts = Hosts()
        self._pairs = _Pairs()
        self._frames = 0
        self._last_ns = 0
        self._others: set[tuple[Endpoint, Endpoint]] = set()
        self._simple = self._other = 0
        # By frame. The first is kept: where it comes says where datagrams stand in what is passed over
        self._datagrams: list[Column] = [np.empty(0, dtype=np.uint32)]
        self._held: list[Columns] = []
        self._held_len = 0
        self._noted = 0
        self._pair_of: list[Column] = [np.empty(0, dtype=np.uint32)]  # by frame, as many as are noted
        self._found: list[tuple[Column, ...]] = [_NO_CONNECTION]

    def add(self, batch: Batch) -> bool:
        """Take in the next records; False if they are damaged, or most segments so far are not simple."""
        layout = self._layout
        if not layout.are_sound(batch.heads(layout)):
            return False
        is_other = np.ones(len(batch.starts), dtype=bool)
        for found in columns(batch, layout, self._hosts):
            is_other[found.frame] = False
            if len(found.frame):
                self._last_ns = max(self._last_ns, int(found.t_ns.max()))
            found.frame[:] += self._frames
            self._held.append(found)
            self._held_len += len(found.frame)
            self._simple += len(found.frame)
        mere = datagrams(batch, layout, np.flatnonzero(is_other))
        self._datagrams.append((mere + self._frames).astype(np.uint32))
        is_other[mere] = False
        for number in np.flatnonzero(is_other).tolist():
            self._add_other(batch.record(number, layout), self._frames + number + 1)
        self._frames += len(batch.starts)
        if self._held_len >= _EPOCH:
            self._settle()
        return self._other <= self._simple and not self._hosts.has_collision

    def _add_other(self, record: Record, frame_no: int) -> None:
        segment = self._decoder.segment(record, frame_no)
        if segment is not None:
            self._other += 1
            self._last_ns = max(self._last_ns, segment.t_ns)
            self._others.add((segment.src, segment.dst))

    def _settle(self, *, is_end: bool = False) -> None:
        """Sort the held segments into pairs and connections; keep those of open connections."""
        names = [field.name for field in fields(Columns)]
        held = {name: np.concatenate([getattr(each, name) for each in self._held]) for name in names}
        self._held, self._held_len = [], 0
        keys = keys_of(held["low"], held["high"])
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        for name in names:
            held[name] = held[name][order]
        every = Columns(**held)
        if not len(keys):
            self._note(every.frame, every.frame)
            return
        found = plain.find(
            plain.Segments(
                pair=keys,
                from_low=every.from_low,
                flags=every.flags,
                seq=every.seq,
                ack=every.ack,
                payload_len=every.payload_len,
                is_bad=every.is_bad,
            )
        )
        is_first = np.append(True, keys[1:] != keys[:-1])
        pairs, first = self._pairs, np.flatnonzero(is_first)
        number = pairs.numbers(keys[first], every.low[first], every.high[first])
        pair = number[np.cumsum(is_first) - 1]
        pairs.exclude_others(pair, every.low, every.high)
        is_kept = np.zeros_like(found.is_open) if is_end else self._held_on(found, pair[found.first])
        pairs.general[pair[found.first[~(found.is_plain | is_kept)]]] = True
        pairs.good_low[pair[every.is_good & every.from_low]] = True
        pairs.good_high[pair[every.is_good & ~every.from_low]] = True
        self._note(pair, every.frame)
        at, count = found.first[found.is_plain], found.count[found.is_plain]
        self._found.append(
            (
                pair[at],
                every.seq[at],
                every.from_low[at],
                (every.frame[at] + 1).astype(np.uint32),
                count,
                every.t_ns[at],
                every.t_ns[at + count - 1],
            )
        )
        of_kept = np.repeat(is_kept, found.count)
        self._held_len = int(of_kept.sum())
        if self._held_len:
            self._held = [Columns(**{name: held[name][of_kept] for name in names})]

    def _held_on(self, found: plain.Found, pair: Column) -> Column:
        """Return which connections wait for more segments: the last of a pair, if it is not long."""
        is_last = np.append(pair[1:] != pair[:-1], True)
        waits = found.is_open & is_last & ~self._pairs.general[pair] & (found.count <= _LONG)
        kept: Column = waits & (np.cumsum(found.count * waits) <= _EPOCH // 2)
        return kept

    def _note(self, pair: Column, frame: Column) -> None:
        """Record which pair each frame belongs to."""
        every = np.full(self._frames - self._noted, _ELSEWHERE, dtype=np.uint32)
        is_new = frame >= self._noted
        every[frame[is_new] - self._noted] = pair[is_new]
        self._noted = self._frames
        self._pair_of.append(every)

    def finish(self, *, is_cut: bool) -> tuple[PlainConnections, Column]:
        """Return the plain connections, and the fate of each frame."""
        if self._held:
            self._settle(is_end=True)
        pairs = self._pairs
        errors = ((error.src, error.dst) for error in self._decoder.icmp_errors)
        pairs.exclude(filter(None, (self._pair(*each) for each in (*self._others, *errors))))
        pair, isn, client, begun, count, first_ns, ended_ns = map(
            np.concatenate, zip(*self._found, strict=True)
        )
        self._found.clear()
        if is_cut:
            pairs.general[pair[ended_ns > self._last_ns - _CROSSED_NS]] = True
        pairs.general[_reused(pair, isn, client)] = True
        is_plain = ~pairs.general[pair]
        found = PlainConnections(
            total=int(is_plain.sum()),
            segments=int(count.sum(where=is_plain, dtype=np.int64)),
            first_ns=int(first_ns.min(initial=_NEVER, where=is_plain)),
            ended_ns=int(ended_ns.max(initial=0, where=is_plain)),
            last_ns=self._last_ns,
            begun=np.sort(begun[is_plain]),
            hosts=self._hosts,
            right=self._right(),
        )
        of_pair = np.where(np.append(pairs.general, True), np.uint8(_KEPT), np.uint8(_PLAIN))
        fates = np.concatenate([of_pair[np.minimum(each, len(pairs.general))] for each in self._pair_of])
        fates[np.concatenate(self._datagrams)[1:]] = _DATAGRAM  # but the first (see `_datagrams`)
        return found, fates

    def _right(self) -> Column:
        """Return the hosts that sent a right checksum on a plain connection."""
        pairs = self._pairs
        low, high = (~pairs.general & good for good in (pairs.good_low, pairs.good_high))
        found: Column = np.append(pairs.ends.one[low], pairs.ends.other[high]) >> np.uint64(_PORTS)
        return found

    def _pair(self, *ends: Endpoint) -> tuple[int, int] | None:
        """Return both ends as numbers, the smaller first; None if one never came in a simple frame."""
        hosts = [self._hosts.number(end.address) for end in ends]
        if None in hosts:
            return None
        low, high = sorted((host or 0) << _PORTS | end.port for host, end in zip(hosts, ends, strict=True))
        return low, high


_NO_CONNECTION = tuple(np.empty(0, dtype=kind) for kind in ("u4", "u4", "?", "u4", "i4", "i8", "i8"))
_NEVER = np.iinfo(np.int64).max


def _reused(pair: Column, isn: Column, client: Column) -> Column:
    """Return the pairs whose connections may be confused: by their numbers, or by who opens them."""
    order = np.lexsort((isn, pair))
    pair, isn, client = pair[order], isn[order], client[order]
    same = pair[1:] == pair[:-1]
    found: Column = pair[1:][same & ((isn[1:] == isn[:-1]) | (client[1:] != client[:-1]))]
    return found
