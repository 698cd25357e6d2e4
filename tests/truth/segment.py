"""Describe what is sent: a segment with its sender's knowledge, and the connection that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.truth.sequence import MASK

if TYPE_CHECKING:
    from tests.truth.tcb import Tcb

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

A, B = 0, 1  # the two hosts; a segment's `side` is the host that sent it, or that a forger pretends to be


@dataclass(slots=True, eq=False)
class Conn:
    """One connection as the hosts know it: one opening, however often its SYN is repeated.

    `client` is the side that sent the SYN. `tcbs` are the control blocks that each side had for it last.
    `twin` is the connection that this one turned out to be (both ends opened at once).
    """

    number: int
    ports: tuple[int, int]  # of A, of B
    client: int
    isn: int
    tcbs: list[Tcb | None] = field(default_factory=lambda: [None, None])
    stray: bool = False  # opened by a SYN that its client never sent, or not for this
    refused: bool = False
    simultaneous: bool = False
    twin: Conn | None = None

    def root(self) -> Conn:
        """Return the connection that this one is a part of: itself, unless both ends opened at once."""
        return self if self.twin is None else self.twin.root()


@dataclass(slots=True, eq=False, kw_only=True)
class Segment:
    """One segment as it left its host (or a forger).

    Of a RST: `abort` says that an application or a timer decided it, `decided` that TCP did while its socket
    was alive. `counts` becomes true where the other end took it, or would have; `may_count` where it would
    have, but had been reset already; `exact` where the number is just the one that the other end expects.
    `spoiled` of `copies` were corrupted on the way to the tap.
    """

    side: int
    conn: Conn
    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    window: int
    ttl: int
    ip_id: int
    length: int = 0
    offset: int = 0  # where in its stream the payload starts, in bytes
    mss: int = 0
    wscale: int = -1
    stamp: tuple[int, int] | None = None  # TSval and TSecr
    sent_ns: int = 0
    genuine: bool = True
    reason: str = ""  # of a RST: why it was sent
    abort: bool = False
    decided: bool = False
    answers: Segment | None = None  # what a RST that is no abort answers
    counts: bool = False
    may_count: bool = False
    exact: bool = False
    copies: int = 0
    spoiled: int = 0

    @property
    def end(self) -> int:
        """Return the sequence number behind this segment."""
        return (self.seq + self.length + (self.flags & FIN) + ((self.flags & SYN) >> 1)) & MASK


@dataclass(slots=True, eq=False)
class Crossing:
    """One copy of a segment as it passes the tap.

    `corrupted` is 0, or says which bit of it is wrong; `used` once a host was handed it.
    """

    segment: Segment
    at_ns: int
    ttl: int
    conn: Conn
    corrupted: int = 0
    used: bool = False
    states: tuple[str, str] = ("", "")
