"""What a closing segment means, in words: no more than the evidence says."""

from __future__ import annotations

from harness.judge import Verdict
from harness.judged import Judged
from harness.tcp import Cause, Ending, Role

_RESET_BECAUSE = {
    Cause.ZERO_LINGER: "the socket's linger time is zero",
    Cause.DATA_AFTER_CLOSE: "data came for a socket that was closed",
    Cause.CLOSED_PORT: "nobody listens on this port",
    Cause.UNKNOWN: "the evidence does not say why",
}


def marked(judged: Judged) -> dict[int, str]:
    """The segments that decide, and the closing ones of the end under test, by index, with their meaning."""
    connection, verdict = judged.connection, judged.verdict
    if connection is None:
        return {}
    own = [i for i, s in enumerate(connection.segments) if connection.role(s) is verdict.subject]
    first_fin = next((i for i in own if connection.segments[i].fin), None)
    first_rst = next((i for i in own if connection.segments[i].rst), None)
    if first_fin is not None and first_rst is not None and first_rst < first_fin:
        first_fin = None
    chosen = {*verdict.deciding, *(i for i in (first_fin, first_rst) if i is not None)}
    return {
        index: meaning(judged, connection.role(connection.segments[index]), connection.segments[index].rst)
        for index in sorted(chosen)
    }


def meaning(judged: Judged, role: Role, reset: bool) -> str:
    """One closing segment of that end in words: `RST: 485 of 485 bytes lay unread at the close`."""
    verdict = judged.verdict
    own = role is verdict.subject
    if reset:
        cause = verdict.cause if own else verdict.peer_cause
        return f"RST: {_because(judged, cause if cause is not None else Cause.UNKNOWN)}"
    if not own:
        return "FIN: the peer closes first" if verdict.active_closer is role else "FIN: the peer closes too"
    return f"FIN: {_orderly(judged, verdict)}"


def _because(judged: Judged, cause: Cause) -> str:
    if cause is not Cause.UNREAD_DATA:
        return _RESET_BECAUSE[cause]
    state = judged.replay.subject
    if state is None:
        return "data lay unread at the close"
    if not state.unread:  # a byte said twice, or an urgent one: queued, so counted, though nobody can read it
        return f"the kernel counted data as unread, though 0 of {state.received} bytes were"
    return f"{state.unread} of {state.received} bytes lay unread at the close"


def _orderly(judged: Judged, verdict: Verdict) -> str:
    state = judged.replay.subject
    if verdict.ending is Ending.FIN_THEN_RST:
        return "this end sends no more; a RST follows"
    if state is None:
        return "this end sends no more"
    if state.unread:
        return f"this end sends no more, with {state.unread} of {state.received} bytes unread"
    if state.received:
        return f"all {state.received} bytes that came had been read"
    return "this end sends no more; nothing had come"
