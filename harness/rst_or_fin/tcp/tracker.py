"""Sorts segments into connections as they come: where one ends and the next with its ports begins.

A SYN after the end of a connection (a RST, or both FINs) opens a new one, also with the same initial sequence
number; a copy of a SYN or SYN ACK stays with its own connection; a SYN in the middle of a live connection is
held back until the other end answers it (RFC 9293 section 3.10.7.4, RFC 5961 section 4).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import NamedTuple

from rst_or_fin.tcp.acceptance import ConnectionReading, read
from rst_or_fin.tcp.connection import Connection, connection
from rst_or_fin.tcp.segment import Checksum, Endpoint, Segment, distance
from rst_or_fin.tcp.sender_state import SLACK_LEN

_SYN_OR_RST = 0x06
_STRAYS_MAX = 8
_EARLIER_MAX = 8  # connections of a pair that are remembered for late copies of their SYN ACK


class _Stray(NamedTuple):
    """A SYN that opens nothing yet, and the indices of all its copies. `is_copy`: of the connection's own."""

    syn: Segment
    is_copy: bool
    indices: list[int]


class TrackedConnection:
    """One connection in the making. `strays`: SYNs that open nothing yet, by sender and number.

    Once it has been taken it keeps no segments, only what tells that a later segment still belongs to it.
    """

    def __init__(self, first: Endpoint, other: Endpoint) -> None:
        self.ends = (first, other)
        self.members: list[Segment] = []
        self.reading = ConnectionReading(first)
        self.strays: dict[tuple[Endpoint, int], _Stray] = {}
        self.unasked: tuple[int, Segment] | None = None  # its last answer to no SYN of its own, and its index
        # SYNs that the connection before held back: they come after the next segment
        self.held_over: list[Segment] = []
        self.taken = False
        self.is_split = False  # another one of the same ends began before this one was over
        self.suspects: set[int] = set()  # connections that this one may be part of, or they of it
        self.earlier: TrackedConnection | None = None  # that this one's SYN may be a late copy of
        self.was_refused = False  # though its opening may have been answered afterwards
        self.refused: TrackedConnection | None = None  # the one before, if the opener of this one refused it

    def add(self, segment: Segment) -> None:
        """Add a segment, and the SYNs that were held back for it; ignore all once it was taken."""
        if self.taken:
            return
        self.members.append(segment)
        self.reading.add(segment)
        if self.held_over:
            held, self.held_over = self.held_over, []
            for syn in held:
                self.hold(syn)
                self.add(syn)

    def take(self) -> Connection:
        """Return the connection; later segments no longer change it."""
        found = connection(self.members, self.reading)
        self.taken, self.members, self.strays, self.unasked = True, [], {}, None
        return found

    def look(self) -> Connection:
        """Return the connection as seen so far."""
        return connection(self.members, self.reading)

    def look_back(self) -> None:
        """Mark a connection as doubtful while its SYN may be a late copy of an earlier connection's.

        A client that sent that SYN anew goes on to acknowledge the answer. If it was a late copy, the client
        knows of no such connection.
        """
        if self.refused is not None:
            self._look_back_at_refused(self.refused)
        if self.earlier is None or self.taken:
            return
        first, other = map(self.reading.end, self.ends)
        server = first if True in first.syns else other  # its SYN ACK may have come first
        self.was_refused |= self.reading.refused
        answered = server.isn is not None and not self.was_refused
        opened = answered and (server.acked_to or 0) > (server.isn or 0)
        client = other if server is first else first
        server_of_earlier = self.earlier.reading.end(self.ends[0 if server is first else 1])
        if opened and _may_be_same(server.isn, server_of_earlier.isn):
            # Copies alone may have come out of order: the answer has to be acknowledged after it came.
            opened = client.last_other > server.syns.get(True, -1)
        tried_again = self.earlier.reading.refused and server.isn is None
        in_doubt = not (opened or tried_again)
        for each in (self, self.earlier):
            (each.suspects.add if in_doubt else each.suspects.discard)(id(self))
            each.reading.overlaps_another = each.is_split or bool(each.suspects)
        if opened:
            self.earlier = None

    def _look_back_at_refused(self, before: TrackedConnection) -> None:
        """Doubt a refusal whose client goes on with the numbers of the SYN that was refused."""
        client = before.reading.end(self.ends[1])
        start = self.reading.end(self.ends[1]).start
        if start is not None and client.isn is not None:
            before.is_split = abs(client.unwrap(start & 0xFFFFFFFF) - client.isn) <= SLACK_LEN
            before.reading.overlaps_another |= before.is_split
            self.refused = None

    def repeats(self, segment: Segment) -> bool:
        """Return whether this SYN or SYN ACK is a copy of the one that opened this connection."""
        isn = self.reading.end(segment.src).isn
        return isn is not None and distance(segment.seq, isn & 0xFFFFFFFF) == 0

    def fits(self, segment: Segment) -> bool:
        """Return whether a segment's numbers are near those of this connection."""
        return self.reading.fits(segment)

    def awaits_syn_ack(self, segment: Segment) -> bool:
        """Return whether a SYN ACK was due and this segment is none.

        It then belongs to an earlier connection.
        """
        own, peer = self.reading.end(segment.src), self.reading.end(segment.dst)
        if segment.syn or segment.rst:
            return False
        goes_on = own.only_syn and own.unwrap(segment.seq) == own.sent_to  # its SYN ACK was not captured
        return (peer.only_syn and own.isn is None) or (own.only_syn and peer.isn is None and not goes_on)

    def repeats_answer(self, segment: Segment) -> bool:
        """Return whether a SYN ACK is a copy of this connection's, or its first one captured."""
        return self.repeats(segment) or self.reading.is_answered_by(segment)

    def may_have_begun_with(self, segment: Segment) -> bool:
        """Return whether this SYN may be a copy of the one that opened this connection."""
        return self.repeats(segment) or self.reading.may_have_begun_with(segment)

    def ends_before(self, segment: Segment) -> bool:
        """Return whether this SYN or SYN ACK can only be the first segment of another connection."""
        ended = self.taken or self.reading.is_reset or self.reading.both_fins
        if segment.has_ack:
            return ended and not self._is_own_answer(segment) and self.answered(segment) is None
        if self.reading.refuses_unseen(segment):
            return False
        return self.reading.is_reset if self.repeats(segment) else ended

    def _is_own_answer(self, segment: Segment) -> bool:
        """Return whether a SYN ACK answers this connection's SYN: a copy, or proof of a forged refusal."""
        return self.repeats(segment) or (not self.taken and self.reading.joins(segment))

    def may_open_another(self, segment: Segment) -> bool:
        """Return whether a SYN without ACK opens another connection if the other end answers it."""
        return self.reading.both_fins if self.repeats(segment) else not self.reading.joins(segment)

    def hold(self, segment: Segment) -> None:
        """Remember a SYN that may open another connection; the next member is this one."""
        key = (segment.src, segment.seq)
        if key not in self.strays:
            if len(self.strays) == _STRAYS_MAX:
                del self.strays[next(iter(self.strays))]
            self.strays[key] = _Stray(segment, self.repeats(segment), [])
        self.strays[key].indices.append(len(self.members))

    def note_unasked(self, segment: Segment) -> None:
        """Remember an answer that may be of another connection; the next member is this one."""
        if not (self._is_own_answer(segment) if segment.syn else self.fits(segment)):
            self.unasked = (len(self.members), segment)

    def answered_early(self, syn: Segment) -> tuple[int, Segment] | None:
        """Return the index and segment of this SYN's answer captured before it: captures do swap them."""
        if self.unasked is None or self.unasked[1].src != syn.dst or self.repeats(syn):
            return None
        acked = distance(self.unasked[1].ack, syn.seq)
        return self.unasked if 0 < acked <= 1 + syn.payload_len else None

    def answered(self, segment: Segment) -> _Stray | None:
        """Return the SYN held back that a SYN ACK or a refusal acknowledges, or None."""
        if not (segment.has_ack and (segment.syn or segment.rst)):
            return None
        for stray in self.strays.values():
            is_copy = segment.syn and stray.is_copy and self.repeats(segment)
            acked = distance(segment.ack, stray.syn.seq)
            if stray.syn.src == segment.dst and not is_copy and 0 < acked <= 1 + stray.syn.payload_len:
                return stray
        return None

    def cut_out(self, stray: _Stray) -> tuple[list[Segment], list[Segment]]:
        """Remove a SYN that was held back, with its copies: another connection begins with them.

        Returns them, and the other SYNs still held back: they may be answered within that one.
        """
        del self.strays[stray.syn.src, stray.syn.seq]
        held = [self.members[index] for index in stray.indices]
        return held, self.let_go(stray.indices)

    def let_go(self, also: Collection[int] = ()) -> list[Segment]:
        """Remove all SYNs that are held back and the segments `also`; return each removed SYN once."""
        if not (self.strays or also):
            return []
        others = [other.syn for other in self.strays.values()]
        left_out = {*also, *(other.indices[0] for other in self.strays.values())}
        self.members = [s for index, s in enumerate(self.members) if index not in left_out]
        self.reading, self.strays = read(self.members), {}
        self.reading.overlaps_another = self.is_split or bool(self.suspects)
        return others


class ConnectionTracker:
    """Sorts segments into connections."""

    def __init__(self) -> None:
        self._current: dict[frozenset[Endpoint], TrackedConnection] = {}
        self._earlier: dict[frozenset[Endpoint], deque[TrackedConnection]] = {}

    def add(self, segment: Segment) -> TrackedConnection | None:
        """Take in the next segment; return the connection that begins with it, if one does."""
        pair = frozenset((segment.src, segment.dst))
        current = self._current.get(pair)
        begun: TrackedConnection | None = None
        late = self._late_for(pair, segment)
        if late is not None:
            current = late
        elif current is not None and not segment.flags & _SYN_OR_RST:
            pass  # most segments: they begin nothing
        elif current is None or _opens(current, segment):
            current = begun = self._open(current, segment)
        elif (stray := current.answered(segment)) is not None:
            current = begun = self._begin_anew(current, stray, segment)
        elif not current.taken and _is_opening(segment) and current.may_open_another(segment):
            if (early := current.answered_early(segment)) is not None:
                current = begun = self._begin_swapped(current, early)
            else:
                current.hold(segment)
        elif not current.taken and segment.has_ack and (segment.syn or segment.rst):
            current.note_unasked(segment)
        current.add(segment)
        if begun is None and current.earlier is None and _is_opening(segment):
            current.earlier = self._copied_from(pair, segment)  # its SYN ACK had come first
        current.look_back()
        return begun

    def _open(self, current: TrackedConnection | None, segment: Segment) -> TrackedConnection:
        """Begin with a SYN or SYN ACK: the connection before it is over, or its SYN was not captured."""
        if current is None:
            return self._begin(segment, segment.src, segment.dst)
        if segment.has_ack:
            current.is_split = current.reading.overlaps_another = True
            return self._begin(segment, segment.src, segment.dst)
        if (early := current.answered_early(segment)) is not None:
            return self._begin_swapped(current, early)
        held = current.let_go()  # one of them may still be answered
        fresh = self._begin(segment, segment.src, segment.dst)
        fresh.held_over = held
        return fresh

    def of(self, segment: Segment) -> list[TrackedConnection]:
        """Return the connections between these two ends that are still known, the present one first."""
        pair = frozenset((segment.src, segment.dst))
        found = [self._current[pair]] if pair in self._current else []
        return [*found, *self._earlier.get(pair, ())]

    def forget(self, tracked: TrackedConnection) -> None:
        """Forget a connection that was taken: what comes later belongs to another one."""
        pair = frozenset(tracked.ends)
        earlier = self._earlier.get(pair)
        if earlier is not None and tracked in earlier:
            earlier.remove(tracked)
            if not earlier:
                del self._earlier[pair]
        if self._current.get(pair) is tracked and pair not in self._earlier:
            del self._current[pair]

    def _begin(self, opening: Segment, first: Endpoint, other: Endpoint) -> TrackedConnection:
        pair = frozenset((first, other))
        before = self._current.get(pair)
        self._current[pair] = fresh = TrackedConnection(first, other)
        if before is not None:
            earlier = self._earlier.setdefault(pair, deque(maxlen=_EARLIER_MAX))
            earlier.append(before)
            fresh.refused = before if before.reading.is_refused_by(first) else None
            fresh.earlier = self._copied_from(pair, opening)
        return fresh

    def _copied_from(self, pair: frozenset[Endpoint], opening: Segment) -> TrackedConnection | None:
        """Return the latest earlier connection whose SYN this may be a copy of."""
        earlier = self._earlier.get(pair, ())
        return next((c for c in reversed(earlier) if c.may_have_begun_with(opening)), None)

    def _begin_anew(self, current: TrackedConnection, stray: _Stray, answer: Segment) -> TrackedConnection:
        """Begin with a SYN that was held back: this segment answers it.

        A refusal leaves no doubt but of the connection before it, which its end must have forgotten.
        """
        is_split = not current.taken and not current.reading.both_fins
        is_forgotten = answer.rst and current.reading.established
        syns, others = current.cut_out(stray)
        current.is_split |= is_split
        current.reading.overlaps_another |= is_split
        fresh = self._begin(syns[0], answer.dst, answer.src)
        fresh.is_split = fresh.reading.overlaps_another = is_split and not is_forgotten
        for syn in syns:
            fresh.add(syn)
        for syn in others:
            fresh.hold(syn)
            fresh.add(syn)
        return fresh

    def _begin_swapped(self, current: TrackedConnection, early: tuple[int, Segment]) -> TrackedConnection:
        """Begin with what answers a SYN and was captured before it, among the connection before."""
        index, answer = early
        is_split = not (current.reading.both_fins or current.reading.is_reset)
        held = current.let_go([index])
        current.is_split |= is_split
        current.reading.overlaps_another |= is_split
        fresh = self._begin(answer, answer.src, answer.dst)
        fresh.is_split = fresh.reading.overlaps_another = is_split
        fresh.add(answer)
        fresh.held_over = held
        return fresh

    def _late_for(self, pair: frozenset[Endpoint], segment: Segment) -> TrackedConnection | None:
        """Return the earlier connection of these two ends that this segment belongs to, if it came late.

        Networks and captures reorder: the last segments of one connection may come after the next one's SYN.
        """
        earlier = self._earlier.get(pair)
        if earlier is None or (segment.syn and not segment.has_ack):
            return None
        current = self._current[pair]
        if current.answered(segment) is not None:
            return None
        fits = TrackedConnection.repeats_answer if segment.syn else TrackedConnection.fits
        if fits(current, segment) and not current.awaits_syn_ack(segment):
            # The next connection's numbers are often near the last one's: where one fits exactly, that is it.
            if not segment.rst or current.reading.expects(segment):
                return None
            return next((c for c in reversed(earlier) if c.reading.expects(segment)), None)
        found = next((c for c in reversed(earlier) if fits(c, segment)), None)
        if found is not None and segment.syn and current.reading.is_answered_by(segment):
            found.is_split = found.reading.overlaps_another = True
            return None
        return found


def connections(segments: Iterable[Segment]) -> list[Connection]:
    """Sort segments into connections, in order of their first segment."""
    tracker = ConnectionTracker()
    found = [tracked for segment in segments if (tracked := tracker.add(segment)) is not None]
    return [tracked.look() for tracked in found]


def _may_be_same(one: int | None, other: int | None) -> bool:
    return one is None or other is None or distance(one & 0xFFFFFFFF, other & 0xFFFFFFFF) == 0


def _is_opening(segment: Segment) -> bool:
    return segment.syn and not segment.has_ack and segment.checksum is not Checksum.BAD


def _opens(current: TrackedConnection, segment: Segment) -> bool:
    return segment.syn and segment.checksum is not Checksum.BAD and current.ends_before(segment)
