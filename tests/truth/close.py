"""End a connection in each way that a host can (tcp_close, tcp_disconnect and tcp_abort of Linux)."""

from __future__ import annotations

from tests.truth import output
from tests.truth.tcb import ABORTABLE, Gone, State, Tcb, bury

_AFTER_FIN = {
    State.SYN_RECEIVED: State.FIN_WAIT_1,
    State.ESTABLISHED: State.FIN_WAIT_1,
    State.CLOSE_WAIT: State.LAST_ACK,
}


def shutdown(tcb: Tcb) -> None:
    """Send no more: a FIN behind what was written."""
    if tcb.state is State.SYN_SENT:
        bury(tcb, Gone.SILENT)
    elif tcb.state in _AFTER_FIN:
        tcb.fin_queued = True
        tcb.state = _AFTER_FIN[tcb.state]
        output.push(tcb)


def close(tcb: Tcb) -> None:
    """Close as an application does: a FIN, or a RST where data lies unread (RFC 2525 section 2.17)."""
    if tcb.state is State.CLOSED or tcb.orphan:
        return
    unread = tcb.unread_len > 0 or (tcb.resent_with_fin and tcb.host.traits.counts_resent)
    if unread and tcb.state is not State.TIME_WAIT:
        _abort(tcb, "unread")
        return
    tcb.orphan = True
    shutdown(tcb)
    if tcb.state is State.FIN_WAIT_2:
        expire_later(tcb, tcb.host.traits.fin_timeout_ns)


def linger(tcb: Tcb) -> None:
    """Close with a zero linger time: a RST, unless nothing is left to abort."""
    if tcb.state is State.CLOSED or tcb.orphan:
        return
    unsent = tcb.snd_nxt < tcb.write_len + 1 + tcb.fin_queued
    if tcb.unread_len and tcb.state is not State.TIME_WAIT:
        _abort(tcb, "unread")  # __tcp_close looks for unread data first
    elif tcb.state in ABORTABLE or (unsent and tcb.state in (State.CLOSING, State.LAST_ACK)):
        _abort(tcb, "linger")
    elif tcb.state is not State.TIME_WAIT:
        bury(tcb, Gone.SILENT)


def kill(tcb: Tcb, reason: str = "killed") -> None:
    """End a connection from outside its application: a RST, unless nothing is left to abort."""
    lives_as_timer = tcb.orphan and tcb.state is State.FIN_WAIT_2  # no socket any more in Linux
    if tcb.state in ABORTABLE and not lives_as_timer:
        _abort(tcb, reason)
    elif tcb.state is State.SYN_SENT or lives_as_timer:
        bury(tcb, Gone.SILENT)


def give_up(tcb: Tcb) -> None:
    """End a connection whose other end does not answer (tcp_write_err): without a word."""
    bury(tcb, Gone.SILENT)


def _abort(tcb: Tcb, reason: str) -> None:
    # The socket is gone before its RST leaves (__tcp_close, Linux 6.12): what comes in between is answered
    # with a RST of its own, which is then the first on the wire.
    bury(tcb, Gone.ABORTED)
    world = tcb.host.world
    world.at(world.now + tcb.host.abort_lag_ns, _reset, (tcb, reason))


def _reset(argument: tuple[Tcb, str]) -> None:
    output.abort(*argument)


def time_wait(tcb: Tcb) -> None:
    """Wait for late segments once both FINs were acknowledged."""
    tcb.state = State.TIME_WAIT
    tcb.rto_at = tcb.delack_at = tcb.keepalive_at = 0
    expire_later(tcb, tcb.host.traits.time_wait_ns)


def expire_later(tcb: Tcb, after_ns: int) -> None:
    """Let a FIN-WAIT-2 without an application, or a TIME-WAIT, come to its end."""
    world = tcb.host.world
    tcb.expires_at = world.now + after_ns
    world.at(tcb.expires_at, _expire, tcb)


def _expire(tcb: Tcb) -> None:
    if tcb.host.world.now == tcb.expires_at and tcb.gone is Gone.NOT:
        bury(tcb, Gone.FINISHED if tcb.state is State.TIME_WAIT else Gone.SILENT)
