"""The causes of a reset, or of giving up a connection: each with its proof, as one table.

The judge decides by it, and the documentation prints it (docs/causes.md). Counters and reasons are Linux's
(6.12); what a segment proves holds for any TCP. A cause that nothing proves is unknown: the rows that nothing
disproves are then its candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from rst_or_fin.tcp.ending import Cause


class Form(StrEnum):
    """What the end sent when it gave the connection up."""

    REFUSAL = "a RST that answers a SYN"
    OTHER_REFUSAL = "a RST that answers a SYN, but not as a closed port does"
    BARE = "a RST without ACK: the answer to a segment"
    WITH_ACK = "a RST with ACK: an abort"
    NOTHING = "nothing: it fell silent"


class Answered(StrEnum):
    """What the segment carried that a bare RST answers."""

    NEW_DATA = "data that this end never acknowledged"
    NOTHING_NEW = "no data, or data that this end had acknowledged"


class Retries(NamedTuple):
    """How often a kernel sends again before it gives up; `orphan`: what no process has open any more.

    tcp_retries2 and tcp_orphan_retries, for which 0 stands for 8 (tcp_orphan_retries, Linux 6.12).
    """

    open: int = 15
    orphan: int = 8


RETRIES = Retries()  # Linux's own, which testbeds pin


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """How one end gave up, as far as the evidence shows it.

    `raised` are the counters that its kernel raised in the interval in which the segment left, None if
    they are unknown or another connection's reset may have raised them; `reasons` the tracepoint's, None
    if there is none. `heard` is how many payload bytes came from the peer before. `waiting`: the
    application never had this connection, and its listener was closed in the interval. `retries` is how often
    its kernel sends again before it gives up.
    """

    form: Form
    after_fin: bool = False
    answered: Answered | None = None
    heard: int = 1
    sent: int = 1
    is_server: bool = False
    probes: int = 0
    resent: int = 0
    retries: int = RETRIES.open
    waiting: bool | None = None
    raised: Collection[str] | None = None
    reasons: Collection[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One cause: what it is, what proves it, what disproves it, and how both are seen in an `Abort`."""

    cause: Cause
    forms: tuple[Form, ...]
    means: str
    proof: str
    disproof: str
    counter: str = ""
    reasons: tuple[str, ...] = ()
    by_segments: Callable[[Abort], bool] | None = None
    possible: Callable[[Abort], bool] | None = None
    fits: Callable[[Abort], bool] = field(default=lambda abort: True)

    def may_be(self, abort: Abort) -> bool:
        """Return whether the segments and the counters leave this cause open."""
        if abort.form not in self.forms or not self.fits(abort):
            return False
        told = self.possible or self.by_segments
        if told is not None:
            return told(abort)
        return abort.raised is None or not self.counter or self.counter in abort.raised

    def is_shown(self, abort: Abort) -> bool:
        """Return whether something speaks for this cause: a segment, a counter that was raised, a reason."""
        if self.by_segments is not None:
            return self.by_segments(abort)
        if self.counter and self.counter in (abort.raised or ()):
            return True
        return any(reason in self.reasons for reason in abort.reasons or ())

    def fits_a_reason(self, abort: Abort) -> bool:
        """Return whether this cause and one of the kernel's reasons can both be right."""
        return not abort.reasons or any(fits_reason(self.cause, reason) for reason in abort.reasons)


CAUSES = (
    Row(
        cause=Cause.CLOSED_PORT,
        forms=(Form.REFUSAL,),
        means="the connection was refused: nobody listens on this port",
        proof="the RST acknowledges the SYN and has sequence number 0 (RFC 9293 section 3.10.7.1)",
        disproof="it does not acknowledge the SYN, has another number, or a SYN ACK follows",
        by_segments=lambda abort: True,
    ),
    Row(
        cause=Cause.DATA_AFTER_CLOSE,
        forms=(Form.BARE,),
        means="data came for a socket that was closed",
        proof="this end's FIN, then data, then a bare RST with that data's ACK number (RFC 1122 section"
        " 4.2.2.13); on the closing host TCPAbortOnData",
        disproof="this end acknowledged that data",
        reasons=("TCP_ABORT_ON_DATA", "NO_SOCKET"),
        by_segments=lambda abort: abort.answered is Answered.NEW_DATA,
        fits=lambda abort: abort.after_fin,
    ),
    Row(
        cause=Cause.LATE_SEGMENT,
        forms=(Form.BARE,),
        means="FIN_WAIT2 or TIME_WAIT had expired, and a late segment came",
        proof="this end's FIN, then a segment without new data (a FIN, an ACK, a repetition), then a bare RST"
        " with that segment's ACK number; on the closing host OutRsts alone",
        disproof="the segment carried data that this end never acknowledged",
        reasons=("NO_SOCKET", "TCP_TIMEWAIT_SOCKET"),
        by_segments=lambda abort: abort.answered is Answered.NOTHING_NEW,
        fits=lambda abort: abort.after_fin,
    ),
    Row(
        cause=Cause.UNREAD_DATA,
        forms=(Form.WITH_ACK,),
        means="data lay unread in the receive buffer at the close (RFC 2525 section 2.17)",
        proof="TCPAbortOnClose on the closing host (tcp_close)",
        disproof="TCPAbortOnClose did not move, or no data had come",
        counter="TcpExt:TCPAbortOnClose",
        reasons=("TCP_ABORT_ON_CLOSE",),
        fits=lambda abort: abort.heard > 0,
    ),
    Row(
        cause=Cause.ZERO_LINGER,
        forms=(Form.WITH_ACK,),
        means="the socket's linger time was zero (SO_LINGER)",
        proof="TCPAbortOnData on the closing host (tcp_close)",
        disproof="TCPAbortOnData did not move",
        counter="TcpExt:TCPAbortOnData",
        reasons=("TCP_DISCONNECT_WITH_DATA",),
    ),
    Row(
        cause=Cause.LISTENER_CLOSED,
        forms=(Form.WITH_ACK,),
        means="the listening socket was closed while the connection waited in its accept queue",
        proof="the session closed its listener and had never accepted the connection; OutRsts alone on that"
        " host (inet_csk_listen_stop)",
        disproof="the application had accepted the connection, or this end had sent data",
        by_segments=lambda abort: abort.waiting is True and not _aborts(abort.raised or ()),
        possible=lambda abort: abort.waiting is not False and not _aborts(abort.raised or ()),
        fits=lambda abort: abort.is_server and not abort.sent and not abort.after_fin,
    ),
    Row(
        cause=Cause.KEEPALIVE_TIMEOUT,
        forms=(Form.WITH_ACK,),
        means="keepalive probes went unanswered",
        proof="probes of this end without an answer before the RST; TCPAbortOnTimeout on that host"
        " (tcp_keepalive_timer)",
        disproof="TCPAbortOnTimeout did not move, or the last probe was answered",
        counter="TcpExt:TCPAbortOnTimeout",
        reasons=("TCP_KEEPALIVE_TIMEOUT",),
        fits=lambda abort: abort.probes > 0,
    ),
    Row(
        cause=Cause.USER_TIMEOUT,
        forms=(Form.NOTHING,),
        means="what was sent went unacknowledged for longer than TCP_USER_TIMEOUT",
        proof="fewer retransmissions than tcp_retries2 (of a closed socket: tcp_orphan_retries), then"
        " silence; TCPAbortOnTimeout on that host"
        " (tcp_write_timeout)",
        disproof="TCPAbortOnTimeout did not move",
        counter="TcpExt:TCPAbortOnTimeout",
        fits=lambda abort: 0 < abort.resent < abort.retries,
    ),
    Row(
        cause=Cause.RETRANSMISSIONS,
        forms=(Form.NOTHING,),
        means="what was sent went unacknowledged through all retransmissions",
        proof="tcp_retries2 retransmissions (of a closed socket: tcp_orphan_retries), then silence;"
        " TCPAbortOnTimeout on that host (tcp_write_timeout)",
        disproof="TCPAbortOnTimeout did not move",
        counter="TcpExt:TCPAbortOnTimeout",
        fits=lambda abort: abort.resent >= abort.retries,
    ),
    Row(
        cause=Cause.FIN_WAIT2_TIMEOUT,
        forms=(Form.WITH_ACK,),
        means="the peer's FIN did not come within TCP_LINGER2",
        proof="this end's FIN, acknowledged, then a RST; TCPAbortOnLinger on that host (tcp_close)",
        disproof="TCPAbortOnLinger did not move",
        counter="TcpExt:TCPAbortOnLinger",
        reasons=("TCP_ABORT_ON_LINGER",),
        fits=lambda abort: abort.after_fin,
    ),
    Row(
        cause=Cause.OUT_OF_MEMORY,
        forms=(Form.WITH_ACK,),
        means="the kernel had no memory left for this socket",
        proof="TCPAbortOnMemory on that host (tcp_check_oom)",
        disproof="TCPAbortOnMemory did not move",
        counter="TcpExt:TCPAbortOnMemory",
        reasons=("TCP_ABORT_ON_MEMORY",),
    ),
)
# What no segment of one capture can show: it takes one of either end (`rst_or_fin.tcp.two_ends`).
_NOT_SENT = Row(
    cause=Cause.NOT_SENT,
    forms=(),
    means="a middlebox reset the connection in this end's name",
    proof="the RST arrived at the other end, whose TCP took it, and never left this one: both were captured",
    disproof="it left this end",
)
BY_CAUSE = {row.cause: row for row in (*CAUSES, _NOT_SENT)}
SILENT = frozenset(row.cause for row in CAUSES if row.forms == (Form.NOTHING,))
ABORT_COUNTERS = frozenset(row.counter for row in CAUSES if row.counter)
# What a tracepoint's reason is compatible with, where that is more than what it proves. TCP_STATE stands for
# every reset by tcp_disconnect or tcp_abort (Linux 6.12).
FITTING = {
    "TCP_STATE": (Cause.ZERO_LINGER, Cause.LISTENER_CLOSED, Cause.UNKNOWN),
    "NO_SOCKET": (Cause.DATA_AFTER_CLOSE, Cause.LATE_SEGMENT, Cause.CLOSED_PORT, Cause.UNKNOWN),
    "TCP_TIMEWAIT_SOCKET": (Cause.LATE_SEGMENT, Cause.DATA_AFTER_CLOSE, Cause.UNKNOWN),
}
_RARE = (Cause.OUT_OF_MEMORY, Cause.FIN_WAIT2_TIMEOUT)  # candidates only if a counter says so


def cause_of(abort: Abort) -> Cause:
    """Return the one cause that the evidence proves, or UNKNOWN.

    A kernel's reason decides between causes that the counters leave open. If it fits none of these, the
    counters decide, and the judge reports the contradiction.
    """
    shown = [row for row in CAUSES if row.may_be(abort) and row.is_shown(abort)]
    fitting = [row for row in shown if row.fits_a_reason(abort)] or shown
    return fitting[0].cause if len(fitting) == 1 else Cause.UNKNOWN


def candidates(abort: Abort) -> tuple[Cause, ...]:
    """Return the causes that the evidence leaves open, the likeliest first.

    If a kernel's reason fits none of them, it rules out none either.
    """
    likely = [row for row in CAUSES if row.may_be(abort)]
    fitting = [row for row in likely if row.fits_a_reason(abort)] or likely
    return tuple(row.cause for row in fitting if row.cause not in _RARE or row.is_shown(abort))


def fits_reason(cause: Cause, reason: str) -> bool:
    """Return whether a tracepoint's reason and a cause can both be right; an unknown reason fits any."""
    proven = [row.cause for row in CAUSES if reason in row.reasons]
    return cause in (*proven, *FITTING.get(reason, ()), Cause.UNKNOWN) or not (proven or reason in FITTING)


def reasons_of(cause: Cause) -> tuple[str, ...]:
    """Return the tracepoint's reasons that a RST of this cause may have: those that prove it first."""
    fitting = (reason for reason, causes in FITTING.items() if cause in causes)
    return tuple(dict.fromkeys((*BY_CAUSE[cause].reasons, *fitting)))


def told_apart_by(causes: Collection[Cause]) -> str:
    """Return what on the closing host would distinguish these causes, or ""."""
    named = [BY_CAUSE[cause].counter.partition(":")[2] for cause in causes if BY_CAUSE[cause].counter]
    return f"{' or '.join(named)} on the closing host" if named else ""


def _aborts(raised: Collection[str]) -> set[str]:
    return {counter for counter in raised if counter in ABORT_COUNTERS}
