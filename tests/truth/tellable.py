"""Find out whether a capture lets anybody tell forged RSTs from their victims' own.

Nobody can tell a perfect forgery (the host's TTL, a number that is expected, the host silent afterwards) from
a host's own RST, nor a host's own RST from a forged one where its TTL is one that this host has not had: no
conversation may contain either.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.truth.segment import ACK, FIN, RST, SYN, Conn, Crossing
from tests.truth.sequence import SPACE, distance
from tests.truth.truth import Truth

LARGEST_WINDOW = 1 << 17  # no host here offers more (traits)


def untellable(shown: Sequence[Crossing], truths: Sequence[Truth]) -> str:
    """Return what cannot be told, or nothing."""
    # Behind two FINs nothing counts any more; behind a RST, the other end's still may.
    over_at = {truth.conn: truth.over_at if truth.orderly else None for truth in truths}
    for at, crossing in enumerate(shown):
        if crossing.corrupted or not crossing.segment.flags & RST:
            continue
        conn = crossing.conn.root()
        ended_at = over_at.get(conn)
        if ended_at is not None and ended_at < at:
            continue
        if crossing.segment.genuine:
            if _new_ttl(shown, crossing, conn):
                return f"frame {at} looks forged"
        elif not _tellable(shown, at, conn):
            return f"frame {at} looks like its victim's own RST"
    return ""


def unseen_opening(conns: Sequence[Conn], shown: Sequence[Crossing]) -> str:
    """Return what cannot be told where a forged SYN, not captured, made an end open from both sides."""
    captured = {crossing.segment.conn for crossing in shown if crossing.segment.flags & SYN}
    unseen = [conn for conn in conns if conn.stray and conn.root() is not conn and conn not in captured]
    return "a forged SYN opened a connection out of the capture's sight" if unseen else ""


def cut_behind_a_reset(shown: Sequence[Crossing], truths: Sequence[Truth]) -> str:
    """Return what cannot be told where a connection's last RST has its FIN's own number.

    Linux takes it where it has not acknowledged the FIN yet; a stricter host answers, which was not captured.
    """
    for truth in truths:
        mine = [c for c in shown if c.conn.root() is truth.conn and not c.corrupted]
        last = next((c.segment for c in reversed(mine) if c.segment.flags & RST), None)
        if last is None or last.flags & (RST | ACK) != RST or not last.genuine or last.counts:
            continue
        fins = (c.segment for c in mine if c.segment.side == last.side and c.segment.flags & FIN)
        if any(distance(fin.end, last.seq) == 1 for fin in fins):
            return "the capture is cut behind a RST that only a strict host ignores"
    return ""


def looks_like_a_probe(happened: Sequence[Crossing], shown: Sequence[Crossing]) -> str:
    """Return what cannot be told where all that is left of a connection is SYN, SYN ACK and RST.

    So does a scan look, and a client that gave up; what lay between was not captured.
    """
    went_on = {c.conn.root() for c in happened if not c.segment.flags & (SYN | RST)}
    for conn in went_on:
        left = {c.segment.flags & (SYN | ACK | RST) for c in shown if c.conn.root() is conn}
        if left and left <= {SYN, SYN | ACK, RST} and RST in left:
            return "nothing but SYN, SYN ACK and RST was captured of a whole connection"
    return ""


def _new_ttl(shown: Sequence[Crossing], reset: Crossing, conn: Conn) -> bool:
    """Return whether a host's own RST has a TTL that none of its other segments has."""
    others = [
        crossing.ttl
        for crossing in shown
        if crossing.conn.root() is conn
        and crossing.segment.side == reset.segment.side
        and crossing.segment is not reset.segment
        and _counts(crossing)
    ]
    return bool(others) and reset.ttl not in others


def _tellable(shown: Sequence[Crossing], at: int, conn: Conn) -> bool:
    own, other = (
        [
            (index, crossing)
            for index, crossing in enumerate(shown)
            if crossing.segment.side == side and crossing.conn.root() is conn and _counts(crossing)
        ]
        for side in (shown[at].segment.side, 1 - shown[at].segment.side)
    )
    return _other_ttl(shown[at], own) or _unacceptable(shown[at], at, other, conn) or _goes_on(at, own)


def _counts(crossing: Crossing) -> bool:
    return crossing.segment.genuine and not crossing.corrupted


def _other_ttl(forged: Crossing, own: Sequence[tuple[int, Crossing]]) -> bool:
    return bool(own) and all(crossing.ttl != forged.ttl for _, crossing in own)


def _unacceptable(
    forged: Crossing,
    at: int,
    other: Sequence[tuple[int, Crossing]],
    conn: Conn,
) -> bool:
    """Return whether the other end cannot have taken it, as far as the capture shows."""
    segment = forged.segment
    told = [
        c.segment for index, c in other if index < at and c.segment.flags & ACK and not c.segment.flags & RST
    ]
    if not told:  # still in SYN-SENT: it must acknowledge the SYN
        return segment.side != conn.client and not (
            segment.flags & ACK and segment.ack == (conn.isn + 1) % SPACE
        )
    expected = max(told, key=lambda s: distance(s.ack, told[0].ack)).ack
    off = distance(segment.seq, expected)
    return off < -1 or off > LARGEST_WINDOW


def _goes_on(at: int, own: Sequence[tuple[int, Crossing]]) -> bool:
    """Return whether its victim later sends, or acknowledges, what it had not before."""
    before = [c.segment for index, c in own if index < at]
    after = [c.segment for index, c in own if index > at and not c.segment.flags & RST]
    if not before:
        return any(not s.flags & SYN for s in after)
    sent = max(before, key=lambda s: distance(s.end, before[0].end)).end
    acks = [s.ack for s in before if s.flags & ACK]
    return any(
        distance(s.end, sent) > 0
        or (s.flags & FIN and not any(b.flags & FIN for b in before))
        or (bool(acks) and bool(s.flags & ACK) and all(distance(s.ack, ack) > 0 for ack in acks))
        for s in after
    )
