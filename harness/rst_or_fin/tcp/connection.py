"""Presents one connection: relative sequence numbers and tcpdump's notation.

Knows who is the client and how numbers are printed; not what is right or wrong about the segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from rst_or_fin.tcp.acceptance import ConnectionReading, read
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.segment import SPACE, Endpoint, Segment, distance

_WELL_KNOWN_END = 1024  # of the system ports (RFC 6335 section 6)


class Roles(StrEnum):
    """What shows who is the client: the SYN, a well-known port at one end, or nothing."""

    HANDSHAKE = "the handshake"
    PORTS = "the ports"
    NOT_SEEN = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The segments of one connection in the order they were captured.

    `client` is the end that sent the SYN. If none was seen, it is the end whose peer has a well-known port,
    or else the end that the first segment left, and no client in any other sense: see `roles`. `client_isn`
    and `server_isn` are the initial sequence numbers, or the first number seen in that direction less one, so
    that relative numbers start as tcpdump prints them.
    """

    client: Endpoint
    server: Endpoint
    roles: Roles
    segments: tuple[Segment, ...]
    client_isn: int | None
    server_isn: int | None
    reading: ConnectionReading = field(compare=False, repr=False)

    def endpoint(self, role: Role) -> Endpoint:
        """Return the address and port of that end."""
        return self.client if role is Role.CLIENT else self.server

    def name(self, role: Role) -> str:
        """Name an end: "client" or "server"; its address if the roles are unknown."""
        return str(self.endpoint(role)) if self.roles is Roles.NOT_SEEN else str(role)

    def role(self, segment: Segment) -> Role:
        """Return which end sent this segment."""
        return Role.CLIENT if segment.src == self.client else Role.SERVER

    def relative(self, segment: Segment) -> tuple[int, int]:
        """Return (seq, ack) relative to the initial sequence numbers; ack is 0 without ACK."""
        own, other = (
            (self.client_isn, self.server_isn)
            if segment.src == self.client
            else (self.server_isn, self.client_isn)
        )
        seq = distance(segment.seq, own) if own is not None else 0
        ack = distance(segment.ack, other) if segment.has_ack and other is not None else 0
        return seq, ack

    def notation(self, segment: Segment) -> str:
        """Return the segment as tcpdump prints it, without time and addresses: `R. 19:19(0) ack 486`."""
        seq, ack = self.relative(segment)
        text = f"{flag_letters(segment)} {seq}:{seq + segment.payload_len}({segment.payload_len})"
        return f"{text} ack {ack}" if segment.has_ack else text


def flag_letters(segment: Segment) -> str:
    """Return tcpdump's letters for the control bits: `S`, `S.`, `P.`, `F.`, `R.`, `R`, `.`."""
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


def connection(
    members: Sequence[Segment], known: ConnectionReading | None = None, like: Connection | None = None
) -> Connection:
    """Build one connection from its own segments (at least one), in the order they were captured.

    `known`: what was already read of exactly these segments. `like`: the same connection as it was captured
    elsewhere, which says which end is the client.
    """
    if like is not None:
        return replace(
            like,
            segments=tuple(members),
            client_isn=_initial(members, like.client),
            server_isn=_initial(members, like.server),
            reading=known or read(members),
        )
    found = known or read(members)
    one = members[0].src, members[0].dst
    client, server, roles = _roles(members, found, *one)
    return Connection(
        client=client,
        server=server,
        roles=roles,
        segments=tuple(members),
        client_isn=_initial(members, client),
        server_isn=_initial(members, server),
        reading=found,
    )


def _roles(
    members: Sequence[Segment], found: ConnectionReading, one: Endpoint, other: Endpoint
) -> tuple[Endpoint, Endpoint, Roles]:
    """Return the client, the server, and what shows that: the first SYN, or else the ports."""
    openings = sorted((index, end) for end in (one, other) if (index := found.end(end).syn) is not None)
    for index, end in openings:
        if not members[index].has_ack:
            return end, other if end == one else one, Roles.HANDSHAKE
    for _, end in openings:  # a SYN ACK alone: whom it answers is the client
        return other if end == one else one, end, Roles.HANDSHAKE
    low, high = sorted((one, other), key=lambda end: end.port)
    if low.port < _WELL_KNOWN_END and low.port < high.port:
        return high, low, Roles.PORTS
    return one, other, Roles.NOT_SEEN


def _initial(members: Sequence[Segment], endpoint: Endpoint) -> int | None:
    for segment in members:
        if segment.src == endpoint and segment.syn:
            return segment.seq
    for segment in members:
        if segment.src == endpoint and not segment.rst:
            return (segment.seq - 1) % SPACE
    for segment in members:  # only ever acknowledged, or only ever reset: the numbers its peer used for it
        if segment.dst == endpoint and segment.has_ack:
            return (segment.ack - 1) % SPACE
    return None
