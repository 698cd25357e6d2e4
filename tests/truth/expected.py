"""Say how many connections a capture shows of each port pair, where it shows their openings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tests.truth.conversation import Conversation
from tests.truth.segment import ACK, RST, SYN, Conn, Crossing
from tests.truth.sequence import SPACE
from tests.truth.truth import Truth


def counts(conversation: Conversation) -> dict[frozenset[int], tuple[int, int]]:
    """Return the least and the largest right number of connections for each port pair.

    Pairs of which a connection began before the capture, or without it, are left out.
    """
    by_ports: dict[tuple[int, int], list[Truth]] = defaultdict(list)
    for truth in conversation.truths:
        by_ports[truth.conn.ports].append(truth)
    shown = [crossing for crossing, _ in conversation.shown]
    return {
        frozenset(ports): _count(truths, shown)
        for ports, truths in by_ports.items()
        if all(truth.opened for truth in truths)
    }


def _count(truths: Sequence[Truth], shown: Sequence[Crossing]) -> tuple[int, int]:
    """Count the connections of one port pair.

    A SYN opens another connection if it comes after the end of the one before, or if it has another number
    and was answered; the first does if nothing came before it. One that has the same number and no answer may
    be a late copy: both readings are right.
    """
    conns = {truth.conn for truth in truths}
    began_at = next(at for at, c in enumerate(shown) if c.conn.root() in conns and not c.corrupted)
    ordered = sorted(truths, key=lambda truth: _opened_at(truth.conn, shown))
    least = 0
    most = int(not shown[began_at].segment.flags & SYN)  # what comes before the first SYN may be an older one
    over_at: int | None = None  # where the connection before ended, in the capture
    isns: set[int] = set()
    for truth in ordered:
        opened_at = _opened_at(truth.conn, shown)
        fresh = truth.conn.isn not in isns
        after = (not isns and opened_at == began_at) or (over_at is not None and over_at < opened_at)
        least += (fresh and (after or truth.answered)) or (after and _replied(truth.conn, opened_at, shown))
        most += 1 + _copies_after(truth, shown)
        isns.add(truth.conn.isn)
        over_at = truth.over_at
    return max(least, 1), most


def _replied(conn: Conn, opened_at: int, shown: Sequence[Crossing]) -> bool:
    """Return whether a SYN ACK shows, or a refusal behind the SYN."""
    wanted = (conn.isn + 1) % SPACE
    return any(
        crossing.conn.root() is conn
        and crossing.segment.side != conn.client
        and crossing.segment.genuine
        and not crossing.corrupted
        and crossing.segment.ack == wanted
        and (crossing.segment.flags & SYN or (crossing.segment.flags & RST and at > opened_at))
        for at, crossing in enumerate(shown)
    )


def _opened_at(conn: Conn, shown: Sequence[Crossing]) -> int:
    return next(at for at, crossing in enumerate(shown) if _opens(crossing, conn))


def _copies_after(truth: Truth, shown: Sequence[Crossing]) -> int:
    """Return how many copies of a connection's SYN the capture shows after its end."""
    over_at = truth.over_at
    if over_at is None:
        return 0
    return sum(_opens(crossing, truth.conn) for crossing in shown[over_at:])


def _opens(crossing: Crossing, conn: Conn) -> bool:
    syn = crossing.segment.flags & (SYN | ACK) == SYN
    return syn and crossing.conn.root() is conn and not crossing.corrupted
