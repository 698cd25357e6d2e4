"""Segments sorted into connections as they come: where one ends and the next with its ports begins.

A SYN after the end of a connection (a RST, or both FINs) opens a new one, also with the same initial sequence
number; a copy of a SYN or SYN ACK stays with its own connection; a SYN in the middle of a live connection is
held back until the other end answers it (RFC 9293 section 3.10.7.4, RFC 5961 section 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from harness.reading import Reading, read
from harness.tcp import Checksum, Endpoint, Segment, distance
from harness.trace import Connection, connection


class _Stray(NamedTuple):
    """A SYN that opens nothing yet, and the indices of all its copies. `is_copy`: of the connection's own."""

    syn: Segment
    is_copy: bool
    indices: list[int]


class Conversation:
    """One connection in the making. `strays`: SYNs that open nothing yet, by sender.

    Once it has been taken it keeps no segments: only what tells that a later segment is still one of its own.
    """

    def __init__(self, first: Endpoint, other: Endpoint) -> None:
        self.ends = (first, other)
        self.members: list[Segment] = []
        self.reading = Reading(first)
        self.strays: dict[Endpoint, _Stray] = {}
        self.taken = False

    def add(self, segment: Segment) -> None:
        if not self.taken:
            self.members.append(segment)
            self.reading.add(segment)

    def take(self) -> Connection:
        """The connection as it stands; what comes later changes it no more."""
        found = connection(self.members, self.reading)
        self.taken, self.members, self.strays = True, [], {}
        return found

    def look(self) -> Connection:
        """The connection as far as it was seen."""
        return connection(self.members, self.reading)

    def repeats(self, segment: Segment) -> bool:
        """Whether this SYN or SYN ACK is a copy of the one that opened this connection."""
        isn = self.reading.end(segment.src).isn
        return isn is not None and distance(segment.seq, isn & 0xFFFFFFFF) == 0

    def ends_before(self, segment: Segment) -> bool:
        """Whether this SYN or SYN ACK can only be the first segment of another connection."""
        ended = self.taken or self.reading.is_reset or self.reading.both_fins
        if segment.has_ack:
            return ended and not self.repeats(segment) and not self.answered(segment)
        return self.reading.is_reset if self.repeats(segment) else ended

    def may_open_another(self, segment: Segment) -> bool:
        """Whether a SYN without ACK opens another connection if the other end answers it."""
        return self.reading.both_fins if self.repeats(segment) else not self.reading.joins(segment)

    def hold(self, segment: Segment) -> None:
        """Remember a SYN that may open another connection; the next member is this one."""
        known = self.strays.get(segment.src)
        if known is None or known.syn.seq != segment.seq:
            known = self.strays[segment.src] = _Stray(segment, self.repeats(segment), [])
        known.indices.append(len(self.members))

    def answered(self, segment: Segment) -> bool:
        """Whether a SYN ACK or a refusal acknowledges a SYN that was held back."""
        if not (segment.has_ack and (segment.syn or segment.rst)) or segment.dst not in self.strays:
            return False
        stray = self.strays[segment.dst]
        if segment.syn and stray.is_copy and self.repeats(segment):
            return False  # a copy as well
        return 0 < distance(segment.ack, stray.syn.seq) <= 1 + stray.syn.payload_len

    def cut_out(self, sender: Endpoint) -> list[Segment]:
        """Take the SYNs out that were held back for this sender: another connection begins with them."""
        left_out = set(self.strays.pop(sender).indices)
        held = [self.members[index] for index in sorted(left_out)]
        self.members = [s for index, s in enumerate(self.members) if index not in left_out]
        self.reading = read(self.members)
        return held


class ConnectionTracker:
    """Sorts segments into conversations."""

    def __init__(self) -> None:
        self._current: dict[frozenset[Endpoint], Conversation] = {}

    def add(self, segment: Segment) -> Conversation | None:
        """Take in the next segment; the conversation that begins with it, if one does."""
        pair = frozenset((segment.src, segment.dst))
        current = self._current.get(pair)
        begun: Conversation | None = None
        if current is None or _opens(current, segment):
            current = begun = self._begin(segment.src, segment.dst)
        elif current.answered(segment):
            syns = current.cut_out(segment.dst)
            current = begun = self._begin(segment.dst, segment.src)
            for syn in syns:
                current.add(syn)
        elif not current.taken and _is_opening(segment) and current.may_open_another(segment):
            current.hold(segment)
        current.add(segment)
        return begun

    def _begin(self, first: Endpoint, other: Endpoint) -> Conversation:
        self._current[frozenset((first, other))] = fresh = Conversation(first, other)
        return fresh


def connections(segments: Iterable[Segment]) -> list[Connection]:
    """Sort segments into connections, in order of their first segment."""
    tracker = ConnectionTracker()
    found = [conversation for segment in segments if (conversation := tracker.add(segment)) is not None]
    return [conversation.look() for conversation in found]


def _is_opening(segment: Segment) -> bool:
    return segment.syn and not segment.has_ack and segment.checksum is not Checksum.BAD


def _opens(current: Conversation, segment: Segment) -> bool:
    return segment.syn and segment.checksum is not Checksum.BAD and current.ends_before(segment)
