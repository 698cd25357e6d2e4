"""Judges one connection by its segments and its witnesses. No kernels, no expectations, no clocks.

The wire decides (`acceptance`: which segments count); the other witnesses corroborate. A witness that
contradicts the wire makes the verdict inconclusive: it is reported, never averaged away. What packets cannot
say (unread data and a zero linger look alike) is taken from the closing host's own counters, or left unknown
(`causes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rst_or_fin.evidence.records import CaptureFacts, PeerReport, Replay, SessionEnd
from rst_or_fin.evidence.waits import explained
from rst_or_fin.tcp import causes
from rst_or_fin.tcp.acceptance import CandidateReset, IgnoredReason
from rst_or_fin.tcp.causes import Form
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Cause, Ending, Role, Validity
from rst_or_fin.tcp.precondition import Precondition
from rst_or_fin.tcp.two_ends import Passage, TwoEnds
from rst_or_fin.tcp.zeek_conn_state import conn_state
from rst_or_fin.verdict import account, node_end, passing, witnesses
from rst_or_fin.verdict.aborts import abort_index, abort_of
from rst_or_fin.verdict.delivery import Delivery, delivery
from rst_or_fin.verdict.witnesses import HostReport, Witness

NODE, PEER = "Erlang node", "peer"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a connection ended, and how far that can be relied on.

    `subject` is the end under test; `deciding` are indices into the connection's segments: the active
    closer's first closing segment, then what follows it; `closing_segment` is the first of the subject's
    in tcpdump's notation. `cause` explains the subject's RST, or that its kernel gave up without one
    (None if neither was seen), `peer_cause` the peer's; where it is unknown, `candidates` are what the
    evidence leaves open. `delivery` is what became of the subject's bytes, `passages` of each segment where
    both ends were captured (then indices are theirs). `remarks` are RSTs that decide
    nothing, and why. `doubts` are the reasons why the verdict is inconclusive; it is conclusive when
    there are none.
    """

    subject: Role
    client: Ending
    server: Ending
    active_closer: Role | None
    cause: Cause | None
    peer_cause: Cause | None
    candidates: tuple[Cause, ...] = ()
    peer_candidates: tuple[Cause, ...] = ()
    closing_segment: str
    deciding: tuple[int, ...]
    conn_state: str
    witnesses: tuple[Witness, ...]
    delivery: Delivery | None = None
    passages: tuple[Passage, ...] = ()
    remarks: tuple[str, ...] = ()
    doubts: tuple[str, ...]

    @property
    def validity(self) -> Validity:
        """Whether the verdict can be relied on."""
        return Validity.INCONCLUSIVE if self.doubts else Validity.CONCLUSIVE

    @property
    def ending(self) -> Ending:
        """How the end under test ended."""
        return self.client if self.subject is Role.CLIENT else self.server

    @property
    def peer_ending(self) -> Ending:
        """How the peer ended."""
        return self.server if self.subject is Role.CLIENT else self.client

    @property
    def told_apart_by(self) -> str:
        """What would distinguish the candidates of an unknown cause; empty if it is known."""
        return causes.told_apart_by(self.candidates)

    @property
    def peer_told_apart_by(self) -> str:
        """What would distinguish the candidates of the peer's unknown cause; empty if it is known."""
        return causes.told_apart_by(self.peer_candidates)


def judge(
    connection: Connection | None,
    *,
    capture: CaptureFacts,
    subject: Role = Role.CLIENT,
    report: HostReport | None = None,
    peer_report: PeerReport | None = None,
    precondition: Precondition | None = None,
    requires_peer_report: bool = False,
    scripted_peer: bool = False,
    settle_ms: int = 0,
    ends_node: bool = False,
    counts_bytes: bool = True,
    two_ends: TwoEnds | None = None,
    encrypted: bool = False,
    is_exact: bool = True,
) -> Verdict:
    """Judge one connection.

    `report` is what the closing host told (None for a foreign capture), `peer_report` what its peer's
    application saw, `precondition` what must have been true of the receive buffer right before the close.
    `requires_peer_report`: nothing can be concluded where the peer's application was not heard.
    `scripted_peer`: no kernel keeps that end's numbers. `settle_ms` is how long the wire was watched after
    the session. `ends_node`: the close line was to end the node. `counts_bytes`: the peer's application
    counts every byte.
    `two_ends`: it was captured at the peer's end, too, and `connection` is that at the subject's.
    `encrypted`: applications count other bytes than the wire carries. `is_exact`: the peer counts them all.
    """
    precondition = precondition or Precondition()
    doubts = [
        *_doubts_of_capture(capture),
        *_doubts_of_replay(report, precondition, ends_node),
        *_doubts_of_peer(peer_report, requires_peer_report and not _left_open(connection, report)),
    ]
    if connection is None:
        doubts.append("no segment of the connection was captured")
        return _nothing_seen(subject, doubts)
    closing = {role: closing_segments(connection, role) for role in Role}
    endings = {role: _ending(connection, indices) for role, indices in closing.items()}
    reasons = _reasons(report)
    cause, candidates = _cause(connection, subject, report, reasons)
    peer_cause, peer_candidates = _cause(connection, subject.other, None, None)
    if counts_bytes:
        at_peer = connection if two_ends is None else two_ends.far or connection
        doubts += account.differences(at_peer, subject.other, peer_report, has_kernel=not scripted_peer)
    doubts += _doubts_of_wire(
        connection, subject if scripted_peer else None, own=subject if two_ends is not None else None
    )
    doubts += _doubts_of_end(connection, report, subject, settle_ms)
    found = _witnesses(
        connection,
        subject,
        report,
        precondition,
        closing[subject],
        endings[subject],
        cause,
        reasons,
        peer_report,
        two_ends.arrived if two_ends is not None else endings[subject],
        encrypted,
    )
    doubts += [f"{w.name} contradicts the wire: {w.says}" for w in found if w.agrees is False]
    first = min(((indices[0], role) for role, indices in closing.items() if indices), default=None)
    closer = first[1] if first else None
    verdict = Verdict(
        subject=subject,
        client=endings[Role.CLIENT],
        server=endings[Role.SERVER],
        active_closer=closer,
        cause=cause,
        peer_cause=peer_cause,
        candidates=candidates,
        peer_candidates=peer_candidates,
        closing_segment=connection.notation(connection.segments[closing[subject][0]])
        if closing[subject]
        else "",
        deciding=_deciding(closing, closer or subject, subject),
        conn_state=conn_state(_counting(connection)),
        witnesses=found,
        delivery=delivery(
            connection,
            subject,
            report.replay if report else None,
            peer_report,
            encrypted=encrypted,
            is_exact=is_exact,
        ),
        remarks=tuple(_remarks(connection)),
        doubts=tuple(doubts),
    )
    return verdict if two_ends is None else _of_two_ends(verdict, two_ends, report, scripted_peer)


# What the capture at the peer's end says of the peer


def _of_two_ends(
    verdict: Verdict, two_ends: TwoEnds, report: HostReport | None, scripted_peer: bool
) -> Verdict:
    """Return the verdict with the peer's ending as it left the peer, and with segments as shown."""
    subject, far = verdict.subject, two_ends.far
    peer = subject.other
    ending = _ending(far, closing_segments(far, peer)) if far is not None else Ending.NONE
    cause, candidates = _cause(far, peer, None, None) if far is not None else (None, ())
    closing = {
        subject: _shown(two_ends, two_ends.near, subject),
        peer: _shown(two_ends, far, peer) if far is not None else [],
    }
    first = min(((indices[0], role) for role, indices in closing.items() if indices), default=None)
    closer = first[1] if first else None
    doubts = _doubts_of_wire(far, None, own=peer) if far is not None and not scripted_peer else []
    return replace(
        verdict,
        client=verdict.client if subject is Role.CLIENT else ending,
        server=verdict.server if subject is Role.SERVER else ending,
        active_closer=closer,
        cause=_or_not_sent(verdict.cause, subject, verdict.ending, two_ends),
        peer_cause=_or_not_sent(cause, peer, ending, two_ends),
        peer_candidates=candidates,
        deciding=_deciding(closing, closer or subject, subject),
        passages=two_ends.passages,
        remarks=(*verdict.remarks, *passing.remarks(two_ends, report)),
        doubts=(*verdict.doubts, *(f"at the peer's end: {doubt}" for doubt in doubts)),
    )


def _shown(two_ends: TwoEnds, at_end: Connection, role: Role) -> list[int]:
    return [two_ends.shown_at(index, role) for index in closing_segments(at_end, role)]


def _or_not_sent(cause: Cause | None, role: Role, ending: Ending, two_ends: TwoEnds) -> Cause | None:
    """Return the cause of an end's RST; NOT_SENT if it sent none and one was taken in its name."""
    forged = role in two_ends.forged and ending not in (Ending.RST, Ending.FIN_THEN_RST)
    return Cause.NOT_SENT if forged else cause


# What makes a verdict inconclusive before the wire is even looked at


def _doubts_of_capture(capture: CaptureFacts) -> list[str]:
    doubts = []
    if capture.dropped:
        doubts.append(f"the capture is incomplete: the kernel dropped {capture.dropped} frames")
    if not capture.fenced:
        doubts.append("the capture's end was not fenced: the last frames may be missing")
    return doubts


def _doubts_of_replay(report: HostReport | None, precondition: Precondition, ends_node: bool) -> list[str]:
    if report is None:
        return (
            []
            if precondition == Precondition()
            else ["nobody told what the receive buffer held at the close"]
        )
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
            doubts.append(f"how many bytes were {what} at the close is not known ({wanted} wanted)")
        elif not _holds(wanted, measured := getattr(state, what), state.received):
            doubts.append(f"{measured} bytes were {what} at the close, not {wanted}")
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


def _left_open(connection: Connection | None, report: HostReport | None) -> bool:
    """Return whether the watch ended before the connection, so that the peer has no report yet."""
    watch = report.replay.watch if report is not None else None
    return connection is not None and watch is not None and watch.left(connection.client, connection.server)


def _doubts_of_peer(peer_report: PeerReport | None, requires_peer_report: bool) -> list[str]:
    if peer_report is None:
        return ["the peer's application was not heard"] if requires_peer_report else []
    return [f"the peer could not do its part: {peer_report.trouble}"] if peer_report.trouble else []


def _doubts_of_wire(
    connection: Connection, opposite_a_script: Role | None, *, own: Role | None = None
) -> list[str]:
    """Return what the segments leave open. `own`: only of that end's; the others are in another capture."""
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
            doubts.append(f"the peer's script acknowledges what was never sent: {notation}")
        else:
            doubts.append(f"the capture has a hole: {notation} acknowledges what was never captured")
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


def _doubts_of_end(
    connection: Connection, report: HostReport | None, subject: Role, settle_ms: int
) -> list[str]:
    """Return a doubt if the connection had not ended when the capture, or the watch, did."""
    reading = connection.reading
    watch = report.replay.watch if report is not None else None
    if watch is None:
        if reading.over or reading.foreign() or reading.beyond():
            return []
        if reading.unanswered:
            return ["the SYN is still without an answer where the capture ends"]
        return ["the connection is still open where the capture ends"]
    if not watch.left(connection.client, connection.server):
        return []
    if report is not None and passing.only_peer_holds(report, connection):
        return []  # it has ended for this end; the other's waits for what never comes
    own = reading.end(connection.endpoint(subject))
    unacknowledged = (own.sent_to or 0) - (own.acked_to if own.acked_to is not None else own.sent_to or 0)
    if reading.is_reset:
        what = "the peer's kernel still had the connection"
    elif reading.unanswered:
        what = "the SYN was still without an answer"
    elif unacknowledged > 0:
        what = f"the {NODE} was still sending ({unacknowledged} bytes not acknowledged)"
    elif own.edge is not None and own.sent_to is not None and own.edge - own.sent_to < _LEAST_WINDOW:
        what = f"the {NODE} was still waiting for room in the peer's window"
    else:
        what = "the connection was still open"
    return [f"{what} when the time to settle was over: raise settle_ms (it is {settle_ms})"]


# What the wire shows


def closing_segments(connection: Connection, role: Role) -> list[int]:
    """Return the indices of this end's FIN and of the RSTs that count, each as first sent."""
    end = connection.reading.end(connection.endpoint(role))
    reset = end.reset()
    found = [index for index in (end.fin, reset.index if reset else None) if index is not None]
    # A RST whose number is past the FIN left after it, whatever order the capture shows.
    if reset is not None and end.fin is not None and reset.index < end.fin and reset.seq < (end.fin_end or 0):
        return [reset.index]
    return found


def _ending(connection: Connection, closing: Sequence[int]) -> Ending:
    """Return the ending of an end that sent these closing segments."""
    if not closing:
        return Ending.NONE
    if connection.segments[closing[0]].rst:
        return Ending.RST
    return Ending.FIN_THEN_RST if len(closing) > 1 else Ending.FIN


def _deciding(closing: Mapping[Role, Sequence[int]], closer: Role, subject: Role) -> tuple[int, ...]:
    """Return the closing segments of the active closer and of the end under test."""
    own = list(closing[closer]) or list(closing[closer.other][:1])
    return tuple(sorted({*own, *closing[subject]}))


def _counting(connection: Connection) -> Connection:
    """Return the connection without what decides nothing, for Zeek's word."""
    reading = connection.reading
    left_out = {ignored.index for ignored in reading.ignored()}
    if not left_out and not any(segment.rst for segment in connection.segments):
        return connection
    resets = {role: reading.end(connection.endpoint(role)).reset() for role in Role}
    kept = tuple(
        segment
        for index, segment in enumerate(connection.segments)
        if index not in left_out and not (segment.rst and _is_before(index, resets[connection.role(segment)]))
    )
    return replace(connection, segments=kept)


def _is_before(index: int, reset: CandidateReset | None) -> bool:
    return reset is None or index < reset.index


def _remarks(connection: Connection) -> list[str]:
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


# Why


def _cause(
    connection: Connection, role: Role, report: HostReport | None, reasons: Sequence[str] | None
) -> tuple[Cause | None, tuple[Cause, ...]]:
    """Return why this end reset the connection, or gave it up; where unknown, the candidates.

    `report` and `reasons` are what its own kernel told.
    """
    abort = abort_of(connection, role)
    if abort is None:
        return None, ()
    index = abort_index(connection, role)
    t_ns = connection.segments[index].t_ns if index is not None else None
    abort = replace(
        abort,
        waiting=report.waiting if report is not None else None,
        raised=witnesses.aborts_raised(report, t_ns),
        retries=_retries(connection, role, report),
        reasons=reasons,
    )
    cause = causes.cause_of(abort)
    if abort.form is Form.NOTHING and cause is Cause.UNKNOWN:
        return None, ()
    return cause, causes.candidates(abort) if cause is Cause.UNKNOWN else ()


def _retries(connection: Connection, role: Role, report: HostReport | None) -> int:
    """Return how often this end's kernel sends again before it gives up, as far as is known of it.

    Fewer times once no process has the socket open: where it still sent after its close had returned, or, if
    the times are unknown, had sent its FIN.
    """
    if report is None:
        return causes.RETRIES.open
    replay = report.replay
    is_closed = replay.close_returned and "shutdown" not in replay.calls[replay.close_line - 1].source
    closed_ns = replay.calls[replay.close_line - 1 if is_closed else -1].end_ns if replay.calls else None
    last_ns = max((s.t_ns for s in connection.segments if connection.role(s) is role), default=0)
    has_fin = connection.reading.end(connection.endpoint(role)).fin is not None
    is_orphan = last_ns > closed_ns if closed_ns is not None else has_fin
    return report.retries.orphan if is_orphan else report.retries.open


def _reasons(report: HostReport | None) -> tuple[str, ...] | None:
    """Return the kernel's reasons for each RST of the tested socket; None if it gives none."""
    if report is None or report.replay.resets is None:
        return None
    return tuple(reset.reason for reset in report.replay.resets)


# What the others say


def _witnesses(
    connection: Connection,
    subject: Role,
    report: HostReport | None,
    precondition: Precondition,
    closing: Sequence[int],
    ending: Ending,
    cause: Cause | None,
    reasons: Sequence[str] | None,
    peer_report: PeerReport | None,
    arrived: Ending,
    encrypted: bool,
) -> tuple[Witness, ...]:
    name = connection.name(subject) if report is None else f"the {NODE}"
    found = [witnesses.wire(connection, name, closing)]
    if report is not None:
        replay = report.replay
        index = abort_index(connection, subject)
        t_ns = connection.segments[index].t_ns if index is not None else None
        close = replay.calls[replay.close_line - 1].source if replay.close_returned else ""
        found += [
            witnesses.counters(report, ending, t_ns),
            witnesses.buffer(connection, report, precondition, closing, close),
            witnesses.calls(replay),
            *witnesses.system_calls(replay),
        ]
    found += witnesses.tracepoint(reasons, ending, cause)
    found.append(witnesses.peer(peer_report, arrived, connection.reading.over, encrypted=encrypted))
    return tuple(found)


def _nothing_seen(subject: Role, doubts: Sequence[str]) -> Verdict:
    return Verdict(
        subject=subject,
        client=Ending.NONE,
        server=Ending.NONE,
        active_closer=None,
        cause=None,
        peer_cause=None,
        closing_segment="",
        deciding=(),
        conn_state="OTH",
        witnesses=(),
        doubts=tuple(doubts),
    )
