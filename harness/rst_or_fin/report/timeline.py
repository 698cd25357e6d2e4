"""Places the calls of a session on the capture's clock: as measured, or by what they caused.

A call's own start time (`Call.t_ns`) is used where the evidence has one and the wire does not contradict it:
a guest kernel's clock is not the capture's. Otherwise causality places the call: a connect right
before its SYN, a send right before its data, the close right before the closing segment, a wait until what
it waits for has come; durations fill in the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rst_or_fin.evidence.records import Call, Replay, SocketState
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.segment import Segment

_CLOCK_SLACK_NS = 1_000_000
_AWAITED_BYTES = re.compile(r"\bawait_(?:unread|read|received)\([^,]*,\s*(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a call began and returned, in nanoseconds on the capture's clock."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One moment for each call of the session; `measured` tells whether they were, or were deduced.

    `snapshot_ns` is when the sockets were looked at before the closing call: at its beginning at the latest,
    and before more bytes came than were counted.
    """

    moments: tuple[Moment, ...]
    snapshot_ns: int
    measured: bool


def timeline(
    replay: Replay, connection: Connection | None, subject: Role, socket: SocketState | None
) -> Timeline:
    """Place every call of the replay; without a connection only their order is known.

    `socket` is the state of the end under test right before the close line.
    """
    if connection is None:
        count = len(replay.calls)
        order = tuple(Moment(start_ns=2 * i, end_ns=2 * i + 1) for i in range(count))
        return Timeline(moments=order, snapshot_ns=2 * (replay.close_line - 1), measured=False)
    wire = _Wire(connection, subject, socket)
    anchors, deduced = _deduce(replay, wire)
    measured = _measured(replay.calls, anchors, wire)
    moments = measured or deduced
    snapshot_ns = _snapshot_ns(replay, moments, wire)
    if measured is None:  # a call before the snapshot was over by then, however late it was put
        before = (_ended_by(moment, snapshot_ns) for moment in moments[: max(0, replay.close_line - 1)])
        moments = (*before, *moments[max(0, replay.close_line - 1) :])
    return Timeline(moments=moments, snapshot_ns=snapshot_ns, measured=measured is not None)


class _Wire:
    """The connection's segments as the end under test sees them."""

    def __init__(self, connection: Connection, subject: Role, socket: SocketState | None) -> None:
        self.socket = socket
        self.segments = connection.segments
        self._ends = tuple(
            connection.relative(segment)[0] + segment.payload_len - 1 if segment.payload_len else 0
            for segment in connection.segments
        )
        self.own = tuple(connection.role(segment) is subject for segment in connection.segments)
        self.first_ns = connection.segments[0].t_ns
        self.last_ns = connection.segments[-1].t_ns

    def find(self, cursor: int, *, own: bool, wanted: Callable[[Segment], bool]) -> int | None:
        """Return the index of the first such segment from `cursor` on, or None."""
        places = range(cursor, len(self.segments))
        return next((i for i in places if self.own[i] is own and wanted(self.segments[i])), None)

    def arrival_ns(self, count: int) -> int | None:
        """Return when the peer's byte number `count` (from 1) first crossed the wire; None for never."""
        carried = zip(self.segments, self._ends, self.own, strict=True)
        return next((s.t_ns for s, end, own in carried if not own and end >= count), None)


def _deduce(replay: Replay, wire: _Wire) -> tuple[list[int | None], tuple[Moment, ...]]:
    """Return each call's first own segment (None if it caused none), and its moment."""
    cursor, now = 0, wire.first_ns - 1
    anchors: list[int | None] = []
    moments: list[Moment] = []
    for line, call in enumerate(replay.calls, start=1):
        closes = line == replay.close_line
        first, last = _caused(call, closes, wire, cursor)
        anchors.append(first)
        if first is not None and last is not None:
            start = wire.segments[first].t_ns - 1
            cursor = last + 1
            done = _connected(wire, first) if wire.segments[first].syn else wire.segments[last].t_ns
        else:
            start = done = now
            if closes and wire.socket is not None:
                start = done = max(now, wire.arrival_ns(wire.socket.received) or 0)
        end = max(start + call.duration_us * 1000, done, _awaited(call, wire, cursor))
        moments.append(Moment(start_ns=start, end_ns=end))
        now = end
    return anchors, _in_order(moments)


def _caused(call: Call, closes: bool, wire: _Wire, cursor: int) -> tuple[int | None, int | None]:
    """Return the first and the last own segment that this call sent, as far as its source tells."""
    source = call.source
    if closes:
        first = wire.find(cursor, own=True, wanted=lambda s: s.fin or s.rst)
    elif "connect(" in source:
        first = wire.find(cursor, own=True, wanted=lambda s: s.syn)
    elif "shutdown(" in source:
        first = wire.find(cursor, own=True, wanted=lambda s: s.fin)
    elif "send(" in source:
        first = wire.find(cursor, own=True, wanted=lambda s: s.payload_len > 0)
        if first is None:
            return None, None
        # The kernel sets PSH on the last segment of a write (tcp_push, Linux 6.12).
        pushed = wire.find(first, own=True, wanted=lambda s: s.payload_len > 0 and bool(s.flags & 0x08))
        return first, pushed if pushed is not None else first
    else:
        first = None
    return first, first


def _connected(wire: _Wire, syn: int) -> int:
    """Return when connect could return: at the handshake's last ACK, or the RST that refused it."""
    answer = wire.find(syn, own=False, wanted=lambda s: s.has_ack)
    if answer is None:
        return wire.last_ns
    if wire.segments[answer].rst:
        return wire.segments[answer].t_ns
    last = wire.find(answer, own=True, wanted=lambda s: s.has_ack)
    return wire.segments[last if last is not None else answer].t_ns


def _awaited(call: Call, wire: _Wire, cursor: int) -> int:
    """Return when what this call waits for had come; 0 where it waits for nothing."""
    counted = _AWAITED_BYTES.search(call.source)
    found: int | None = None
    if counted:
        return wire.arrival_ns(int(counted.group(1))) or 0
    if "await_peer_fin(" in call.source:
        found = wire.find(0, own=False, wanted=lambda s: s.fin)
    elif "recv(" in call.source:
        found = wire.find(cursor, own=False, wanted=lambda s: s.payload_len > 0)
    return wire.segments[found].t_ns if found is not None else 0


def _snapshot_ns(replay: Replay, moments: Sequence[Moment], wire: _Wire) -> int:
    if not 0 < replay.close_line <= len(moments):
        return wire.last_ns
    begun = moments[replay.close_line - 1].start_ns
    more_ns = wire.arrival_ns(wire.socket.received + 1) if wire.socket is not None else None
    return begun if more_ns is None else min(begun, more_ns - 1)


def _ended_by(moment: Moment, limit_ns: int) -> Moment:
    return Moment(start_ns=min(moment.start_ns, limit_ns), end_ns=min(moment.end_ns, limit_ns))


def _in_order(moments: Sequence[Moment]) -> tuple[Moment, ...]:
    """Shorten calls that would end after the next one begins: a late deduced start made their ends late."""
    limit: int | None = None
    ordered: list[Moment] = []
    for moment in reversed(moments):
        if limit is not None:
            moment = _ended_by(moment, limit)
        ordered.append(moment)
        limit = moment.start_ns
    return tuple(reversed(ordered))


def _measured(calls: Sequence[Call], anchors: Sequence[int | None], wire: _Wire) -> tuple[Moment, ...] | None:
    """Return the calls' moments by their own start times.

    Returns None if a start time is missing or the wire contradicts it.
    """
    moments = []
    for call, anchor in zip(calls, anchors, strict=True):
        start = call.t_ns
        if start is None:
            return None
        end = start + call.duration_us * 1000
        if anchor is not None:
            caused = wire.segments[anchor].t_ns
            if caused < start or (call.duration_us and caused > end + _CLOCK_SLACK_NS):
                return None
        moments.append(Moment(start_ns=start, end_ns=end))
    return tuple(moments)
