"""A large capture sifted before it is judged: plain connections are counted, all else is judged one by one.

A pair of ends is the least that is judged by itself: what one pair sends says nothing of another one. So a
pair goes one way, with all its segments: it is plain where every connection that it ever had in the capture
is (`rst_or_fin.tcp.plain`). The first reading finds these out, `SiftedReading` then leaves their frames out.

Held are some bytes for each frame, connection and pair, and the columns of half a million segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

import numpy as np

from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.columns import (
    HEADER_LEN,
    RECORD_LEN,
    Block,
    Column,
    Columns,
    Layout,
    blocks,
    columns,
    is_whole,
    layout,
)
from rst_or_fin.capture_file.compression import unpacked
from rst_or_fin.capture_file.damage import CaptureError, Damage, the_end
from rst_or_fin.capture_file.decoding import Decoder
from rst_or_fin.capture_file.reading import Reading, Source
from rst_or_fin.capture_file.records import FileNotes, Record
from rst_or_fin.tcp import plain
from rst_or_fin.tcp.segment import Endpoint

_EPOCH = 500_000  # segments whose columns are held at a time; a connection that goes on beyond is not plain
_CROSSED_NS = 1_000_000_000  # what ended later than this before a file breaks off is in doubt
_ELSEWHERE = np.iinfo(np.uint32).max  # in place of a pair: a frame that is not simple
_PORTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainConnections:
    """The plain connections of a capture: how many, of how many segments, from when to when.

    `last_ns` is when the capture's last segment came, `begun` the frames with which they began, in order.
    """

    total: int
    segments: int
    first_ns: int
    ended_ns: int
    last_ns: int
    begun: Column
    hosts: frozenset[int]

    def begun_before(self, frame_no: int) -> int:
        return int(np.searchsorted(self.begun, frame_no))

    def is_right(self, address: str) -> bool:
        """Whether that host sent a segment with a right checksum on one of them."""
        return ":" not in address and int(IPv4Address(address)) in self.hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """A capture of which the first reading is done."""

    source: Source
    layout: Layout
    plain: PlainConnections
    left_out: Column  # by frame: whether it is of a plain connection
    damage: Damage | None

    def reading(self, payload_kept: int) -> SiftedReading:
        return SiftedReading(self, payload_kept)


class SiftedReading(Reading):
    """The rest of a capture."""

    def __init__(self, sifted: Sifted, payload_kept: int) -> None:
        self._sifted = sifted
        super().__init__([sifted.source], payload_kept=payload_kept)

    def _file(self, source: Source) -> Iterator[Record]:
        notes = FileNotes(comments=self._comments)
        self._notes.append(notes)
        return self._to_its_end(source, self._rest(source, notes), notes)

    def _rest(self, source: Source, notes: FileNotes) -> Iterator[Record]:
        """Give what is left, each record at its own number, as far as was sifted: a file may have grown."""
        how, left_out = self._sifted.layout, self._sifted.left_out
        base = 0
        for block in () if left_out.all() else blocks(_behind_header(source)):
            times, after = block.times_ns(how), 0
            kept = np.flatnonzero(~left_out[base : base + len(block.starts)])
            for number in kept.tolist():
                self._pass(times[after:number])
                after = number + 1
                self.frames = base + number
                yield block.record(number, how)
            base += len(block.starts)
            self._pass(times[after : len(left_out) - base + len(block.starts)])
        self.frames = len(left_out)
        notes.damage = self._sifted.damage

    def _pass(self, times: Column) -> None:
        if len(times) and self.on_left_out is not None:
            self.on_left_out(np.maximum.accumulate(times))


def sift(source: Source) -> Sifted | None:
    """Read a capture for the first time; None where it cannot be sifted, or where that is in vain."""
    try:
        stream = unpacked(ByteStream(source.open()))
    except CaptureError:
        return None
    stream.fill(HEADER_LEN)
    how = layout(stream.data[stream.at : stream.at + HEADER_LEN])
    if how is None:
        return None
    stream.at += HEADER_LEN
    sifting = _Sifting(how)
    for block in blocks(stream):
        if not sifting.add(block):
            return None
    rest = stream.data[stream.at :]
    if len(rest) >= RECORD_LEN and not is_whole(Block(data=rest, starts=np.zeros(1, dtype=np.int64))):
        return None
    damage = the_end(stream.position, stream.available, stream.broken)
    found, left_out = sifting.finish(is_cut=damage is not None)
    if not found.total:
        return None
    return Sifted(source=source, layout=how, plain=found, left_out=left_out, damage=damage)


def _behind_header(source: Source) -> ByteStream:
    stream = unpacked(ByteStream(source.open()))
    stream.fill(HEADER_LEN)
    stream.at += HEADER_LEN
    return stream


class _Pairs:
    """Every pair of ends so far, by number; `general`: it is not, or not only, of plain connections."""

    def __init__(self) -> None:
        self.low = self.high = np.empty(0, dtype=np.uint64)
        self.general = self.good_low = self.good_high = np.empty(0, dtype=bool)
        self._keys = np.empty(0, dtype=np.uint64)  # sorted
        self._numbers = np.empty(0, dtype=np.uint32)

    def numbers(self, keys: Column, low: Column, high: Column) -> Column:
        """Number pairs by their keys, each once and in order. Two pairs of one key are not plain."""
        at = np.searchsorted(self._keys, keys)
        known = np.zeros(len(keys), dtype=bool)
        inside = at < len(self._keys)
        known[inside] = self._keys[at[inside]] == keys[inside]
        found = np.empty(len(keys), dtype=np.uint32)
        found[known] = self._numbers[at[known]]
        fresh = ~known
        found[fresh] = np.arange(len(self.low), len(self.low) + fresh.sum(), dtype=np.uint32)
        self._keys = np.insert(self._keys, at[fresh], keys[fresh])
        self._numbers = np.insert(self._numbers, at[fresh], found[fresh])
        self.low, self.high = np.append(self.low, low[fresh]), np.append(self.high, high[fresh])
        none = np.zeros(fresh.sum(), dtype=bool)
        self.general, self.good_low, self.good_high = (
            np.append(each, none) for each in (self.general, self.good_low, self.good_high)
        )
        self.general[found] |= (self.low[found] != low) | (self.high[found] != high)
        return found

    def exclude(self, ends: Iterable[tuple[Endpoint, Endpoint]]) -> None:
        """Note pairs of which something else is known than simple segments."""
        wanted = sorted({_pair(*each) for each in ends if not any(":" in end.address for end in each)})
        if wanted and len(self._keys):
            low, high = np.array(wanted, dtype=np.uint64).T
            keys = _keys(low, high)
            at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            self.general[self._numbers[at[self._keys[at] == keys]]] = True


class _Sifting:
    """The first reading: what is known of a capture's pairs and connections so far."""

    def __init__(self, how: Layout) -> None:
        self._how = how
        self._decoder = Decoder(0)
        self._pairs = _Pairs()
        self._frames = 0
        self._last_ns = 0
        self._others: set[tuple[Endpoint, Endpoint]] = set()
        self._simple = self._other = 0
        self._held: list[Columns] = []
        self._held_len = 0
        self._noted = 0
        self._pair_of: list[Column] = []  # by frame, as many as are noted
        self._found: list[Column] = []

    def add(self, block: Block) -> bool:
        """Take in the next records; False where they are damaged, or most segments so far are not simple."""
        found = columns(block, self._how)
        if found is None:
            return False
        is_other = np.ones(len(block.starts), dtype=bool)
        is_other[found.frame] = False
        for number in np.flatnonzero(is_other).tolist():
            self._add_other(block.record(number, self._how), self._frames + number + 1)
        self._simple += len(found.frame)
        if len(found.frame):
            self._last_ns = max(self._last_ns, int(found.t_ns.max()))
        found.frame[:] += self._frames
        self._frames += len(block.starts)
        self._held.append(found)
        self._held_len += len(found.frame)
        if self._held_len >= _EPOCH:
            self._settle()
        return self._other <= self._simple

    def _add_other(self, record: Record, frame_no: int) -> None:
        segment = self._decoder.segment(record, frame_no)
        if segment is not None:
            self._other += 1
            self._last_ns = max(self._last_ns, segment.t_ns)
            self._others.add((segment.src, segment.dst))

    def _settle(self) -> None:
        """Sort what is held into pairs and their connections."""
        held, self._held, self._held_len = self._held, [], 0

        def whole(name: str) -> Column:
            found: Column = np.concatenate([getattr(each, name) for each in held])
            return found

        def by_pair(name: str) -> Column:
            return whole(name)[order]

        keys = _keys(whole("low"), whole("high"))
        if not len(keys):
            self._note(whole("frame"), whole("frame"))
            return
        order = np.argsort(keys, kind="stable")
        keys, low, high = keys[order], by_pair("low"), by_pair("high")
        frame, from_low, seq, t_ns, is_good = map(by_pair, ("frame", "from_low", "seq", "t_ns", "is_good"))
        found = plain.find(
            plain.Segments(
                pair=keys,
                from_low=from_low,
                flags=by_pair("flags"),
                seq=seq,
                ack=by_pair("ack"),
                payload_len=by_pair("payload_len"),
                is_bad=by_pair("is_bad"),
            )
        )
        is_first = np.append(True, keys[1:] != keys[:-1])
        first = np.flatnonzero(is_first)
        number = self._pairs.numbers(keys[first], low[first], high[first])
        pair = number[np.cumsum(is_first) - 1]
        pairs = self._pairs
        pairs.general[pair[(pairs.low[pair] != low) | (pairs.high[pair] != high)]] = True
        pairs.general[pair[found.first[~found.is_plain]]] = True
        pairs.good_low[pair[is_good & from_low]] = True
        pairs.good_high[pair[is_good & ~from_low]] = True
        self._note(pair, frame)
        at, count = found.first[found.is_plain], found.count[found.is_plain]
        last = at + count - 1
        self._found.append(
            np.stack(
                (
                    pair[at],
                    seq[at],
                    from_low[at],
                    frame[at] + 1,
                    count,
                    t_ns[at],
                    t_ns[last],
                )
            ).astype(np.int64)
        )

    def _note(self, pair: Column, frame: Column) -> None:
        """Note which pair each frame is of."""
        every = np.full(self._frames - self._noted, _ELSEWHERE, dtype=np.uint32)
        every[frame - self._noted] = pair
        self._noted = self._frames
        self._pair_of.append(every)

    def finish(self, *, is_cut: bool) -> tuple[PlainConnections, Column]:
        """Say which connections are plain, and which frames are theirs."""
        if self._held:
            self._settle()
        pairs = self._pairs
        pairs.exclude(self._others)
        pairs.exclude((error.src, error.dst) for error in self._decoder.icmp_errors)
        found = np.concatenate([np.empty((7, 0), dtype=np.int64), *self._found], axis=1)
        pair, isn, client, _, _, _, ended_ns = found
        if is_cut:
            pairs.general[pair[ended_ns > self._last_ns - _CROSSED_NS]] = True
        pairs.general[_reused(pair, isn, client)] = True
        _, _, _, begun, count, first_ns, ended_ns = found[:, ~pairs.general[pair]]
        every = np.concatenate([np.empty(0, dtype=np.uint32), *self._pair_of])
        return PlainConnections(
            total=len(begun),
            segments=int(count.sum()),
            first_ns=int(first_ns.min(initial=_NEVER)),
            ended_ns=int(ended_ns.max(initial=0)),
            last_ns=self._last_ns,
            begun=np.sort(begun),
            hosts=frozenset(self._hosts().tolist()),
        ), ~np.append(pairs.general, True)[np.minimum(every, len(pairs.general))]

    def _hosts(self) -> Column:
        """The hosts that sent a right checksum on a plain connection."""
        pairs = self._pairs
        plain_ones = ~pairs.general
        ends = np.append(pairs.low[plain_ones & pairs.good_low], pairs.high[plain_ones & pairs.good_high])
        return np.unique(ends >> np.uint64(_PORTS))


_NEVER = np.iinfo(np.int64).max


def _reused(pair: Column, isn: Column, client: Column) -> Column:
    """The pairs whose connections may be taken for one another: by their numbers, or by who opens them."""
    order = np.lexsort((isn, pair))
    pair, isn, client = pair[order], isn[order], client[order]
    same = pair[1:] == pair[:-1]
    found: Column = pair[1:][same & ((isn[1:] == isn[:-1]) | (client[1:] != client[:-1]))]
    return found


def _keys(low: Column, high: Column) -> Column:
    """A number for each pair, all but certainly another one for another pair (Fibonacci hashing)."""
    mixed = (low * np.uint64(0x9E3779B97F4A7C15)) ^ (high * np.uint64(0xC2B2AE3D27D4EB4F))
    found: Column = mixed ^ (mixed >> np.uint64(29))
    return found


def _pair(one: Endpoint, other: Endpoint) -> tuple[int, int]:
    low, high = sorted(int(IPv4Address(end.address)) << _PORTS | end.port for end in (one, other))
    return low, high
