"""Compares what the closing host, its kernel and the peer's application report with the wire.

A witness that contradicts the wire is never averaged away: the judge makes a doubt of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rst_or_fin.agents.kinds import END_OF_FILE
from rst_or_fin.evidence.records import CounterReading, PeerReport, Replay, SocketState, unread_share
from rst_or_fin.evidence.strace import closing as closing_calls
from rst_or_fin.tcp.causes import ABORT_COUNTERS, RETRIES, Retries, fits_reason
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Cause, Ending
from rst_or_fin.tcp.precondition import Precondition

_OUT_RSTS = "Tcp:OutRsts"
_RESET_ERRORS = ("ECONNRESET", "EPIPE")
_READS = re.compile(r"\brecv\(|\{\s*active\s*,\s*(?:true|once|-?\d)")
_RESETS = (Ending.RST, Ending.FIN_THEN_RST)


class WitnessName(StrEnum):
    """The witnesses of a replay. Those of a captured host are named after its address."""

    WIRE = "the wire"
    COUNTERS = "the kernel's counters"
    BUFFER = "the receive buffer"
    CALL = "the closing call"
    SYSTEM_CALL = "the system call"
    TRACEPOINT = "the tracepoint"
    PEER = "the peer's application"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What one witness reports; `agrees` says whether that fits the wire, None if it cannot tell."""

    name: str
    says: str
    agrees: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """What the closing host reported of one connection.

    `socket` is its state right before the close line, None if it was not looked at. `resets_ns` are the
    times of all RSTs that this host sent on any connection of the replay, as captured, and `aborts_ns` those
    of the connections' first ones. `waiting`: the session closed a listener with this connection in its
    accept queue. `clock_error_ns`: how far its clock may be off the capture's. `retries` are its
    kernel's.
    """

    replay: Replay
    socket: SocketState | None = None
    resets_ns: tuple[int, ...] = ()
    aborts_ns: tuple[int, ...] = ()
    waiting: bool | None = None
    clock_error_ns: int = 0
    retries: Retries = RETRIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The two readings of the counters that enclose a moment, and what was raised between them."""

    first: CounterReading
    last: CounterReading

    @property
    def raised(self) -> dict[str, int]:
        """By how much each counter grew."""
        before = self.first.counters
        return {name: after - before[name] for name, after in self.last.counters.items() if name in before}

    def holds(self, t_ns: int, error_ns: int) -> bool:
        """Return whether something that left at that time may be counted in here."""
        began, ended = self.first.from_ns, self.last.to_ns
        return (began is None or t_ns >= began - error_ns) and (ended is None or t_ns <= ended + error_ns)


def interval(readings: Sequence[CounterReading], t_ns: int | None, error_ns: int) -> Interval | None:
    """Return the closest readings around a time; for None, the first and the last.

    None if there are fewer than two. A time outside all readings is in no interval, unless the times of the
    readings are unknown.
    """
    if len(readings) < 2:
        return None
    if t_ns is None or any(r.from_ns is None or r.to_ns is None for r in readings):
        return Interval(first=readings[0], last=readings[-1])
    before = [r for r in readings if r.to_ns is not None and r.to_ns + error_ns <= t_ns]
    after = [r for r in readings if r.from_ns is not None and r.from_ns - error_ns >= t_ns]
    if not before and not after:
        return None
    first, last = before[-1] if before else readings[0], after[0] if after else readings[-1]
    if first.from_ns == last.from_ns:
        return None
    found = Interval(first=first, last=last)
    return found if found.holds(t_ns, error_ns) else None


def aborts_raised(report: HostReport | None, t_ns: int | None) -> Collection[str] | None:
    """Return the abort counters that were raised when this connection's RST left, where they are its own.

    None if the counters were not read then, or where other connections reset in the same interval and more
    than one kind was raised.
    """
    if report is None:
        return None
    found = interval(report.replay.readings, t_ns, report.clock_error_ns)
    if found is None:
        return None
    raised = {name: count for name, count in found.raised.items() if count > 0}
    kinds = [name for name in raised if name in ABORT_COUNTERS]
    aborts = [at for at in report.aborts_ns if found.holds(at, report.clock_error_ns)]
    if len(aborts) > 1 and (len(kinds) != 1 or raised[kinds[0]] < len(aborts)):
        return None
    return tuple(raised)


def counters(report: HostReport, ending: Ending, t_ns: int | None) -> Witness:
    """Compare the kernel's counters in the interval in which the RST left, else over the whole replay."""
    name = WitnessName.COUNTERS
    found = interval(report.replay.readings, t_ns if ending in _RESETS else None, report.clock_error_ns)
    if found is None:
        says = "not read" if len(report.replay.readings) < 2 else "not read around the RST"
        return Witness(name=name, says=says, agrees=None)
    raised = found.raised
    says = ", ".join(f"{_short(key)} +{value}" for key, value in raised.items() if value) or "unchanged"
    captured = sum(found.holds(at, report.clock_error_ns) for at in report.resets_ns)
    others = sum(found.holds(at, report.clock_error_ns) for at in report.aborts_ns) > 1
    if others:
        says += "; more than one connection was reset in that time"
    timed = found.first.from_ns is not None
    return Witness(name=name, says=says, agrees=_counters_agree(raised, ending, captured, timed=timed))


def _counters_agree(raised: Mapping[str, int], ending: Ending, captured: int, *, timed: bool) -> bool | None:
    """Return whether the kernel counts as many RSTs as were captured.

    A kernel that counts more sent one that was not captured; one that counts none sent none of ours. Where
    the times of the readings are unknown, a RST behind a FIN may have left after them.
    """
    if _OUT_RSTS not in raised:
        return None
    sent = raised[_OUT_RSTS]
    if ending in _RESETS:
        return True if sent > 0 else False if timed or ending is Ending.RST else None
    unread = raised.get("TcpExt:TCPAbortOnClose", 0)
    return max(sent, unread) <= captured


def buffer(
    connection: Connection, report: HostReport, precondition: Precondition, closing: Sequence[int], close: str
) -> Witness:
    """Compare the receive buffer right before the close line with what the close acknowledged.

    They must be equal, else the buffer was read at the wrong time. If the precondition names no number, more
    may have come in between: then the buffer is not a witness of the close.
    """
    name, state = WitnessName.BUFFER, report.socket
    if state is None:
        return Witness(name=name, says="not read before the close line", agrees=None)
    says = f"{unread_share(state.unread, state.received)} unread before the close line"
    if state.unread and _READS.search(close):
        says += ", and the close line itself reads"
    first = connection.segments[closing[0]] if closing else None
    if first is None or not first.has_ack:
        return Witness(name=name, says=says, agrees=None)
    arrived = _acknowledged_len(connection, closing[0])
    # A FIN may have left before the close line (a shutdown), and data may have come in between.
    if arrived == state.received or (first.fin and arrived < state.received):
        return Witness(name=name, says=says, agrees=True)
    left_open = precondition.received is None and precondition.unread in (None, "some")
    return Witness(
        name=name,
        says=f"{says}, {'and' if arrived == state.unread else 'but'} the close acknowledges {arrived}",
        agrees=None if left_open or _READS.search(close) else False,
    )


def _acknowledged_len(connection: Connection, index: int) -> int:
    """Count the payload bytes of the other end that a segment acknowledges."""
    segment = connection.segments[index]
    peer = connection.reading.end(segment.dst)
    _, acknowledged = connection.relative(segment)
    fin = peer.fin is not None and peer.fin < index and peer.fin_end is not None
    return acknowledged - 1 - (1 if fin and peer.unwrap(segment.ack) >= (peer.fin_end or 0) else 0)


def calls(replay: Replay) -> Witness:
    """Report what the close line returned."""
    if not replay.close_returned:
        return Witness(name=WitnessName.CALL, says=f"was never reached: {replay.end}", agrees=None)
    call = replay.calls[replay.close_line - 1]
    return Witness(name=WitnessName.CALL, says=f"{call.source} -> {call.result}", agrees=None)


def system_calls(replay: Replay) -> list[Witness]:
    """Report what strace saw. It cannot tell a RST from a FIN: both are a plain close(2)."""
    if replay.system_calls is None:
        return []
    return [Witness(name=WitnessName.SYSTEM_CALL, says=closing_calls(replay.system_calls), agrees=None)]


def tracepoint(reasons: Sequence[str] | None, ending: Ending, cause: Cause | None) -> list[Witness]:
    """Compare the kernel's own reason for its RST, or that it sent none, with the ending."""
    if reasons is None:
        return []
    says = f"RST sent: {', then '.join(reasons)}" if reasons else "no RST sent"
    sent = bool(reasons) == (ending in _RESETS)
    fits = cause is None or not reasons or any(fits_reason(cause, reason) for reason in reasons)
    return [Witness(name=WitnessName.TRACEPOINT, says=says, agrees=sent and fits)]


def peer(peer_report: PeerReport | None, ending: Ending, over: bool, *, encrypted: bool = False) -> Witness:
    """Compare what the peer saw: its end of file needs a FIN, its reset a RST; nothing else is checked.

    Neither is where the capture ends before the connection does: the peer may report what came later. Nor is
    the end of a file that is `encrypted`: TLS has one of its own (close_notify, RFC 8446 section 6.1).
    """
    name = WitnessName.PEER
    if peer_report is None:
        return Witness(name=name, says="no report", agrees=None)
    says = f"{peer_report.end} after {peer_report.received} bytes read, {peer_report.sent} sent"
    if peer_report.log:
        says += f"; the proxy's log: {peer_report.log}"
    agrees: bool | None = None
    if peer_report.end == END_OF_FILE:
        agrees = ending in (Ending.FIN, Ending.FIN_THEN_RST) or (None if encrypted else False)
    elif peer_report.end in _RESET_ERRORS:
        agrees = ending in _RESETS
    return Witness(name=name, says=says, agrees=agrees if over or agrees else None)


def wire(connection: Connection, name: str, closing: Sequence[int]) -> Witness:
    """Report what the capture shows of the end under test."""
    says = ", then ".join(connection.notation(connection.segments[index]) for index in closing)
    return Witness(name=WitnessName.WIRE, says=f"{name} sent {says or 'neither FIN nor RST'}", agrees=True)


def _short(counter: str) -> str:
    return counter.partition(":")[2]
