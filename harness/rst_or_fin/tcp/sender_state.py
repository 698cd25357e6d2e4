"""Keeps the state of one end of a connection as a sender: its numbers, its habits, and its RSTs."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from rst_or_fin.tcp.segment import Segment, distance

_ID_SPACE = 1 << 16
_NEXT_IDS = 64  # how far apart two IP IDs of one socket may be and still be called consecutive
_FAR_ID = 1024
SLACK_LEN = 1 << 20  # beyond a window: no connection's own segment is further off, however it was captured
# The shortest time after which a SYN ACK is sent again (TCP_TIMEOUT_INIT, Linux 6.12)
_SYN_ACK_NS = 900_000_000
# How many seconds lie between two SYN ACKs that were captured, where a timer doubles from one second on
# (RFC 6298 section 5.5), whatever was lost between them; Linux's fires up to an eighth late (6.12,
# kernel/time/timer.c).
_BACKED_OFF_S = sorted(
    {doubled * (2**lost - 1) for doubled in (1, 2, 4, 8, 16, 32, 64) for lost in range(1, 7)}
)
_RESETS_MAX = 64
_TTLS_MAX = 8  # kept of one end: a host has one, or a few where its packets take several ways


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


def _apart(one: int, other: int) -> int:
    """Return how far apart two IP IDs are, whichever came first: networks reorder, and repeat."""
    ahead = (one - other) % _ID_SPACE
    return min(ahead, _ID_SPACE - ahead)


def _is_backed_off(gap_ns: int) -> bool:
    """Return whether a timer that doubles may have fired twice that far apart."""
    return any(0.9 * seconds <= gap_ns / 1e9 <= 1.125 * seconds for seconds in _BACKED_OFF_S)
