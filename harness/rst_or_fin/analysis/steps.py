"""One captured connection as steps of two players: the end under test, and a script for its peer. Pure.

The end under test is an Erlang session; what it sends for the first time (data, FIN, RST) is an `Own` step.
The peer's segments are played as captured, each after the step whose ACK does not cover it yet, so that the
end under test has received at each of its steps what it had received in the capture. Times are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from rst_or_fin.tcp.connection import Connection, flag_letters
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.options import options
from rst_or_fin.tcp.segment import Checksum, Segment

_MSS_KIND = 2
_WINDOW_SCALE_KIND = 3
_TIMESTAMPS_KIND = 8
_TIMESTAMPS_LEN = 12  # with the two bytes that align it
_LARGEST_WINDOW = 65_535  # the script never scales


class StepKind(Enum):
    """What the end under test sends for the first time."""

    DATA = "data"
    FIN = "FIN"
    RST = "RST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A step of the end under test: its numbers, what it acknowledges, and how it stands in the capture.

    `received` are the payload bytes of the peer that it acknowledges, None if it acknowledges nothing;
    `peer_fin` whether the peer's FIN is acknowledged too. `payload` is what of its data was captured.
    """

    kind: StepKind
    flags: str
    first: int
    end: int
    ack: int | None
    received: int | None
    peer_fin: bool
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """A segment of the peer, to be sent as it is. `window` is in bytes, as far as a script can offer."""

    flags: str
    first: int
    end: int
    ack: int | None
    window: int
    payload: bytes


Step = Own | Peers


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySteps:
    """All steps in order, without the opening. `mss` is the peer's, 0 if it offered none."""

    steps: tuple[Step, ...]
    mss: int
    window: int
    own_received: int
    """How many payload bytes of the peer the end under test has acknowledged in all."""


def replay_steps(connection: Connection, own: Role) -> ReplaySteps:
    """Read a connection as steps. It must be whole: opened, without a hole."""
    ordered = list(_ordered(connection, own))
    opening = next((s for s in connection.segments if s.syn and connection.role(s) is not own), None)
    return ReplaySteps(
        steps=tuple(ordered),
        mss=_option(opening.options, _MSS_KIND) if opening is not None else 0,
        window=min(opening.window, _LARGEST_WINDOW) if opening is not None else _LARGEST_WINDOW,
        own_received=max((s.received or 0 for s in ordered if isinstance(s, Own)), default=0),
    )


def _ordered(connection: Connection, own: Role) -> Iterator[Step]:
    """Put the peer's segments after the steps that had not received them yet, in their own order."""
    held: list[Peers] = []
    resets: set[tuple[str, int]] = set()  # a RST that is sent again says nothing new
    sent_to, fin_seen = 1, False
    peer_fin = _fin_number(connection, own.other)
    scale = _scale(connection, own.other)
    left_out = {ignored.index for ignored in connection.reading.ignored()}  # forged, damaged, too late
    for index, segment in enumerate(connection.segments):
        if segment.syn or index in left_out or segment.checksum is Checksum.BAD:
            continue
        if connection.role(segment) is not own:
            held.append(_peers(connection, segment, scale))
            continue
        step = _own(connection, segment, sent_to, fin_seen, peer_fin)
        if step is None or (step.flags, step.first) in resets:
            continue
        if step.kind is StepKind.RST:
            resets.add((step.flags, step.first))
        sent_to, fin_seen = max(sent_to, step.end), fin_seen or step.kind is StepKind.FIN
        while held and (step.ack is None or held[0].end + ("F" in held[0].flags) <= step.ack):
            yield held.pop(0)
        yield from _with_fin(step, segment)
    yield from held


def _own(
    connection: Connection, segment: Segment, sent_to: int, fin_seen: bool, peer_fin: int | None
) -> Own | None:
    """Read a segment of the end under test; None if it says nothing new."""
    seq, ack = connection.relative(segment)
    end = seq + segment.payload_len
    if segment.rst:
        kind = StepKind.RST
    elif end > sent_to:
        kind = StepKind.DATA
    elif segment.fin and not fin_seen:
        kind = StepKind.FIN
    else:
        return None
    covers_fin = peer_fin is not None and segment.has_ack and ack > peer_fin
    first = max(seq, sent_to) if kind is StepKind.DATA else seq
    return Own(
        kind=kind,
        flags=flag_letters(segment),
        first=first,
        end=end,
        ack=ack if segment.has_ack else None,
        received=ack - 1 - covers_fin if segment.has_ack else None,
        peer_fin=covers_fin,
        payload=segment.payload[first - seq :],
    )


def _with_fin(step: Own, segment: Segment) -> Iterator[Own]:
    """Split a segment with data and a FIN into two steps: the session sends, then closes."""
    if step.kind is not StepKind.DATA or not segment.fin:
        yield step
        return
    yield _as(step, StepKind.DATA, "P.", step.first)
    yield _as(step, StepKind.FIN, "F.", step.end)


def _as(step: Own, kind: StepKind, flags: str, first: int) -> Own:
    return Own(
        kind=kind,
        flags=flags,
        first=first,
        end=step.end,
        ack=step.ack,
        received=step.received,
        peer_fin=step.peer_fin,
        payload=step.payload if kind is StepKind.DATA else b"",
    )


def _peers(connection: Connection, segment: Segment, scale: int) -> Peers:
    seq, ack = connection.relative(segment)
    return Peers(
        flags=flag_letters(segment).replace("E", "").replace("W", "").replace("U", ""),
        first=seq,
        end=seq + segment.payload_len,
        ack=ack if segment.has_ack else None,
        window=min(segment.window << scale, _LARGEST_WINDOW),
        payload=segment.payload,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What an end offers in its SYN: how much fits one segment, its window, the scale that both agreed to."""

    mss: int
    window: int
    scale: int | None


def opening(connection: Connection, role: Role) -> Opening:
    """Read an end's SYN; without one, or without an MSS in it, 536 bytes fit (RFC 9293 section 3.7.1).

    Timestamps that both offered take 12 bytes of each segment, and so of what fits (RFC 7323).
    """
    syns = {connection.role(s): s for s in reversed(connection.segments) if s.syn}
    offered = [syn.options for syn in syns.values()]
    agreed = len(syns) == 2
    stamped = agreed and all(_option(each, _TIMESTAMPS_KIND, absent=-1) >= 0 for each in offered)
    scaled = agreed and all(_option(each, _WINDOW_SCALE_KIND, absent=-1) >= 0 for each in offered)
    syn = syns.get(role)
    if syn is None:
        return Opening(mss=536, window=_LARGEST_WINDOW, scale=None)
    return Opening(
        mss=(_option(syn.options, _MSS_KIND) or 536) - (_TIMESTAMPS_LEN if stamped else 0),
        window=syn.window,
        scale=_option(syn.options, _WINDOW_SCALE_KIND) if scaled else None,
    )


def _fin_number(connection: Connection, role: Role) -> int | None:
    """Return the relative number of an end's FIN, or None."""
    index = connection.reading.end(connection.endpoint(role)).fin
    if index is None:
        return None
    segment = connection.segments[index]
    return connection.relative(segment)[0] + segment.payload_len


def _scale(connection: Connection, role: Role) -> int:
    """Return by how many bits an end's windows are shifted, 0 unless both ends offered to (RFC 7323)."""
    shifts = {
        connection.role(segment): _option(segment.options, _WINDOW_SCALE_KIND, absent=-1)
        for segment in connection.segments
        if segment.syn
    }
    return min(shifts.get(role, -1), 14) if min(shifts.values(), default=-1) >= 0 and len(shifts) == 2 else 0


def _option(data: bytes, kind: int, *, absent: int = 0) -> int:
    """Return the value of a TCP option as a number, or `absent`."""
    return next((int.from_bytes(value, "big") for found, value in options(data) if found == kind), absent)


def is_plain_http(steps: Sequence[Step]) -> bool:
    """Return whether both ends speak HTTP/1 in clear text, all of it captured."""
    first = next((step.payload for step in steps if step.end > step.first), b"")
    line = first.partition(b"\r\n")[0]
    whole = all(len(step.payload) == step.end - step.first for step in steps)
    return whole and (line.startswith(b"HTTP/1.") or line.rpartition(b" ")[2].startswith(b"HTTP/1."))


def unread_from(steps: Sequence[Step]) -> int:
    """Return how many of the peer's bytes the end under test had received when it last sent data."""
    return max((s.received or 0 for s in steps if isinstance(s, Own) and s.kind is StepKind.DATA), default=0)
