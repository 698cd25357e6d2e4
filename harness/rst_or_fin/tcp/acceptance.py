"""Decides which segments of a connection the receiving TCPs accepted (RFC 9293, RFC 5961).

One pass in the order of the capture, linear in the segments. Knows no files, no expectations, and nothing but
the wire: why an end closed is for the judge to decide.

A RST counts if the receiver's TCP would have accepted it (RFC 9293 section 3.10.7, RFC 5961 section 3) and
the end that it claims to come from fell silent afterwards. Every other RST is remembered as an `Ignored`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rst_or_fin.tcp.segment import Checksum, Endpoint, Segment, distance

_UNKNOWN_SCALE = 14  # the largest window scale (RFC 7323 section 2.3): an unseen SYN may have offered it
_WINDOW_SCALE = 3
_ID_SPACE = 1 << 16
_NEXT_IDS = 64  # how far apart two IP IDs of one socket may be and still be called consecutive
_FAR_ID = 1024
SLACK_LEN = 1 << 20  # beyond a window: no connection's own segment is further off, however it was captured
_SYN_ACKS = 3
_SYN_ACK_NS = (
    900_000_000  # the shortest time after which a SYN ACK is sent again (TCP_TIMEOUT_INIT, Linux 6.12)
)
# How many seconds lie between two SYN ACKs that were captured, where a timer doubles from one second on
# (RFC 6298 section 5.5), whatever was lost between them; Linux's fires up to an eighth late (6.12,
# kernel/time/timer.c).
_BACKED_OFF_S = sorted(
    {doubled * (2**lost - 1) for doubled in (1, 2, 4, 8, 16, 32, 64) for lost in range(1, 7)}
)
_CROSSING_NS = 1_000_000_000  # two aborts cross on the way where they were captured closer than this
_RESETS_MAX = 64
_TTLS_MAX = 8  # kept of one end: a host has one, or a few where its packets take several ways


class IgnoredReason(StrEnum):
    """Why a segment decides nothing."""

    CORRUPT = "its checksum is wrong, so nobody received it"
    OUT_OF_WINDOW = "it is outside the receiver's window"
    EARLIER = "it answers an ACK of an earlier connection with these ports"
    ACKS_NO_SYN = "it does not acknowledge the SYN"
    AFTER_THE_END = "it came after the connection's end"
    WENT_ON = "the end that it names went on afterwards"
    FOREIGN = "the end that it names never sends with that TTL or IP ID, and went on"
    STRAY_SYN = "it opens nothing inside a live connection"
    FORGED = "that end never sent it"
    COPY = "it is a copy that was made on the way"


class Question(StrEnum):
    """Why it cannot be told whether a segment decides: its sender's ending is open to doubt."""

    WENT_ON = "may not be its own: that end went on sending"
    FIN_AGAIN = "answers a FIN that was sent again: its ACK may have been lost"
    OPENS_AGAIN = "opens the connection again after that end had reset it"
    AFTER_A_RESET = "came after the other end's RST: had that arrived?"
    OLD_NUMBER = "has a number that the other end may have left behind: did it take that RST?"
    UNSEEN_ACK = "answers a segment that was not captured: had that ended the connection?"
    STRAY_SYN = "is another connection's: does the RST belong to that one?"
    SIMULTANEOUS = "opens the connection from the other side too: which SYN did the RST answer?"
    REFUSES_LATE = "refuses the SYN after that end had answered it"
    NUMBERED = "has a number, which no refusal has: was it sent after a SYN ACK?"
    LATE_SYN = "was captured after other segments of that end"
    BEFORE_ITS_SYN = "was captured before the SYN that it answers"
    FORGOTTEN = "answers the SYN again with another number: that end had forgotten the connection"
    LATE_FIN = "was captured after it had been acknowledged: had it ended the connection before the RST?"
    MISSING = "goes on from a number that nothing captured leads up to: was that a FIN?"
    LAST_WORD = "is outside the receiver's window, and the last that came from there"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A segment, by its index, that decides nothing."""

    index: int
    why: IgnoredReason


@dataclass(slots=True)
class CandidateReset:
    """A RST that may count, and how far the connection had come when it was captured."""

    index: int
    t_ns: int
    seq: int
    has_ack: bool
    acked: int | None
    refuses: bool  # it answers a SYN
    ttl: int | None
    ip_id: int | None
    sent_to: int  # by the end that it names
    peer_sent_to: int | None
    is_certain: bool = False  # the other end's TCP has taken it if it arrived, or it was an abort
    is_exact: bool = False  # it has the very number that the other end's TCP expects, or was an abort
    contested: bool = False  # its end may have gone on, or the capture may have swapped segments

    @property
    def is_abort(self) -> bool:
        """Whether it answers no segment: its socket existed when the end decided to send it."""
        return self.has_ack and not self.refuses


class End:
    """One end of the connection as a sender. Sequence numbers are unwrapped: they grow beyond 32 bits."""

    def __init__(self) -> None:
        self.syn: int | None = None  # index of its SYN
        self.isn: int | None = None
        self.fin: int | None = None  # index of its FIN
        self.fin_end: int | None = None
        self.fin_acks: int | None = None  # what its FIN acknowledges, as last sent
        self.past_fin = False  # it has acknowledged something after its FIN
        self.only_syn = False  # it has sent nothing but a SYN without ACK
        self.start: int | None = None  # the first number known
        self.sent_to: int | None = None  # the number after the last that it sent
        self.whole_to = 0  # every number from `start` to here was captured
        self.acked_to: int | None = None  # by its peer
        self.acks_to: int | None = None  # what it has acknowledged, in its peer's numbers
        self.edge: int | None = None  # of the window that its peer offered it
        self.scale: int | None = None
        self.syns: dict[bool, int] = {}  # index of its first SYN without and with ACK
        self.syn_acks = 0  # its SYN ACKs, if it has sent nothing else, as its timer repeats them
        self.syn_ack_ns = self.syn_ack_gap_ns = 0
        self.others = 0  # segments that are no RST
        self.last_other = -1
        self.doubted: int | None = None  # index of a segment that acknowledged more than was captured
        self.leap: tuple[int, Segment] | None = None  # its last segment that was too far off to be believed
        self.astray: int | None = None  # what a segment acknowledged that was not of this connection
        self.missed: int | None = None  # index of its last RST that was outside its peer's window
        self.fin_again = False  # it sent its FIN again although that had been acknowledged
        self._pieces: list[tuple[int, int]] = []  # a heap: captured beyond `whole_to`
        self.ttls: set[int] = set()
        self._ids_told = 0
        self._last_id: int | None = None
        self._ids_zero = self._ids_consecutive = True
        self.payload_to: int | None = None  # the number after the last byte or control that was captured
        self.resets: list[CandidateReset] = []  # the first that may count
        self.beyond: dict[int, CandidateReset] = {}  # in the window, past all that this end was seen to send

    def unwrap(self, number: int) -> int:
        """Return the number in unwrapped space: the one nearest to the last known."""
        near = self.sent_to if self.sent_to is not None else self.start
        return number if near is None else near + distance(number, near & 0xFFFFFFFF)

    def note_start(self, number: int) -> None:
        """Record `number` as this end's first known sequence number, if none is known yet."""
        if self.start is None:
            self.start = self.whole_to = number

    def note_captured(self, first: int, end: int) -> None:
        """Record that the numbers from `first` up to, but not including, `end` were captured."""
        self.sent_to = end if self.sent_to is None else max(self.sent_to, end)
        if end > first:
            self.payload_to = end if self.payload_to is None else max(self.payload_to, end)
        if first > self.whole_to:
            heapq.heappush(self._pieces, (first, end))
            return
        self.whole_to = max(self.whole_to, end)
        while self._pieces and self._pieces[0][0] <= self.whole_to:
            self.whole_to = max(self.whole_to, heapq.heappop(self._pieces)[1])
        if self.acked_to is not None and self.acked_to <= self.whole_to:
            self.doubted = None

    def note_acknowledged(self, index: int, number: int) -> None:
        """Record that segment `index` of the peer acknowledged everything before `number`.

        If the SYN was not captured, what was sent before the capture began is not a hole.
        """
        self.acked_to = number if self.acked_to is None else max(self.acked_to, number)
        self.note_start(number)
        if number <= self.whole_to:
            return
        if self.syn is None and not self._pieces:
            self.whole_to = number
        elif self.doubted is None:
            self.doubted = index

    def is_plausible(self, number: int) -> bool:
        """Return whether a number can belong to this connection at all."""
        if self.isn is not None and number < self.isn:
            return False
        edge, sent_to = self.edge, self.sent_to
        if edge is None or (sent_to is not None and sent_to > edge):
            edge = sent_to
        return edge is None or number <= edge + SLACK_LEN

    def is_near(self, number: int, *, is_ack: bool = False) -> bool:
        """Return whether a number is near the last that this end sent or had acknowledged."""
        last = self.sent_to if self.sent_to is not None else self.start
        if last is None:
            return True
        if self.isn is not None and self.unwrap(number) < self.isn:
            return False
        return abs(self.unwrap(number) - last) <= (0 if self.only_syn and is_ack else SLACK_LEN)

    def count_syn_acks(self, segment: Segment) -> None:
        """Count the SYN ACKs of an end that sends nothing else: its accept queue is full.

        Copies that the network made do not arrive in the time of a retransmission timer, which only grows
        (RFC 6298 section 5.5).
        """
        if self.syn_acks < 0:
            return
        gap_ns = segment.t_ns - self.syn_ack_ns
        if not (segment.syn and segment.has_ack):
            self.syn_acks = -1
        elif gap_ns > _SYN_ACK_NS:
            grows = self.syn_acks < 2 or 10 * gap_ns > 9 * self.syn_ack_gap_ns
            is_timed = self.syn_acks == 0 or _is_backed_off(gap_ns)
            self.syn_acks = self.syn_acks + 1 if grows and is_timed else -1
            self.syn_ack_ns, self.syn_ack_gap_ns = segment.t_ns, gap_ns

    def note_ip_header(self, segment: Segment, *, opening: bool) -> None:
        """Record the TTL and the IP ID of a segment that is not a RST; no IP ID of the `opening`."""
        if segment.ttl is not None and len(self.ttls) < _TTLS_MAX:
            self.ttls.add(segment.ttl)
        number = segment.ip_id
        if number is None or opening:
            return
        self._ids_told += 1
        self._ids_zero = self._ids_zero and number == 0
        if number and self._last_id is not None:
            self._ids_consecutive &= _apart(number, self._last_id) <= _NEXT_IDS
        self._last_id = number or self._last_id

    @property
    def misses_its_last(self) -> bool:
        """Whether it went on from a number that no captured segment of its own leads up to."""
        if self.fin is not None or self.syn is None or self.sent_to is None or self.payload_to is None:
            return False
        return self.sent_to > self.payload_to

    def leaps_to(self, reset: CandidateReset) -> bool:
        """Return whether all that was captured of this end is a RST past what its peer first acknowledged."""
        if self.syn is not None or self.payload_to is not None or self.start is None:
            return False
        return reset.seq > self.start

    @property
    def is_closed(self) -> bool:
        """Whether its FIN was acknowledged."""
        return self.fin_end is not None and self.acked_to is not None and self.acked_to >= self.fin_end

    def add_candidate(self, reset: CandidateReset) -> None:
        """Keep a RST that the other end's TCP would have accepted."""
        if len(self.resets) < _RESETS_MAX:
            self.resets.append(reset)

    def has_ttl_of(self, reset: CandidateReset) -> bool:
        """Return whether a RST has a TTL that this end's other segments have, as far as they are known."""
        return reset.ttl is None or not self.ttls or reset.ttl in self.ttls

    def has_id_of(self, reset: CandidateReset) -> bool:
        """Return False if this end's IP IDs are all zero, or consecutive, and the RST's is far from them.

        A RST of a socket that is gone has 0 whatever the others have (ip_select_ident_segs, Linux 6.12).
        """
        if not reset.ip_id or self._ids_told < 3:
            return True
        if self._ids_zero:
            return False
        if self._last_id is None or not self._ids_consecutive:
            return True
        return _apart(reset.ip_id, self._last_id) < _FAR_ID

    def is_own(self, reset: CandidateReset) -> bool:
        """Return whether the TTL and the IP ID of a RST fit this end."""
        return self.has_ttl_of(reset) and self.has_id_of(reset)

    @property
    def aborted(self) -> bool:
        """Whether its RST answered no segment: its socket was gone when the RST left."""
        reset = self.reset()
        return reset is not None and reset.has_ack

    @property
    def has_refused(self) -> bool:
        """Whether its RST answers a SYN."""
        reset = self.reset()
        return reset is not None and reset.refuses

    def reset(self) -> CandidateReset | None:
        """Return the RST with which this end ended, or None."""
        if not self.resets and not self.beyond:
            return None  # most ends: it is asked for some twenty times a connection
        found = [reset for reset in self.resets if self.is_own(reset)]
        found = [reset for reset in found if reset.is_certain] or found
        late = self.beyond.get(self.sent_to) if self.sent_to is not None else None
        if late is not None and self.is_own(late):
            late.is_certain = late.is_exact = True
            late.contested = True
            found.append(late)  # the capture shows its last data after it
        return min(found, key=lambda reset: reset.index, default=None)


class ConnectionReading:
    """Reads the segments of one connection, one by one. `first` is the end that sent the first of them."""

    def __init__(self, first: Endpoint) -> None:
        self._first = first
        self._ends = (End(), End())
        self._count = 0
        self._ignored: dict[int, IgnoredReason] = {}
        self._questions: dict[int, Question] = {}
        self.overlaps_another = False  # another connection of the same ends began before this one was over
        self.answered_ns: int | None = None  # when its first SYN ACK was captured

    def end(self, endpoint: Endpoint) -> End:
        """Return the state of that end."""
        return self._ends[0 if endpoint == self._first else 1]

    def add(self, segment: Segment) -> None:
        """Read the next segment."""
        index = self._count
        self._count += 1
        own, peer = self._ends if segment.src == self._first else self._ends[::-1]
        if segment.checksum is Checksum.BAD:
            self._ignore(index, IgnoredReason.CORRUPT)
            own.count_syn_acks(segment)  # nobody received it, and it was sent all the same
        elif segment.rst:
            self._rst(index, segment, own, peer)
        elif segment.syn and not self.joins(segment):
            self._ignore(index, IgnoredReason.STRAY_SYN)
            if segment.has_ack and peer.isn is not None and peer.unwrap(segment.ack) == peer.isn + 1:
                self._questions[index] = Question.FORGOTTEN
        else:
            self._plain(index, segment, own, peer)

    def pass_over(self, why: IgnoredReason) -> None:
        """Count the next segment as one that decides nothing, whatever it says."""
        self._ignore(self._count, why)
        self._count += 1

    @property
    def opened(self) -> bool:
        """Whether the opening was captured: SYN and SYN ACK, or a SYN and the RST that refused it."""
        one, other = self._ends
        return (one.syn is not None and other.syn is not None) or self.refused

    @property
    def refused(self) -> bool:
        """Whether a RST refused the connection."""
        return any(reset.refuses for end in self._ends if (reset := end.reset()) is not None)

    @property
    def established(self) -> bool:
        """Whether the SYN ACK was acknowledged too."""
        return all(end.isn is not None and (end.acked_to or 0) > end.isn for end in self._ends)

    @property
    def unanswered(self) -> bool:
        """Whether nothing but SYNs of one end was captured, as far as it counts."""
        return any(
            end.only_syn and other.syn is None and not other.others and other.reset() is None
            for end, other in (self._ends, self._ends[::-1])
        )

    @property
    def closed_by_fins(self) -> bool:
        """Whether both ends sent a FIN, and each was acknowledged."""
        one, other = self._ends
        return one.is_closed and other.is_closed

    @property
    def both_fins(self) -> bool:
        """Whether both ends sent a FIN."""
        one, other = self._ends
        return one.fin is not None and other.fin is not None

    @property
    def is_reset(self) -> bool:
        """Whether a RST that counts was seen."""
        one, other = self._ends
        return one.reset() is not None or other.reset() is not None

    @property
    def over(self) -> bool:
        """Whether a RST that counts was seen, or both FINs and the ACKs of both."""
        return self.is_reset or self.closed_by_fins

    def ignored(self) -> list[Ignored]:
        """Return every segment that decides nothing although it looks as if it might, in order."""
        found = [Ignored(index, why) for index, why in self._ignored.items()]
        for end in self._ends:
            for reset in (*end.resets, *end.beyond.values()):
                if end.last_other <= reset.index or reset is end.reset():
                    continue
                if not end.is_own(reset):
                    found.append(Ignored(reset.index, IgnoredReason.FOREIGN))
                elif reset.seq in end.beyond and end.beyond[reset.seq] is reset:
                    found.append(Ignored(reset.index, IgnoredReason.OUT_OF_WINDOW))
        return sorted(found, key=lambda ignored: ignored.index)

    def _both_open(self) -> list[int]:
        """Return the later of two SYNs that both ask for this connection, unless both were answered."""
        one, other = (end.syns for end in self._ends)
        if False in one and False in other:
            return [] if self.established else [max(one[False], other[False])]
        return [max(syns.values()) for syns in (one, other) if len(syns) > 1]

    def foreign(self) -> list[tuple[int, bool]]:
        """Return RSTs that their end probably did not send, with nothing of that end after them to prove it.

        As (index, whether the TTL tells; else the IP ID does).
        """
        return sorted(
            (reset.index, not end.has_ttl_of(reset))
            for end in self._ends
            for reset in (*end.resets, *end.beyond.values())
            if end.last_other < reset.index and not end.is_own(reset)
        )

    def questions(self) -> list[tuple[int, Question]]:
        """Return segments, by index, of which it cannot be told whether they decide."""
        resets = [reset for end in self._ends if (reset := end.reset()) is not None]
        contested = ((reset.index, Question.WENT_ON) for reset in resets if reset.contested)
        first, first_ns = min(((reset.index, reset.t_ns) for reset in resets), default=(0, 0))
        is_forged = any(why is IgnoredReason.WENT_ON for why in self._ignored.values())
        is_own = all(end.is_own(reset) for end in self._ends for reset in end.resets)
        alone = len(resets) == 1 and is_own and not is_forged
        old = (
            (reset.index, Question.OLD_NUMBER)
            for end in self._ends
            if (reset := end.reset()) is not None and not (reset.is_exact or (reset.is_certain and alone))
        )
        missing = (
            (end.last_other, Question.MISSING)
            for end in self._ends
            if end.misses_its_last and not self.closed_by_fins
        )
        leaps = (
            (reset.index, Question.MISSING)
            for end, other in (self._ends, self._ends[::-1])
            if (reset := end.reset()) is not None and other.syn is not None and end.leaps_to(reset)
        )
        late = (
            (reset.index, Question.AFTER_A_RESET)
            for reset in resets
            if reset.index > first and (not reset.has_ack or reset.t_ns - first_ns > _CROSSING_NS)
        )
        last = (
            (end.missed, Question.LAST_WORD)
            for end in self._ends
            if end.missed is not None and end.reset() is None and end.last_other < end.missed
        )
        bare = [reset for reset in resets if not reset.has_ack]
        stray = [
            (index, Question.STRAY_SYN)
            for index, why in self._ignored.items()
            if why is IgnoredReason.STRAY_SYN and bare
        ]
        both = [index for index in self._both_open() if resets]
        return sorted(
            (
                *((index, Question.SIMULTANEOUS) for index in both),
                *self._questions.items(),
                *contested,
                *stray[:1],
                *old,
                *missing,
                *leaps,
                *late,
                *last,
            )
        )

    def beyond(self) -> list[tuple[int, int]]:
        """Return the RSTs past all that was captured from their end, which then fell silent.

        As (index, bytes between).
        """
        if self.closed_by_fins:
            return []
        return sorted(
            (reset.index, seq - reset.sent_to)
            for end in self._ends
            for seq, reset in end.beyond.items()
            if (end.sent_to or 0) < seq and end.fin is None and end.is_own(reset) and reset is not end.reset()
        )

    def hole(self) -> int | None:
        """Return the index of a segment that acknowledges what was never captured; None for no hole."""
        return min((end.doubted for end in self._ends if end.doubted is not None), default=None)

    def may_have_begun_with(self, segment: Segment) -> bool:
        """Return whether a SYN lies right before all that was captured of an end without its SYN."""
        own = self.end(segment.src)
        if own.start is None:  # of that end there are at most RSTs, which may refuse the answer to this SYN
            return any(distance(reset.seq & 0xFFFFFFFF, segment.seq) == 1 for reset in own.resets)
        return own.isn is None and 0 < own.start - own.unwrap(segment.seq) <= SLACK_LEN

    def is_answered_by(self, segment: Segment) -> bool:
        """Return whether a SYN ACK acknowledges the SYN of this connection, not yet answered."""
        own, peer = self.end(segment.src), self.end(segment.dst)
        if own.isn is not None or peer.isn is None:
            return False
        return peer.isn < peer.unwrap(segment.ack) <= (peer.sent_to or 0)

    def is_refused_by(self, endpoint: Endpoint) -> bool:
        """Return whether that end refused the connection with a RST."""
        return self.end(endpoint).has_refused

    def refuses_unseen(self, segment: Segment) -> bool:
        """Return whether this SYN's refusal was captured before it: captures do swap the two."""
        own, peer = self.end(segment.src), self.end(segment.dst)
        alone = own.syn is None and not own.others and not peer.others and own.acked_to is not None
        return alone and peer.aborted and own.unwrap(segment.seq) + 1 + segment.payload_len == own.acked_to

    def fits(self, segment: Segment) -> bool:
        """Return whether a segment's numbers are near those of this connection."""
        own, peer = self.end(segment.src), self.end(segment.dst)
        if segment.rst and own.start is None and not segment.has_ack:
            return False  # it answers an end that has sent nothing here
        return own.is_near(segment.seq) and (not segment.has_ack or peer.is_near(segment.ack, is_ack=True))

    def expects(self, segment: Segment) -> bool:
        """Return whether a segment has exactly the next numbers of both ends."""
        own, peer = self.end(segment.src), self.end(segment.dst)
        if own.sent_to is None or own.unwrap(segment.seq) != own.sent_to:
            return False
        return not segment.has_ack or peer.unwrap(segment.ack) == peer.sent_to

    def joins(self, segment: Segment) -> bool:
        """Return whether a SYN belongs here: it opened the connection, or is a copy of the one that did.

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

    def _ignore(self, index: int, why: IgnoredReason) -> None:
        self._ignored[index] = why

    def _syn(self, index: int, segment: Segment, own: End, peer: End) -> None:
        if own.reset() is not None:
            self._questions[index] = Question.OPENS_AGAIN
        elif own.syn is None and own.others and (segment.has_ack or own.fin is not None):
            self._questions[index] = Question.LATE_SYN
        if segment.has_ack and self.answered_ns is None:
            self.answered_ns = segment.t_ns
        if segment.has_ack and own.syn is None and peer.only_syn:
            own.acked_to, own.whole_to = None, 0  # the other end has had nothing to acknowledge yet
        if own.syn is None:
            own.syn, own.isn = index, own.unwrap(segment.seq)
            own.start, own.whole_to = own.isn, max(own.isn, own.whole_to)
            own.only_syn = not segment.has_ack and not own.others
            own.scale = _window_scale(segment.options)
        for reset in () if segment.has_ack or peer.others else peer.resets:
            reset.refuses |= reset.has_ack
            self._questions[reset.index] = Question.BEFORE_ITS_SYN

    def _plain(self, index: int, segment: Segment, own: End, peer: End) -> None:
        syn, fin, has_ack = segment.syn, segment.fin, segment.has_ack
        first = own.unwrap(segment.seq)
        end = first + segment.payload_len + syn + fin
        acked = peer.unwrap(segment.ack) if has_ack else None
        if syn:
            own.syns.setdefault(has_ack, index)
        if not own.is_plausible(first) or (acked is not None and not self._is_heard(acked, peer, own)):
            own.leap = (index, segment)
            self._pass_by(index, segment, own)
            return
        if fin and own.fin is None and own.acked_to is not None and end < own.acked_to:
            self._pass_by(index, segment, own)  # an earlier connection's: this end went on from there
            return
        if syn:
            self._syn(index, segment, own, peer)
        own.note_start(first)
        if not own.others and own.syn is None:
            own.whole_to = max(own.whole_to, first)
        own.fin_again |= fin and self.closed_by_fins
        own.note_captured(first, end)
        own.note_ip_header(
            segment, opening=True in own.syns and acked == (peer.isn or 0) + 1 and end == first + segment.syn
        )
        own.count_syn_acks(segment)
        own.others += 1
        own.last_other = index
        own.only_syn = own.only_syn and syn
        if fin and own.fin is None:
            self._first_fin(index, end, own, peer)
        if fin:
            own.fin_acks = acked
        own.past_fin |= own.fin_end == first == end
        if acked is not None and not syn and peer.syn is None and peer.has_refused:
            self._questions[index] = Question.UNSEEN_ACK  # only a SYN ACK gave it something to acknowledge
        if acked is not None:
            self._acknowledge(index, acked, segment, own, peer)
        if own.resets:
            self._goes_on(segment, own, end, acked)

    def _first_fin(self, index: int, end: int, own: End, peer: End) -> None:
        own.fin, own.fin_end = index, end
        if own.acked_to == end and (own.resets or peer.resets):
            self._questions[index] = Question.LATE_FIN

    def _pass_by(self, index: int, segment: Segment, own: End) -> None:
        """Ignore a segment whose numbers are not the connection's; a RST may answer it."""
        own.astray = segment.ack if segment.has_ack else None
        self._ignore(index, IgnoredReason.OUT_OF_WINDOW)

    def _is_heard(self, acked: int, peer: End, own: End) -> bool:
        """Return whether the peer's numbers have come as far as is acknowledged.

        Much of a capture may be missing: a segment that seemed to be no part of the connection is one where
        the other end acknowledges it.
        """
        if peer.is_plausible(acked):
            return True
        if peer.leap is None or acked < (peer.isn or 0):
            return False
        index, segment = peer.leap
        first = peer.unwrap(segment.seq)
        if not 0 <= acked - first <= SLACK_LEN:
            return False
        peer.leap, peer.edge = None, first
        del self._ignored[index]
        self._plain(index, segment, peer, own)
        return True

    @staticmethod
    def _acknowledge(index: int, acked: int, segment: Segment, own: End, peer: End) -> None:
        """Record the ACK number and the window of a segment."""
        if not segment.rst:
            own.acks_to = acked if own.acks_to is None else max(own.acks_to, acked)
        peer.note_acknowledged(index, acked)
        edge = acked + (segment.window << _shift(segment, own, peer))
        peer.edge = edge if peer.edge is None else max(peer.edge, edge)

    def _goes_on(self, segment: Segment, own: End, end: int, acked: int | None) -> None:
        """Discard RSTs of an end that sends something new after them: it did not send them."""
        for reset in list(own.resets):
            new = end > max(reset.seq, reset.sent_to)
            heard = acked is not None and reset.peer_sent_to is not None and acked > reset.peer_sent_to
            if heard or (new and reset.has_ack) or (reset.refuses and segment.syn):
                own.resets.remove(reset)
                self._ignore(reset.index, IgnoredReason.WENT_ON)
            else:
                reset.contested = True  # sent before the RST and captured after it, or not

    def _rst(self, index: int, segment: Segment, own: End, peer: End) -> None:
        if peer.only_syn and own.syn is None:
            self._refusal(index, segment, own, peer)
            return
        reset = peer.reset()
        if self.closed_by_fins or (reset is not None and (reset.refuses or not segment.has_ack)):
            self._rst_after_the_end(index, segment, own, peer)
            return
        seq = own.unwrap(segment.seq)
        if own.only_syn and peer.syn is None and not (own.isn or 0) <= seq <= (own.sent_to or 0):
            self._ignore(index, _why_not(segment, peer))
            return
        past_fin = peer.past_fin and (own.acks_to or 0) < (peer.fin_end or 0)
        both_closed = own.fin_end == seq and peer.fin is not None
        if not segment.has_ack and both_closed and (past_fin or peer.fin_acks != seq):
            self._questions[index] = Question.UNSEEN_ACK
        if segment.has_ack and not peer.is_plausible(peer.unwrap(segment.ack)):
            self._ignore(index, IgnoredReason.OUT_OF_WINDOW)
            return
        self._hold_against_the_window(index, segment, own, peer)

    def _rst_after_the_end(self, index: int, segment: Segment, own: End, peer: End) -> None:
        """Ignore a RST after the other end's RST or after both FINs, and note what it leaves open."""
        self._ignore(index, IgnoredReason.AFTER_THE_END)
        reset = peer.reset()
        if peer.fin_again:
            self._questions[index] = Question.FIN_AGAIN
        elif reset is not None and not segment.has_ack and own.reset() is None and not reset.is_abort:
            self._questions[index] = Question.AFTER_A_RESET
        elif peer.has_refused and segment.has_ack and peer.syn is None:
            self._questions[index] = Question.UNSEEN_ACK  # only a SYN ACK gave it something to acknowledge

    def _hold_against_the_window(self, index: int, segment: Segment, own: End, peer: End) -> None:
        """Count a RST if its sequence number may be within the other end's window."""
        seq = own.unwrap(segment.seq)
        refuses_late = peer.only_syn and segment.has_ack and peer.unwrap(segment.ack) == peer.sent_to
        low, high = _acceptable(own, seq)
        if own.isn is not None and _is_refusal(segment, peer):
            # Where number 0 lies to the window is chance.
            self._ignore(index, IgnoredReason.OUT_OF_WINDOW)
            self._questions[index] = Question.REFUSES_LATE
        elif low <= seq <= high:
            if not segment.has_ack and (
                own.acked_to is None or seq > own.acked_to or _answers_nothing(own, peer)
            ):
                self._questions.setdefault(index, Question.UNSEEN_ACK)
            reset = _candidate(index, segment, seq, own, peer, refuses=False)
            own.add_candidate(reset)
            if segment.has_ack and own.is_own(reset):
                self._acknowledge(index, peer.unwrap(segment.ack), segment, own, peer)
        elif seq > high and (own.edge is None or seq <= own.edge):
            self._keep_beyond(_candidate(index, segment, seq, own, peer, refuses=False), own)
        else:
            own.missed = index
            self._ignore(index, _why_not(segment, peer))
            if refuses_late:
                self._questions[index] = Question.REFUSES_LATE

    def _keep_beyond(self, reset: CandidateReset, own: End) -> None:
        """Keep a RST past what was captured of its end; its own one replaces a forged one."""
        kept = own.beyond.get(reset.seq)
        if kept is None:
            own.beyond[reset.seq] = reset
        elif not own.is_own(kept):
            own.beyond[reset.seq] = reset
            self._ignore(kept.index, IgnoredReason.FOREIGN)

    def _refusal(self, index: int, segment: Segment, own: End, peer: End) -> None:
        """Let a RST in SYN-SENT count only if it acknowledges the SYN (RFC 9293 section 3.10.7.3)."""
        acked = peer.unwrap(segment.ack) if segment.has_ack else None
        if acked is None or peer.isn is None or not peer.isn < acked <= (peer.sent_to or 0):
            self._ignore(index, IgnoredReason.ACKS_NO_SYN)
            return
        if segment.seq != 0:  # RFC 9293 section 3.10.7.1
            self._questions[index] = Question.NUMBERED
        seq = segment.seq if own.start is None else own.unwrap(segment.seq)
        own.add_candidate(_candidate(index, segment, seq, own, peer, refuses=True))


def read(segments: Iterable[Segment]) -> ConnectionReading:
    """Read a whole connection: its own segments (at least one), in the order they were captured."""
    reading: ConnectionReading | None = None
    for segment in segments:
        reading = reading or ConnectionReading(segment.src)
        reading.add(segment)
    assert reading is not None
    return reading


def _apart(one: int, other: int) -> int:
    """Return how far apart two IP IDs are, whichever came first: networks reorder, and repeat."""
    ahead = (one - other) % _ID_SPACE
    return min(ahead, _ID_SPACE - ahead)


def _is_backed_off(gap_ns: int) -> bool:
    """Return whether a timer that doubles may have fired twice that far apart."""
    return any(0.9 * seconds <= gap_ns / 1e9 <= 1.125 * seconds for seconds in _BACKED_OFF_S)


def _candidate(
    index: int, segment: Segment, seq: int, own: End, peer: End, *, refuses: bool
) -> CandidateReset:
    return CandidateReset(
        index=index,
        t_ns=segment.t_ns,
        seq=seq,
        has_ack=segment.has_ack,
        acked=peer.unwrap(segment.ack) if segment.has_ack else None,
        refuses=refuses,
        ttl=segment.ttl,
        ip_id=segment.ip_id,
        sent_to=seq if own.sent_to is None else own.sent_to,
        peer_sent_to=peer.sent_to,
        is_certain=refuses or segment.has_ack or _is_expected(own, peer, seq),
        is_exact=refuses or segment.has_ack or own.sent_to in {None, seq},
    )


def _why_not(segment: Segment, peer: End) -> IgnoredReason:
    """Say why a RST is outside the window: it may answer what was no part of the connection either."""
    return (
        IgnoredReason.EARLIER
        if not segment.has_ack and segment.seq == peer.astray
        else IgnoredReason.OUT_OF_WINDOW
    )


def _answers_nothing(own: End, peer: End) -> bool:
    """Return whether nothing came after this end's FIN, nor was on its way by then, that a RST may answer."""
    if own.fin is None or peer.last_other > own.fin:
        return False
    return (own.acks_to or 0) >= (peer.sent_to or 0)


def _is_expected(own: End, peer: End, seq: int) -> bool:
    """Return whether the other end's TCP expects this number next if everything has arrived.

    Once that end has taken a FIN, and sent none, the FIN's own number will do (tcp_reset_check, Linux 6.12);
    not every TCP is so lenient, so where the FIN had been acknowledged before, it cannot be told.
    """
    if own.sent_to is None or seq == own.sent_to:
        return True
    if peer.syn_acks >= _SYN_ACKS and own.isn is not None and seq == own.isn + 1:
        return True  # in SYN-RECEIVED, which takes no data
    unacked = own.acked_to is None or own.acked_to <= seq  # what acknowledges the FIN has not been sent yet
    return unacked and own.fin_end == own.sent_to == seq + 1 and peer.fin is None


def _is_refusal(segment: Segment, peer: End) -> bool:
    """Return whether a RST says that its sender knows no connection for this SYN.

    Source: RFC 9293 section 3.10.7.1.
    """
    return (
        segment.has_ack
        and segment.seq == 0
        and peer.isn is not None
        and peer.unwrap(segment.ack) == peer.isn + 1
    )


def _acceptable(own: End, seq: int) -> tuple[int, int]:
    """Return the lowest and highest number of a RST that the other end may take, as far as was captured.

    What it acknowledged is behind its window; what this end has sent it may have received, or not. A FIN's
    own number will do once the FIN was received (tcp_reset_check, Linux 6.12).
    """
    low = own.acked_to if own.acked_to is not None else own.start
    if low is None:
        return seq, seq
    high = low if own.sent_to is None else max(low, own.sent_to)
    return (low - 1 if own.fin_end == low else low), high


def _shift(segment: Segment, own: End, peer: End) -> int:
    """Return by how many bits the segment's window is shifted (RFC 7323 section 2.2): never on a SYN."""
    if segment.syn:
        return 0
    if own.syn is None or peer.syn is None:
        return _UNKNOWN_SCALE
    return own.scale if own.scale is not None and peer.scale is not None else 0


def _window_scale(options: bytes) -> int | None:
    """Return the window scale option of a SYN, at most 14; None if it has none."""
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
