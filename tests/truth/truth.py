"""Say how each connection really ended, and what a capture of it lets one conclude.

Everything is counted on what the capture shows, with the hosts' knowledge of what it means. Where something
that counts never showed (lost before the tap, or by the capture) and left no trace either, both answers are
right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

from tests.truth.segment import ACK, FIN, RST, SYN, Conn, Crossing, Segment
from tests.truth.sequence import SPACE, distance
from tests.truth.tcb import Gone
from tests.truth.world import World

FIN_ENDING, RST_ENDING, FIN_THEN_RST, NONE = "FIN", "RST", "FIN then RST", "none"
REFUSED, DATA_AFTER_CLOSE, LATE_SEGMENT = "closed port", "data after close", "late segment after close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of one connection in one capture.

    `endings` and `causes` are, for each side, the answers that are right (a cause may always be unknown).
    `client` is the side that sent the SYN, None where both did. `over_at` is where in the capture its end
    shows, counted in frames, None where it does not (it still `may_be_over`); `orderly`: by two FINs.
    `opened`: the capture shows its SYN; `answered`: and the answer to it. `plain`: every RST that counts has
    exactly the number that the other end expects, and no other connection of the same ports is mixed up with
    this one.
    """

    conn: Conn
    client: int | None
    endings: tuple[frozenset[str], frozenset[str]]
    causes: tuple[frozenset[str], frozenset[str]]
    over_at: int | None
    orderly: bool
    may_be_over: bool
    opened: bool
    answered: bool
    plain: bool

    @property
    def over(self) -> bool:
        """Return whether the capture shows the connection's end."""
        return self.over_at is not None


@dataclass(slots=True, eq=False)
class Resets:
    """One host's RSTs: those that count, and those that may be counted or not."""

    sure: list[Segment] = field(default_factory=list)
    maybe: list[Segment] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class View:
    """What the capture shows of one connection: positions in the capture, without corrupted frames."""

    conn: Conn
    shown: list[tuple[int, Segment]] = field(default_factory=list)
    sent: list[Segment] = field(default_factory=list)  # FINs and RSTs, shown or not
    first_at: int = 0
    last_at: int = 0

    def own(self, side: int) -> list[tuple[int, Segment]]:
        """Return what one host itself sent."""
        return [(at, segment) for at, segment in self.shown if segment.side == side and segment.genuine]


def truths(world: World, shown: Sequence[Crossing], ended_ns: int) -> list[Truth]:
    """Return the truth of every connection that the capture shows anything of, in their order."""
    views: dict[Conn, View] = {}
    for at, crossing in enumerate(shown):
        conn = crossing.conn.root()
        view = views.setdefault(conn, View(conn, first_at=at))
        view.last_at = at
        if not crossing.corrupted:
            view.shown.append((at, crossing.segment))
    for segment in world.sent:
        if segment.flags & (FIN | RST) and segment.sent_ns <= ended_ns:
            found = views.get(segment.conn.root())
            if found is not None and not (segment.copies and segment.spoiled == segment.copies):
                found.sent.append(segment)
    ordered = [views[conn] for conn in sorted(views, key=lambda conn: conn.number)]
    return [_truth(view, _alone(view, ordered)) for view in ordered]


def _alone(view: View, others: Sequence[View]) -> bool:
    """Return whether no other connection of the same ports is mixed up with this one."""
    return not any(
        other is not view
        and other.conn.ports == view.conn.ports
        and other.first_at <= view.last_at
        and view.first_at <= other.last_at
        for other in others
    )


def _truth(view: View, alone: bool) -> Truth:
    orderly_at = _orderly_end(view)
    resets = _resets(view, orderly_at)
    conn = view.conn
    opened = any(s.flags & (SYN | ACK) == SYN and s.side == conn.client for _, s in view.shown)
    maybe = [segment for side in resets for segment in side.maybe]
    over_at = _over_at(view, orderly_at, [segment for side in resets for segment in side.sure])
    return Truth(
        conn=conn,
        client=None if conn.simultaneous else conn.client,
        endings=(_endings(view, 0, resets[0]), _endings(view, 1, resets[1])),
        causes=(_causes(view, resets[0]), _causes(view, resets[1])),
        over_at=over_at,
        orderly=orderly_at is not None and orderly_at == over_at,
        may_be_over=any(segment in maybe for _, segment in view.shown),
        opened=opened,
        answered=opened and _answered(view),
        plain=alone and not maybe and all(s.exact or s.abort for side in resets for s in side.sure),
    )


def _over_at(view: View, orderly_at: int | None, counting: Sequence[Segment]) -> int | None:
    """Return where the capture shows the end: the first RST that counts, or the second FIN's ACK."""
    return next((at for at, segment in view.shown if segment in counting), orderly_at)


def _answered(view: View) -> bool:
    wanted = (view.conn.isn + 1) % SPACE
    replies = [s for _, s in view.own(1 - view.conn.client) if s.flags & ACK and s.flags & (SYN | RST)]
    return any(s.ack == wanted for s in replies)


# FINs


def _fins(view: View, side: int) -> tuple[bool, bool]:
    """Return whether a host's FIN shows (itself, or in what came later), and whether it may be unseen."""
    fins = [s for s in view.sent if s.side == side and s.flags & FIN and s.genuine]
    if not fins:
        return False, False
    end = fins[0].end
    if any(s.flags & FIN for _, s in view.own(side)):
        return True, False
    traces = [s.seq for _, s in view.own(side) if not s.flags & SYN and (s.flags & ACK or not s.flags & RST)]
    traces += [s.ack for _, s in view.own(1 - side) if s.flags & ACK]
    return any(distance(number, end) >= 0 for number in traces), True


def _orderly_end(view: View) -> int | None:
    """Return where in the capture both FINs had been acknowledged, None where they never were."""
    found = []
    for side in (0, 1):
        ends = [s.end for s in view.sent if s.side == side and s.flags & FIN and s.genuine]
        if not ends or not _fins(view, side)[0]:
            return None
        replies = [(at, s) for at, s in view.own(1 - side) if s.flags & (ACK | RST) == ACK]
        acks = [at for at, s in replies if distance(s.ack, ends[0]) >= 0]
        if not acks:
            return None
        found.append(acks[0])
    return max(found)


# RSTs


def _resets(view: View, orderly_at: int | None) -> tuple[Resets, Resets]:
    """Return the RSTs of both hosts that count.

    After the end nothing counts. Where an end decides to reset the connection although the capture has shown
    its end (which the end could not know yet), both readings are right.
    """
    found = (Resets(), Resets())
    at = {segment: at for at, segment in reversed(view.shown) if segment.flags & RST and segment.genuine}
    for segment in sorted(at, key=at.__getitem__):
        own, other = found[segment.side], found[1 - segment.side]
        late = orderly_at is not None and at[segment] > orderly_at
        if segment.abort:
            (own.maybe if late else own.sure).append(segment)
        elif segment.counts and not late:
            (own.maybe if other.sure else own.sure).append(segment)
        elif segment.decided or (segment.may_count and not late and not other.sure):
            own.maybe.append(segment)
    for segment in view.sent:
        unseen = segment.flags & RST and segment.genuine and segment not in at
        if unseen and (segment.abort or segment.decided or segment.counts):
            found[segment.side].maybe.append(segment)
    return found


def _endings(view: View, side: int, resets: Resets) -> frozenset[str]:
    shows, hides = _fins(view, side)
    fins = {True} if shows else {False, True} if hides else {False}
    rsts = {True} if resets.sure else {False, True} if resets.maybe else {False}
    return frozenset(_NAMES[fin, rst] for fin, rst in product(fins, rsts))


_NAMES = {
    (False, False): NONE,
    (True, False): FIN_ENDING,
    (False, True): RST_ENDING,
    (True, True): FIN_THEN_RST,
}


# Causes


def _causes(view: View, resets: Resets) -> frozenset[str]:
    return frozenset(label for reset in resets.sure or resets.maybe for label in _labels(view, reset))


def _labels(view: View, reset: Segment) -> Iterable[str]:
    """Yield what a RST may be said to have been sent for."""
    if reset.abort:
        yield reset.reason
        return
    asked = reset.answers
    if asked is None:
        return
    if asked.flags & (SYN | ACK) == SYN:
        if not any(s.flags & SYN for _, s in view.own(reset.side)):
            yield REFUSED
        return
    if not any(s.flags & FIN and s.side == reset.side and s.sent_ns <= reset.sent_ns for s in view.sent):
        return
    yield from _after_close(view, reset, asked)


def _after_close(view: View, reset: Segment, asked: Segment) -> Iterable[str]:
    """Yield what ended the socket of an end that had sent its FIN: new data, or time.

    Where the capture does not show what would tell the two apart, both are right.
    """
    tcb = view.conn.tcbs[reset.side]
    shown_acks = [s.ack for _, s in view.own(reset.side) if s.flags & ACK and s.sent_ns <= reset.sent_ns]
    acks = shown_acks if tcb is None else [*shown_acks, (tcb.irs + tcb.rcv_wup) % SPACE]
    by_data = (tcb is not None and tcb.gone is Gone.ANSWERED) or (asked.length and not _covered(asked, acks))
    yield DATA_AFTER_CLOSE if by_data else LATE_SEGMENT
    new = [s for _, s in view.own(1 - reset.side) if s.length and not _covered(s, shown_acks)]
    if by_data and not new:
        yield LATE_SEGMENT
    if any(s.ack == reset.seq for s in new):
        yield DATA_AFTER_CLOSE


def _covered(segment: Segment, acks: Iterable[int]) -> bool:
    end = (segment.seq + segment.length) % SPACE
    return any(distance(ack, end) >= 0 for ack in acks)
