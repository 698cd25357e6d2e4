"""Says what a closing segment means: no more than the evidence says."""

from __future__ import annotations

from rst_or_fin.evidence.records import unread_share
from rst_or_fin.tcp.causes import BY_CAUSE
from rst_or_fin.tcp.ending import Cause, Ending, Role
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.judge import closing_segments
from rst_or_fin.verdict.verdict import Verdict


def marked(judged: Assessment) -> dict[int, str]:
    """Return what the closing segments mean, by index.

    They are the deciding ones, those of the end under test, and every RST of its peer that counts.
    """
    connection, verdict = judged.connection, judged.verdict
    if connection is None:
        return {}
    theirs = closing_segments(connection, verdict.subject.other)
    resets = (index for index in theirs if connection.segments[index].rst)
    chosen = {*verdict.deciding, *closing_segments(connection, verdict.subject), *resets}
    return {
        index: meaning(judged, connection.role(connection.segments[index]), connection.segments[index].rst)
        for index in sorted(chosen)
    }


def meaning(judged: Assessment, role: Role, reset: bool) -> str:
    """Say what a closing segment of that end means: `RST: 485 of 485 bytes lay unread at the close`."""
    verdict = judged.verdict
    own = role is verdict.subject
    if reset:
        cause = verdict.cause if own else verdict.peer_cause
        return f"RST: {_because(judged, cause if cause is not None else Cause.UNKNOWN)}"
    if not own:
        return "FIN: the peer closes first" if verdict.active_closer is role else "FIN: the peer closes too"
    return f"FIN: {_orderly(judged, verdict)}"


def _because(judged: Assessment, cause: Cause) -> str:
    if cause is Cause.UNKNOWN:
        return "the evidence does not say why"
    if cause is not Cause.UNREAD_DATA:
        return BY_CAUSE[cause].means
    state = judged.socket
    if state is None:
        return "data lay unread at the close"
    if state.unread:
        return f"{unread_share(state.unread, state.received)} lay unread at the close"
    late = _came(judged) - state.received
    if late > 0:
        return f"{late} bytes came as the close began, and lay unread"
    # What came twice, or an urgent byte: queued, so counted (tcp_close, Linux 6.12), but not to be read.
    return f"all {state.received} bytes had been read, but the kernel still held bytes that no read returns"


def _came(judged: Assessment) -> int:
    """Count the payload bytes from the peer that crossed the wire before the end under test sent a RST."""
    connection = judged.connection
    if connection is None:
        return 0
    subject = judged.verdict.subject
    stop = next(
        (i for i, s in enumerate(connection.segments) if s.rst and connection.role(s) is subject), None
    )
    before = (s for s in connection.segments[:stop] if connection.role(s) is not subject and s.payload_len)
    return max((connection.relative(s)[0] + s.payload_len - 1 for s in before), default=0)


def _orderly(judged: Assessment, verdict: Verdict) -> str:
    state = judged.socket
    if verdict.ending is Ending.FIN_THEN_RST:
        return "this end sends no more; a RST follows"
    if state is None:
        return "this end sends no more"
    if state.unread:
        return f"this end sends no more, with {unread_share(state.unread, state.received)} unread"
    if state.received:
        return f"all {state.received} bytes that came had been read"
    return "this end sends no more; nothing had come"
