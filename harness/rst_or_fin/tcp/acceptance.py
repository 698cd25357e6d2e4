"""Decides which segments of a connection the receiving TCPs accepted (RFC 9293, RFC 5961).

One pass in the order of the capture, linear in the segments. Knows no files, no expectations, and nothing but
the wire: why an end closed is for the judge to decide.

A RST counts if the receiver's TCP would have accepted it (RFC 9293 section 3.10.7, RFC 5961 section 3) and
the end that it claims to come from fell silent afterwards. Every other RST is remembered as an `Ignored`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from rst_or_fin.tcp.ignored import Ignored, IgnoredReason, Question
from rst_or_fin.tcp.segment import Checksum, Endpoint, Segment, distance
from rst_or_fin.tcp.sender_state import SLACK_LEN, CandidateReset, End
from rst_or_fin.tcp.windows import (
    acceptable,
    answers_nothing,
    candidate,
    is_refusal,
    shift,
    window_scale,
)

_CROSSING_NS = 1_000_000_000  # two aborts cross on the way where they were captured closer than this


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
        """Whether only SYNs of one end were captured, not counting ignored segments."""
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

        As (index, whether the TTL shows it; else the IP ID does).
        """
        return sorted(
            (reset.index, not end.has_ttl_of(reset))
            for end in self._ends
            for reset in (*end.resets, *end.beyond.values())
            if end.last_other < reset.index and not end.is_own(reset)
        )

    def questions(self) -> list[tuple[int, Question]]:
        """Return segments, by index, of which it is unknown whether they decide."""
        resets = [reset for end in self._ends if (reset := end.reset()) is not None]
        found = (*self._questions.items(), *self._about_ends())
        if not resets:
            return sorted(found)
        return sorted((*found, *self._about_resets(resets), *self._about_other_syns(resets)))

    def _about_ends(self) -> Iterator[tuple[int, Question]]:
        """Yield what may be a FIN or a RST that was not captured or not counted."""
        for end in self._ends:
            if end.misses_its_last and not self.closed_by_fins:
                yield end.last_other, Question.MISSING
            if end.missed is not None and end.reset() is None and end.last_other < end.missed:
                yield end.missed, Question.LAST_WORD

    def _about_resets(self, resets: Sequence[CandidateReset]) -> Iterator[tuple[int, Question]]:
        """Yield what is open about the RSTs with which the ends ended."""
        first, first_ns = min((reset.index, reset.t_ns) for reset in resets)
        is_forged = any(why is IgnoredReason.WENT_ON for why in self._ignored.values())
        is_own = all(end.is_own(reset) for end in self._ends for reset in end.resets)
        is_alone = len(resets) == 1 and is_own and not is_forged
        for reset in resets:
            if reset.contested:
                yield reset.index, Question.WENT_ON
            if not (reset.is_exact or (reset.is_certain and is_alone)):
                yield reset.index, Question.OLD_NUMBER
            if reset.index > first and (not reset.has_ack or reset.t_ns - first_ns > _CROSSING_NS):
                yield reset.index, Question.AFTER_A_RESET
        for end, other in (self._ends, self._ends[::-1]):
            own = end.reset()
            if own is not None and other.syn is not None and end.leaps_to(own):
                yield own.index, Question.MISSING

    def _about_other_syns(self, resets: Sequence[CandidateReset]) -> Iterator[tuple[int, Question]]:
        """Yield SYNs to which the RSTs may belong instead."""
        yield from ((index, Question.SIMULTANEOUS) for index in self._both_open())
        if not all(reset.has_ack for reset in resets):
            stray = (i for i, why in self._ignored.items() if why is IgnoredReason.STRAY_SYN)
            yield from ((index, Question.STRAY_SYN) for index in islice(stray, 1))

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
            own.scale = window_scale(segment.options)
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
        edge = acked + (segment.window << shift(segment, own, peer))
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
        low, high = acceptable(own, seq)
        if own.isn is not None and is_refusal(segment, peer):
            # Where number 0 lies to the window is chance.
            self._ignore(index, IgnoredReason.OUT_OF_WINDOW)
            self._questions[index] = Question.REFUSES_LATE
        elif low <= seq <= high:
            if not segment.has_ack and (
                own.acked_to is None or seq > own.acked_to or answers_nothing(own, peer)
            ):
                self._questions.setdefault(index, Question.UNSEEN_ACK)
            reset = candidate(index, segment, seq, own, peer, refuses=False)
            own.add_candidate(reset)
            if segment.has_ack and own.is_own(reset):
                self._acknowledge(index, peer.unwrap(segment.ack), segment, own, peer)
        elif seq > high and (own.edge is None or seq <= own.edge):
            self._keep_beyond(candidate(index, segment, seq, own, peer, refuses=False), own)
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
        own.add_candidate(candidate(index, segment, seq, own, peer, refuses=True))


def read(segments: Iterable[Segment]) -> ConnectionReading:
    """Read a whole connection: its own segments (at least one), in the order they were captured."""
    reading: ConnectionReading | None = None
    for segment in segments:
        reading = reading or ConnectionReading(segment.src)
        reading.add(segment)
    assert reading is not None
    return reading


def _why_not(segment: Segment, peer: End) -> IgnoredReason:
    """Say why a RST is outside the window: it may answer what was no part of the connection either."""
    return (
        IgnoredReason.EARLIER
        if not segment.has_ack and segment.seq == peer.astray
        else IgnoredReason.OUT_OF_WINDOW
    )
