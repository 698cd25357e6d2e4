"""One connection as a person reads it: relative sequence numbers and tcpdump's notation.

Knows how segments belong together; not what is right or wrong about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.tcp import Endpoint, Role, Segment

_HALF = 1 << 31
_SPACE = 1 << 32


def distance(later: int, earlier: int) -> int:
    """`later - earlier` in sequence space: signed, right across the wrap (RFC 9293 section 3.4)."""
    return (later - earlier + _HALF) % _SPACE - _HALF


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The segments of one connection in the order they were captured.

    `client` is the end that sent the SYN (where none was seen, the end that the first segment left).
    `client_isn` and `server_isn` are the initial sequence numbers, or the first number seen in that
    direction less one, so that relative numbers start as tcpdump prints them.
    """

    client: Endpoint
    server: Endpoint
    segments: tuple[Segment, ...]
    client_isn: int | None
    server_isn: int | None

    def role(self, segment: Segment) -> Role:
        """Which end sent this segment."""
        return Role.CLIENT if segment.src == self.client else Role.SERVER

    def relative(self, segment: Segment) -> tuple[int, int]:
        """(seq, ack) relative to the initial sequence numbers; ack is 0 where the segment carries none."""
        own, other = (
            (self.client_isn, self.server_isn)
            if segment.src == self.client
            else (self.server_isn, self.client_isn)
        )
        seq = distance(segment.seq, own) if own is not None else 0
        ack = distance(segment.ack, other) if segment.has_ack and other is not None else 0
        return seq, ack

    def notation(self, segment: Segment) -> str:
        """The segment as tcpdump prints it, without time and addresses: `R. 19:19(0) ack 486`."""
        seq, ack = self.relative(segment)
        text = f"{flag_letters(segment)} {seq}:{seq + segment.payload_len}({segment.payload_len})"
        return f"{text} ack {ack}" if segment.has_ack else text


def flag_letters(segment: Segment) -> str:
    """tcpdump's letters for the control bits: `S`, `S.`, `P.`, `F.`, `R.`, `R`, `.`."""
    flags = segment.flags
    letters = "".join(
        letter
        for bit, letter in (
            (0x01, "F"),
            (0x02, "S"),
            (0x04, "R"),
            (0x08, "P"),
            (0x20, "U"),
            (0x40, "E"),
            (0x80, "W"),
        )
        if flags & bit
    )
    return letters + "." if flags & 0x10 else letters or "none"


def connections(segments: Iterable[Segment]) -> list[Connection]:
    """Sort segments into connections, in order of their first segment."""
    last_by_pair: dict[frozenset[Endpoint], list[Segment]] = {}
    found: list[list[Segment]] = []
    for segment in segments:
        pair = frozenset((segment.src, segment.dst))
        members = last_by_pair.get(pair)
        if members is None or starts_anew(members, segment):
            members = last_by_pair[pair] = []
            found.append(members)
        members.append(segment)
    return [connection(members) for members in found]


def starts_anew(members: Sequence[Segment], segment: Segment) -> bool:
    """True for a SYN that none of the known segments repeats: a port used twice is two connections.

    A SYN that meets nothing but the other end's SYN opens the same connection (RFC 9293 3.5, figure 7).
    """
    return (
        segment.syn
        and not segment.has_ack
        and not any(known.syn and known.src == segment.src and known.seq == segment.seq for known in members)
        and not all(known.syn and not known.has_ack and known.src == segment.dst for known in members)
    )


def connection(members: Sequence[Segment]) -> Connection:
    """One connection from its own segments (at least one), in the order they were captured."""
    first = members[0]
    client, server = (first.dst, first.src) if first.syn and first.has_ack else (first.src, first.dst)
    return Connection(
        client=client,
        server=server,
        segments=tuple(members),
        client_isn=_initial(members, client),
        server_isn=_initial(members, server),
    )


def is_over(connection: Connection) -> bool:
    """True once nothing more can come: a RST that ends it for both ends, or both FINs acknowledged."""
    if any(segment.rst for segment in connection.segments):
        return True
    return fin_acknowledged(connection, Role.CLIENT) and fin_acknowledged(connection, Role.SERVER)


def fin_acknowledged(connection: Connection, role: Role) -> bool:
    """True once the other end has acknowledged the FIN of this one."""
    fin_end = None
    for segment in connection.segments:
        if connection.role(segment) is role:
            if segment.fin:
                fin_end = segment.seq + segment.payload_len + (1 if segment.syn else 0) + 1
        elif fin_end is not None and segment.has_ack and distance(segment.ack, fin_end) >= 0:
            return True
    return False


def _initial(members: Sequence[Segment], endpoint: Endpoint) -> int | None:
    for segment in members:
        if segment.src == endpoint and segment.syn:
            return segment.seq
    for segment in members:
        if segment.src == endpoint and not segment.rst:
            return (segment.seq - 1) % _SPACE
    for segment in members:  # only ever acknowledged, or only ever reset: the numbers its peer used for it
        if segment.dst == endpoint and segment.has_ack:
            return (segment.ack - 1) % _SPACE
    return None
