"""Lists what makes a verdict inconclusive: in the capture, the replay, the peer's report and the segments."""

from __future__ import annotations

from rst_or_fin.evidence.records import CaptureFacts, PeerReport, Replay, SessionEnd
from rst_or_fin.evidence.waits import explained
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.ignored import IgnoredReason
from rst_or_fin.tcp.precondition import Precondition
from rst_or_fin.verdict import node_end, passing
from rst_or_fin.verdict.verdict import NODE
from rst_or_fin.verdict.witnesses import HostReport

_LEAST_WINDOW = 1460  # bytes: a sender waits for a full segment's room (RFC 9293 section 3.8.6.2.1)
_REPORTED = (
    IgnoredReason.OUT_OF_WINDOW,
    IgnoredReason.EARLIER,
    IgnoredReason.ACKS_NO_SYN,
    IgnoredReason.AFTER_THE_END,
    IgnoredReason.WENT_ON,
    IgnoredReason.FOREIGN,
    IgnoredReason.CORRUPT,
)


def doubts_of_capture(capture: CaptureFacts) -> list[str]:
    """Return what frames the capture may lack."""
    doubts = []
    if capture.dropped:
        doubts.append(f"the capture is incomplete: the kernel dropped {capture.dropped} frames")
    if not capture.fenced:
        doubts.append("the capture was not drained after the last close: its last frames may be missing")
    return doubts


def doubts_of_replay(report: HostReport | None, precondition: Precondition, ends_node: bool) -> list[str]:
    """Return why the session may not have closed as it should, and where the precondition did not hold."""
    if report is None:
        return [] if precondition == Precondition() else ["the receive buffer at the close was not reported"]
    doubts = []
    replay, state = report.replay, report.socket
    died_at_close = replay.end is SessionEnd.NODE_GONE and 0 < replay.close_line == len(replay.calls)
    if replay.end is not SessionEnd.DONE and not died_at_close:
        doubts.append(
            f"the session ended early: {replay.end}, line {_last_line(replay)}: {explained(replay.error)}"
        )
    elif not replay.close_returned:
        doubts.append("the close line was never reached")
    elif died_at_close and (by_another := node_end.doubt(replay, ends_node=ends_node)):
        doubts.append(by_another)
    for what, wanted in (("unread", precondition.unread), ("received", precondition.received)):
        if wanted is None:
            continue
        if state is None:
            doubts.append(f"the number of bytes {what} at the close is not known, expected {wanted}")
        elif not _holds(wanted, measured := getattr(state, what), state.received):
            doubts.append(f"{measured} bytes were {what} at the close, expected {wanted}")
    return doubts


def _last_line(replay: Replay) -> int:
    """Return the line that ran when the session ended: one that ended the node has not returned."""
    reached = replay.end is SessionEnd.NODE_GONE and not replay.close_returned
    return len(replay.calls) + reached


def _holds(wanted: int | str, measured: int, received: int) -> bool:
    if wanted == "all":
        return 0 < measured == received
    if wanted == "some":
        return measured > 0
    return measured == wanted


def left_open(connection: Connection | None, report: HostReport | None) -> bool:
    """Return whether the watch ended before the connection, so that the peer has no report yet."""
    watch = report.replay.watch if report is not None else None
    return connection is not None and watch is not None and watch.left(connection.client, connection.server)


def doubts_of_peer(peer_report: PeerReport | None, requires_peer_report: bool) -> list[str]:
    """Return a doubt if a required report is missing, or the peer's application failed."""
    if peer_report is None:
        return ["no report from the peer's application"] if requires_peer_report else []
    return [f"the peer could not do its part: {peer_report.trouble}"] if peer_report.trouble else []


def doubts_of_segments(
    connection: Connection, opposite_a_script: Role | None, *, own: Role | None = None
) -> list[str]:
    """Return what the segments leave open. `own`: only of that end's; the others are in another capture.

    `opposite_a_script` is the end whose peer is a script, if it is one.
    """
    reading, doubts = connection.reading, []

    def is_asked(index: int) -> bool:
        return own is None or connection.role(connection.segments[index]) is own

    if not reading.opened and (not reading.unanswered or reading.is_reset):
        doubts.append("the connection's opening (SYN, SYN ACK) is not in the capture")
    hole = reading.hole()
    if hole is not None:
        segment = connection.segments[hole]
        notation = connection.notation(segment)
        if opposite_a_script is not None and connection.role(segment) is not opposite_a_script:
            doubts.append(f"the peer's script acknowledges data that was never sent: {notation}")
        else:
            doubts.append(f"the capture has a hole: {notation} acknowledges data that was never captured")
    for index, by_ttl in filter(lambda found: is_asked(found[0]), reading.foreign()):
        doubts.append(
            f"{_named(connection, index)} may be a middlebox's: {_foreign(connection, index, by_ttl)}"
        )
    questions = (found for found in reading.questions() if is_asked(found[0]))
    doubts += [f"{_named(connection, index)} {open_}" for index, open_ in questions]
    if reading.overlaps_another:
        doubts.append("another connection of the same ends began before this one was over")
    for index, beyond in filter(lambda found: is_asked(found[0]), reading.beyond()):
        doubts.append(
            f"{_named(connection, index)} lies {beyond} bytes beyond all that was captured from that end:"
            " segments are missing, or it is a middlebox's"
        )
    return doubts


def doubts_of_end(
    connection: Connection, report: HostReport | None, subject: Role, settle_ms: int
) -> list[str]:
    """Return a doubt if the connection had not ended when the capture, or the watch, did."""
    reading = connection.reading
    watch = report.replay.watch if report is not None else None
    if watch is None:
        if reading.over or reading.foreign() or reading.beyond():
            return []
        if reading.unanswered:
            return ["the SYN was still unanswered when the capture ended"]
        return ["the connection was still open when the capture ended"]
    if not watch.left(connection.client, connection.server):
        return []
    if report is not None and passing.only_peer_holds(report.replay.wire, connection):
        return []  # it has ended for this end; the other's waits for what never comes
    own = reading.end(connection.endpoint(subject))
    unacknowledged = (own.sent_to or 0) - (own.acked_to if own.acked_to is not None else own.sent_to or 0)
    if reading.is_reset:
        what = "the peer's kernel still had the connection"
    elif reading.unanswered:
        what = "the SYN was still unanswered"
    elif unacknowledged > 0:
        what = f"the {NODE} was still sending ({unacknowledged} bytes not acknowledged)"
    elif own.edge is not None and own.sent_to is not None and own.edge - own.sent_to < _LEAST_WINDOW:
        what = f"the {NODE} was still waiting for room in the peer's window"
    else:
        what = "the connection was still open"
    return [f"{what} when settle_ms ({settle_ms}) was over: raise it"]


def remarks_of(connection: Connection) -> list[str]:
    """Return the RSTs that decide nothing, each with the reason, and what that points to."""
    said = []
    for ignored in connection.reading.ignored():
        segment = connection.segments[ignored.index]
        if not segment.rst or ignored.why not in _REPORTED:
            continue
        text = f"{_named(connection, ignored.index)} decides nothing: {ignored.why}"
        if ignored.why in (IgnoredReason.OUT_OF_WINDOW, IgnoredReason.WENT_ON, IgnoredReason.FOREIGN):
            text += "; look for a middlebox"
        said.append(text)
    return said


def _named(connection: Connection, index: int) -> str:
    segment = connection.segments[index]
    return f"{connection.notation(segment)} from the {connection.name(connection.role(segment))}"


def _foreign(connection: Connection, index: int, by_ttl: bool) -> str:
    segment = connection.segments[index]
    others = connection.reading.end(segment.src)
    if by_ttl:
        return f"its TTL is {segment.ttl}, that end's other segments have {', '.join(map(str, others.ttls))}"
    return f"its IP ID is {segment.ip_id}, far from that end's others"
