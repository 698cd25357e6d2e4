"""What a connection's segments meant to the TCPs that received them: which of them count, and which do not.

One pass in the order of the capture, linear in the segments. Knows RFC 9293 and RFC 5961; no files, no
expectations, and nothing but the wire: why an end closed is the judge's business.

A RST counts where the receiver's TCP would have taken it (RFC 9293 section 3.10.7, RFC 5961 section 3), and
where the end that it names fell silent afterwards. Every other one is remembered as an `Ignored`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.tcp import Checksum, Endpoint, Segment, distance

_UNKNOWN_SCALE = 14  # the largest window scale (RFC 7323 section 2.3): an unseen SYN may have offered it
_WINDOW_SCALE = 3
_ID_SPACE = 1 << 16
_NEXT_IDS = 64  # how far apart two IP IDs of one socket may be and still be called consecutive
_FAR_ID = 1024
_SLACK_LEN = 1 << 20  # beyond a window: no connection's own segment is further off, however it was captured
_TTLS_MAX = 8  # kept of one end: a host has one, or a few where its packets take several ways


class Why(StrEnum):
    """Why a segment decides nothing."""

    CORRUPT = "its checksum is wrong, so nobody received it"
    OUT_OF_WINDOW = "it is outside the receiver's window"
    ACKS_NO_SYN = "it does not acknowledge the SYN"
    AFTER_THE_END = "it came after the connection's end"
    WENT_ON = "the end that it names went on afterwards"
    FOREIGN = "the end that it names never sends with that TTL or IP ID, and went on"
    STRAY_SYN = "it opens nothing inside a live connection"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A segment, by its index, that decides nothing."""

    index: int
    why: Why


@dataclass(slots=True)
class _Reset:
    """A RST that may count, and how far the connection had come when it was captured."""

    index: int
    seq: int
    has_ack: bool
    refuses: bool  # it answers a SYN
    ttl: int | None
    ip_id: int | None
    sent_to: int  # by the end that it names
    peer_sent_to: int | None
    contested: bool = False  # its end may have gone on, or the capture may have swapped segments


class End:
    """One end of the connection as a sender. Sequence numbers are unwrapped: they grow beyond 32 bits."""

    def __init__(self) -> None:
        self.syn: int | None = None  # index of its SYN
        self.isn: int | None = None
        self.fin: int | None = None  # index of its FIN
        self.fin_end: int | None = None
        self.only_syn = False  # it has sent nothing but a SYN without ACK
        self.start: int | None = None  # the first number known
        self.sent_to: int | None = None  # the number after the last that it sent
        self.whole_to = 0  # every number from `start` to here was captured
        self.acked_to: int | None = None  # by its peer
        self.acks_to: int | None = None  # what it has acknowledged, in its peer's numbers
        self.edge: int | None = None  # of the window that its peer offered it
        self.scale: int | None = None
        self.others = 0  # segments that are no RST
        self.last_other = -1
        self.doubted: int | None = None  # index of a segment that acknowledged more than was captured
        self.leap: tuple[int, Segment] | None = None  # its last segment that was too far off to be believed
        self.fin_again = False  # it sent its FIN again although that had been acknowledged
        self._pieces: list[tuple[int, int]] = []  # a heap: captured beyond `whole_to`
        self.ttls: set[int] = set()
        self._last_id: int | None = None
        self._ids_zero = self._ids_consecutive = True
        self.resets: dict[int | None, _Reset] = {}  # the first that may count, by TTL
        self.beyond: dict[int, _Reset] = {}  # in the window, past all that this end was seen to send

    def unwrap(self, number: int) -> int:
        """Return the number in unwrapped space: the one nearest to the last known."""
        near = self.sent_to if self.sent_to is not None else self.start
        return number if near is None else near + distance(number, near & 0xFFFFFFFF)

    def begins(self, number: int) -> None:
        """Note the first number that is known of this end."""
        if self.start is None:
            self.start = self.whole_to = number

    def covers(self, first: int, end: int) -> None:
        """Note that these numbers were captured."""
        self.sent_to = end if self.sent_to is None else max(self.sent_to, end)
        if first > self.whole_to:
            heapq.heappush(self._pieces, (first, end))
            return
        self.whole_to = max(self.whole_to, end)
        while self._pieces and self._pieces[0][0] <= self.whole_to:
            self.whole_to = max(self.whole_to, heapq.heappop(self._pieces)[1])
        if self.acked_to is not None and self.acked_to <= self.whole_to:
            self.doubted = None

    def acknowledged(self, index: int, number: int) -> None:
        """Note that its peer has everything before this number.

        Where its SYN was not captured, what it sent before the capture began is no hole.
        """
        self.acked_to = number if self.acked_to is None else max(self.acked_to, number)
        self.begins(number)
        if number <= self.whole_to:
            return
        if self.syn is None and not self._pieces:
            self.whole_to = number
        elif self.doubted is None:
            self.doubted = index

    def is_plausible(self, number: int) -> bool:
        """Whether a number can belong to this connection at all."""
        if self.isn is not None and number < self.isn:
            return False
        known = [limit for limit in (self.edge, self.sent_to) if limit is not None]
        return not known or number <= max(known) + _SLACK_LEN

    def carries(self, segment: Segment) -> None:
        """Note what is told of the sender by the IP header of a segment that is no RST."""
        if segment.ttl is not None and len(self.ttls) < _TTLS_MAX:
            self.ttls.add(segment.ttl)
        number = segment.ip_id
        if number is None:
            return
        self._ids_zero = self._ids_zero and number == 0
        if number and self._last_id is not None:
            self._ids_consecutive &= _apart(number, self._last_id) <= _NEXT_IDS
        self._last_id = number or self._last_id

    def may_count(self, reset: _Reset) -> None:
        """Keep a RST that the other end's TCP would have taken."""
        if len(self.resets) < _TTLS_MAX or reset.ttl in self.ttls:
            self.resets.setdefault(reset.ttl, reset)

    def has_ttl_of(self, reset: _Reset) -> bool:
        return reset.ttl is None or not self.ttls or reset.ttl in self.ttls

    def has_id_of(self, reset: _Reset) -> bool:
        """False where this end's IP IDs are all zero, or consecutive, and this one is far from them.

        A RST of a socket that is gone has 0 whatever the others have (ip_select_ident_segs, Linux 6.12).
        """
        if not reset.ip_id or self.others < 3:
            return True
        if self._ids_zero:
            return False
        if self._last_id is None or not self._ids_consecutive:
            return True
        return _apart(reset.ip_id, self._last_id) < _FAR_ID

    def is_own(self, reset: _Reset) -> bool:
        return self.has_ttl_of(reset) and self.has_id_of(reset)

    def reset(self) -> _Reset | None:
        """The RST with which this end ended, if it did."""
        found = [reset for reset in self.resets.values() if self.is_own(reset)]
        late = self.beyond.get(self.sent_to) if self.sent_to is not None else None
        if late is not None and self.is_own(late):
            found.append(late)  # the capture shows its last data after it
        return min(found, key=lambda reset: reset.index, default=None)


class Reading:
    """The segments of one connection, read one by one. `first` is the end that sent the first of them."""

    def __init__(self, first: Endpoint) -> None:
        self._first = first
        self._ends = (End(), End())
        self._count = 0
        self._unheard: dict[int, Why] = {}
        self._unsure: list[int] = []

    def end(self, endpoint: Endpoint) -> End:
        return self._ends[0 if endpoint == self._first else 1]

    def add(self, segment: Segment) -> None:
        """Read the next segment."""
        index = self._count
        self._count += 1
        own, peer = self._ends if segment.src == self._first else self._ends[::-1]
        if segment.checksum is Checksum.BAD:
            self._ignore(index, Why.CORRUPT)
        elif segment.rst:
            self._rst(index, segment, own, peer)
        elif segment.syn and not self.joins(segment):
            self._ignore(index, Why.STRAY_SYN)
        else:
            self._plain(index, segment, own, peer)

    @property
    def opened(self) -> bool:
        """The opening was captured: SYN and SYN ACK, or a SYN and the RST that refused it."""
        one, other = self._ends
        if one.syn is not None and other.syn is not None:
            return True
        return any(reset.refuses for end in self._ends if (reset := end.reset()) is not None)

    @property
    def unanswered(self) -> bool:
        """Nothing but SYNs of one end was captured, as far as it counts."""
        return any(
            end.only_syn and other.syn is None and not other.others and other.reset() is None
            for end, other in (self._ends, self._ends[::-1])
        )

    @property
    def closed_by_fins(self) -> bool:
        """Both ends sent a FIN, and each was acknowledged."""
        return all(
            end.fin_end is not None and end.acked_to is not None and end.acked_to >= end.fin_end
            for end in self._ends
        )

    @property
    def both_fins(self) -> bool:
        return all(end.fin is not None for end in self._ends)

    @property
    def is_reset(self) -> bool:
        return any(end.reset() is not None for end in self._ends)

    @property
    def over(self) -> bool:
        """A RST that counts was seen, or both FINs and the ACKs of both."""
        return self.is_reset or self.closed_by_fins

    def ignored(self) -> list[Ignored]:
        """Every segment that decides nothing although it looks as if it might, in order."""
        found = [Ignored(index, why) for index, why in self._unheard.items()]
        for end in self._ends:
            for reset in (*end.resets.values(), *end.beyond.values()):
                if end.last_other <= reset.index or reset is end.reset():
                    continue
                if not end.is_own(reset):
                    found.append(Ignored(reset.index, Why.FOREIGN))
                elif reset.seq in end.beyond and end.beyond[reset.seq] is reset:
                    found.append(Ignored(reset.index, Why.OUT_OF_WINDOW))
        return sorted(found, key=lambda ignored: ignored.index)

    def foreign(self) -> list[tuple[int, bool]]:
        """RSTs that their end probably did not send, with nothing of that end after them to prove it.

        As (index, whether the TTL tells; else the IP ID does).
        """
        return sorted(
            (reset.index, not end.has_ttl_of(reset))
            for end in self._ends
            for reset in (*end.resets.values(), *end.beyond.values())
            if end.last_other < reset.index and not end.is_own(reset)
        )

    def contested(self) -> list[int]:
        """Indices of RSTs that count although their end may have gone on afterwards."""
        found = (end.reset() for end in self._ends)
        return [reset.index for reset in found if reset is not None and reset.contested]

    def beyond(self) -> list[tuple[int, int]]:
        """RSTs past everything that was captured from their end, which then fell silent: (index, bytes)."""
        if self.over:
            return []
        return sorted(
            (reset.index, seq - reset.sent_to)
            for end in self._ends
            for seq, reset in end.beyond.items()
            if end.last_other < reset.index and end.is_own(reset)
        )

    def hole(self) -> int | None:
        """The index of a segment that acknowledges what was never captured; None: there is no hole."""
        return min((end.doubted for end in self._ends if end.doubted is not None), default=None)

    def unsure(self) -> list[int]:
        """Indices of RSTs that answer a FIN sent again after its ACK: had that arrived?"""
        return list(self._unsure)

    def joins(self, segment: Segment) -> bool:
        """Whether a SYN belongs here: a copy of the one that opened the connection, or the one that did.

        Captures do show a SYN after its answer: its number is then right before what was acknowledged.
        """
        own, peer = self.end(segment.src), self.end(segment.dst)
        if own.isn is not None:
            return distance(segment.seq, own.isn & 0xFFFFFFFF) == 0
        if segment.has_ack and peer.isn is not None:
            return 0 < peer.unwrap(segment.ack) - peer.isn <= (peer.sent_to or 0) - peer.isn
        if own.start is None:
            return True
        return 0 <= distance(own.start & 0xFFFFFFFF, segment.seq) <= 1 + segment.payload_len

    # One segment after another

    def _ignore(self, index: int, why: Why) -> None:
        self._unheard[index] = why

    @staticmethod
    def _syn(index: int, segment: Segment, own: End) -> None:
        if own.syn is not None:
            return
        own.syn, own.isn = index, own.unwrap(segment.seq)
        own.start, own.whole_to = own.isn, max(own.isn, own.whole_to)
        own.only_syn = not segment.has_ack and not own.others
        own.scale = _window_scale(segment.options)

    def _plain(self, index: int, segment: Segment, own: End, peer: End) -> None:
        first = own.unwrap(segment.seq)
        end = first + segment.payload_len + segment.syn + segment.fin
        acked = peer.unwrap(segment.ack) if segment.has_ack else None
        if not own.is_plausible(first) or (acked is not None and not self._is_heard(acked, peer, own)):
            own.leap = (index, segment)
            self._ignore(index, Why.OUT_OF_WINDOW)
            return
        if segment.syn:
            self._syn(index, segment, own)
        own.begins(first)
        if not own.others and own.syn is None:
            own.whole_to = max(own.whole_to, first)
        own.fin_again |= segment.fin and self.closed_by_fins
        own.covers(first, end)
        own.carries(segment)
        own.others += 1
        own.last_other = index
        own.only_syn = own.only_syn and segment.syn
        if segment.fin and own.fin is None and (own.acked_to is None or end >= own.acked_to):
            own.fin, own.fin_end = index, end
        if acked is not None:
            self._acknowledge(index, acked, segment, own, peer)
        self._goes_on(segment, own, end, acked)

    def _is_heard(self, acked: int, peer: End, own: End) -> bool:
        """Whether the peer's numbers have come as far as is acknowledged.

        Much of a capture may be missing: a segment that seemed to be no part of the connection is one where
        the other end acknowledges it.
        """
        if peer.is_plausible(acked):
            return True
        if peer.leap is None or acked < (peer.isn or 0):
            return False
        index, segment = peer.leap
        first = peer.unwrap(segment.seq)
        if not 0 <= acked - first <= _SLACK_LEN:
            return False
        peer.leap, peer.edge = None, first
        del self._unheard[index]
        self._plain(index, segment, peer, own)
        return True

    @staticmethod
    def _acknowledge(index: int, acked: int, segment: Segment, own: End, peer: End) -> None:
        """Note what a segment says of the other direction."""
        if not segment.rst:
            own.acks_to = acked if own.acks_to is None else max(own.acks_to, acked)
        peer.acknowledged(index, acked)
        edge = acked + (segment.window << _shift(segment, own, peer))
        peer.edge = edge if peer.edge is None else max(peer.edge, edge)

    def _goes_on(self, segment: Segment, own: End, end: int, acked: int | None) -> None:
        """An end that sends something new after its RST did not send that RST."""
        for ttl, reset in list(own.resets.items()):
            new = end > max(reset.seq, reset.sent_to)
            heard = acked is not None and reset.peer_sent_to is not None and acked > reset.peer_sent_to
            if heard or (new and reset.has_ack) or (reset.refuses and segment.syn):
                del own.resets[ttl]
                self._ignore(reset.index, Why.WENT_ON)
            elif new:
                reset.contested = True  # sent before the RST and captured after it, or not

    def _rst(self, index: int, segment: Segment, own: End, peer: End) -> None:
        if peer.only_syn and own.syn is None:
            self._refusal(index, segment, own, peer)
            return
        if self.closed_by_fins or (peer.reset() is not None and not segment.has_ack):
            self._ignore(index, Why.AFTER_THE_END)
            if peer.fin_again:
                self._unsure.append(index)
            return
        seq = own.unwrap(segment.seq)
        low, high = _acceptable(own, seq)
        if low <= seq <= high:
            own.may_count(_candidate(index, segment, seq, own, peer, refuses=False))
            if segment.has_ack and peer.is_plausible(acked := peer.unwrap(segment.ack)):
                self._acknowledge(index, acked, segment, own, peer)
        elif seq > high and (own.edge is None or seq <= own.edge):
            own.beyond.setdefault(seq, _candidate(index, segment, seq, own, peer, refuses=False))
        else:
            self._ignore(index, Why.OUT_OF_WINDOW)

    def _refusal(self, index: int, segment: Segment, own: End, peer: End) -> None:
        """In SYN-SENT a RST counts only if it acknowledges the SYN (RFC 9293 section 3.10.7.3)."""
        acked = peer.unwrap(segment.ack) if segment.has_ack else None
        if acked is None or peer.isn is None or not peer.isn < acked <= (peer.sent_to or 0):
            self._ignore(index, Why.ACKS_NO_SYN)
            return
        seq = segment.seq if own.start is None else own.unwrap(segment.seq)
        own.may_count(_candidate(index, segment, seq, own, peer, refuses=True))


def read(segments: Iterable[Segment]) -> Reading:
    """Read a whole connection: its own segments (at least one), in the order they were captured."""
    reading: Reading | None = None
    for segment in segments:
        reading = reading or Reading(segment.src)
        reading.add(segment)
    assert reading is not None
    return reading


def _apart(one: int, other: int) -> int:
    """How far apart two IP IDs are, whichever came first: networks reorder, and repeat."""
    ahead = (one - other) % _ID_SPACE
    return min(ahead, _ID_SPACE - ahead)


def _candidate(index: int, segment: Segment, seq: int, own: End, peer: End, *, refuses: bool) -> _Reset:
    return _Reset(
        index=index,
        seq=seq,
        has_ack=segment.has_ack,
        refuses=refuses,
        ttl=segment.ttl,
        ip_id=segment.ip_id,
        sent_to=seq if own.sent_to is None else own.sent_to,
        peer_sent_to=peer.sent_to,
    )


def _acceptable(own: End, seq: int) -> tuple[int, int]:
    """The lowest and the highest number of a RST that the other end may take, as far as was captured.

    What it acknowledged is behind its window; what this end has sent it may have received, or not. A FIN's
    own number will do once the FIN was received (tcp_reset_check, Linux 6.12).
    """
    low = own.acked_to if own.acked_to is not None else own.start
    if low is None:
        return seq, seq
    high = low if own.sent_to is None else max(low, own.sent_to)
    return (low - 1 if own.fin_end == low else low), high


def _shift(segment: Segment, own: End, peer: End) -> int:
    """By how many bits the segment's window is to be shifted (RFC 7323 section 2.2): never on a SYN."""
    if segment.syn:
        return 0
    if own.syn is None or peer.syn is None:
        return _UNKNOWN_SCALE
    return own.scale if own.scale is not None and peer.scale is not None else 0


def _window_scale(options: bytes) -> int | None:
    """The window scale option of a SYN, at most 14; None where it has none."""
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2:
            return None
        if options[at] == _WINDOW_SCALE and length == 3 and at + 2 < len(options):
            return min(options[at + 2], _UNKNOWN_SCALE)
        at += length
    return None
