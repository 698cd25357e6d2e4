"""Joins two captures of one connection, one at each end: what left, what arrived, and what was forged.

A segment is followed from the capture at its sender's end to the one at its receiver's. What arrives and
never left was made on the way: it counts for neither end. No opinion on how the connection ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rst_or_fin.tcp.acceptance import ConnectionReading
from rst_or_fin.tcp.connection import Connection, connection
from rst_or_fin.tcp.ending import Ending, Role
from rst_or_fin.tcp.ignored import IgnoredReason
from rst_or_fin.tcp.segment import Checksum, Segment


class Fate(StrEnum):
    """What became of a segment on its way."""

    ARRIVED = "arrived"
    LOST = "never arrived"
    CORRUPTED = "arrived with a wrong checksum"
    COPY = "duplicated by the wire"
    FORGED = "not sent by that end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One segment as it left, or else as it arrived. `left_ns` is None if it never left its end.

    `near` and `far` are its indices in the two captures' connections; None if it is not in that one.
    """

    segment: Segment
    sender: Role
    fate: Fate
    left_ns: int | None = None
    arrived_ns: int | None = None
    near: int | None = None
    far: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoEnds:
    """A connection seen from both ends. `near` is the capture at the node's end, `far` that at its peer's.

    Both lack segments made in transit; `far` is None if nothing arrived there. If nothing would be left of
    `near`, it is kept whole: segments already in transit when the captures began look as if made there.
    `shown` has every segment once, in the order in which they left, and those made in transit where they
    arrived; `passages` describes each of them. `forged` are the ends in whose name a RST was accepted that
    they had not sent; `arrived` is the ending of the node as far as it reached the peer, even if forged.
    """

    node: Role
    near: Connection
    far: Connection | None
    shown: Connection
    passages: tuple[Passage, ...]
    forged: frozenset[Role]
    arrived: Ending

    def shown_at(self, index: int, role: Role) -> int:
        """Return the index in `shown` of a segment, given by its index in the connection at its own end."""
        at_end = self.near if role is self.node else self.far
        assert at_end is not None
        wanted = at_end.segments[index]
        return next(n for n, passage in enumerate(self.passages) if passage.segment is wanted)


def both_ends(near: Connection, far: Connection | None, node: Role) -> TwoEnds:
    """Follow every segment of a connection. `node` is the role of the end where `near` was captured."""
    passages = sorted(_passages(near, far, node), key=lambda passage: passage.segment.t_ns)
    made = [p for p in passages if p.left_ns is None]
    made_near = {p.near for p in made if p.near is not None}
    made_far = {p.far for p in made if p.far is not None}
    forged = {id(p.segment) for p in made if p.fate is Fate.FORGED}
    return TwoEnds(
        node=node,
        near=_without(near, made_near) if len(made_near) < len(near.segments) else near,
        far=_without(far, made_far) if far is not None and len(made_far) < len(far.segments) else None,
        shown=_shown(passages, near),
        passages=tuple(passages),
        forged=frozenset(_taken(near, forged) | (_taken(far, forged) if far else set())),
        arrived=_arrived(passages, node),
    )


def _passages(near: Connection, far: Connection | None, node: Role) -> Iterator[Passage]:
    for sender in Role:
        here, there = (near, far) if sender is node else (far, near)
        is_near = sender is node
        yield from _of(sender, _sent_by(sender, here), _sent_by(sender, there), is_near=is_near)


def _sent_by(sender: Role, at: Connection | None) -> list[tuple[int, Segment]]:
    if at is None:
        return []
    return [(index, segment) for index, segment in enumerate(at.segments) if at.role(segment) is sender]


def _of(
    sender: Role,
    left: Sequence[tuple[int, Segment]],
    arrived: Sequence[tuple[int, Segment]],
    *,
    is_near: bool,
) -> Iterator[Passage]:
    """Follow the segments of one end from its own capture to the other's."""
    waiting: dict[tuple[object, ...], list[int]] = {}
    for place, (_, segment) in enumerate(left):
        waiting.setdefault(_identity(segment), []).append(place)
    came: dict[int, tuple[int, Segment]] = {}
    extra: list[tuple[int, Segment, int | None]] = []
    for index, segment in arrived:
        places = [p for p in waiting.get(_identity(segment), ()) if left[p][1].t_ns <= segment.t_ns]
        free = [p for p in places if p not in came]
        if free:
            came[free[-1]] = index, segment
        else:
            extra.append((index, segment, places[-1] if places else None))
    for place, (index, segment) in enumerate(left):
        there = came.get(place)
        fate = Fate.LOST
        if there is not None:
            fate = Fate.CORRUPTED if there[1].checksum is Checksum.BAD else Fate.ARRIVED
        other = there[0] if there else None
        yield Passage(
            segment=segment,
            sender=sender,
            fate=fate,
            left_ns=segment.t_ns,
            arrived_ns=there[1].t_ns if there else None,
            near=index if is_near else other,
            far=other if is_near else index,
        )
    for index, segment, origin in extra:
        yield Passage(
            segment=segment,
            sender=sender,
            fate=Fate.FORGED if origin is None else Fate.COPY,
            left_ns=None,
            arrived_ns=segment.t_ns,
            near=None if is_near else index,
            far=index if is_near else None,
        )


def _identity(segment: Segment) -> tuple[object, ...]:
    """Return what a segment keeps on its way, except its checksum."""
    return (
        segment.seq,
        segment.ack,
        segment.flags,
        segment.window,
        segment.ip_id,
        segment.ttl,
        segment.options,
        segment.payload,
    )


def _without(found: Connection, indices: Iterable[int]) -> Connection:
    """Return the connection as if these segments had never come."""
    left_out = set(indices)
    if not left_out:
        return found
    return connection([s for index, s in enumerate(found.segments) if index not in left_out])


def _taken(found: Connection, forged: Collection[int]) -> set[Role]:
    """Return the ends in whose name a forged RST was accepted here; `forged` are the ids of segments."""
    ends = {role: found.reading.end(found.endpoint(role)) for role in Role}
    segments = found.segments
    return {role for role, end in ends.items() if any(id(segments[r.index]) in forged for r in end.resets)}


def _shown(passages: Sequence[Passage], near: Connection) -> Connection:
    """Join all of them into one connection, in which segments made in transit decide nothing."""
    if [passage.near for passage in passages] == [*range(len(near.segments))]:  # all passed as it was sent
        return connection([passage.segment for passage in passages], near.reading, like=near)
    return connection([passage.segment for passage in passages], _read(passages), like=near)


def _read(passages: Sequence[Passage]) -> ConnectionReading:
    """Read all of them; segments made in transit count for neither end."""
    reading = ConnectionReading(passages[0].segment.src)
    for passage in passages:
        if passage.fate is Fate.FORGED:
            reading.pass_over(IgnoredReason.FORGED)
        elif passage.fate is Fate.COPY:
            reading.pass_over(IgnoredReason.COPY)
        else:
            reading.add(passage.segment)
    return reading


def _arrived(passages: Sequence[Passage], node: Role) -> Ending:
    """Return how the node's end ended as far as it reached the peer."""
    lost = (Fate.LOST, Fate.CORRUPTED)
    good = [p.segment for p in passages if p.sender is node and p.fate not in lost]
    fin, rst = any(s.fin for s in good), any(s.rst for s in good)
    if fin and rst:
        return Ending.FIN_THEN_RST
    return Ending.RST if rst else Ending.FIN if fin else Ending.NONE
