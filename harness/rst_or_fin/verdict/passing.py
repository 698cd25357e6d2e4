"""Describes in sentences what left and what arrived, and what the wire between the hosts leaves open.

Knows the captures of both ends and what the wire's program reported; no expectations, no rules' texts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from rst_or_fin.evidence.records import WirePlayed
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.two_ends import Fate, Passage, TwoEnds

_MOST_TOLD = 12
_DELAYS = ("delay", "hold")


def remarks(two_ends: TwoEnds, played: WirePlayed | None) -> Iterator[str]:
    """Yield whatever did not pass as it was sent, in order; the same segment several times only once."""
    late = (
        {(a.segment, a.sender) for a in played.actions if a.did in _DELAYS} if played is not None else set()
    )
    told = list(_told(two_ends, late))
    yield from told[:_MOST_TOLD]
    if len(told) > _MOST_TOLD:
        yield f"{len(told) - _MOST_TOLD} more segments were lost, late, altered or forged"
    if only_peer_holds(played, two_ends.near):
        yield "the peer's kernel still had the connection when settle_ms was over"


def _told(two_ends: TwoEnds, late: Collection[tuple[str, str]]) -> Iterator[str]:
    shown = two_ends.shown
    start_ns = shown.segments[0].t_ns
    alike: dict[tuple[str, Role, Fate], list[Passage]] = {}
    for passage in two_ends.passages:
        notation = shown.notation(passage.segment)
        if passage.fate is not Fate.ARRIVED or (notation, passage.sender) in late:
            key = notation, passage.sender, passage.fate
            alike.setdefault(key, []).append(passage)
    for (notation, sender, fate), members in alike.items():
        yield f"{notation} from the {sender} {_fate(fate, members, start_ns)}"


def _fate(fate: Fate, members: Sequence[Passage], start_ns: int) -> str:
    """Say what became of segments; of several, when the first left and how many there were.

    For example `left at 0.010 s and never arrived`.
    """
    first = members[0]
    at = f"{(first.segment.t_ns - start_ns) / 1e9:.3f} s"
    if fate is Fate.FORGED:
        return f"arrived at {at}, but that end never sent it"
    if fate is Fate.COPY:
        return f"arrived again at {at}: duplicated by the wire"
    times = f"{len(members)} times, first at {at}," if len(members) > 1 else f"at {at}"
    if fate is Fate.ARRIVED and first.arrived_ns is not None:
        return f"left {times} and arrived at {(first.arrived_ns - start_ns) / 1e9:.3f} s"
    return f"left {times} and {fate}"


def only_peer_holds(played: WirePlayed | None, connection: Connection) -> bool:
    """Return whether only the peer's host still had the connection when the watch ended."""
    ends = connection.client, connection.server
    return played is not None and (ends in played.held_by_peer or ends[::-1] in played.held_by_peer)


def doubts(played: WirePlayed, passages: Sequence[Passage]) -> Iterator[str]:
    """Yield doubts whether the wire's rules were applied as written."""
    if played.gone:
        yield f"the wire between the hosts ended in the middle of the replay: {played.gone}"
    if played.dropped:
        yield f"the capture at the peer's end is incomplete: the kernel dropped {played.dropped} frames"
    if played.lost:
        yield f"the wire between the hosts had no room for {played.lost} frames"
    if played.pending:
        yield f"{played.pending} segments were still in transit when settle_ms was over: raise it"
    spoiled = [p for p in passages if p.fate is not Fate.ARRIVED]
    if spoiled and not played.actions and not played.gone:
        yield f"{len(spoiled)} segments were lost or altered, although no wire rule acted on them"
