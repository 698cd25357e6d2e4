"""Judges one connection by its segments and its witnesses. No kernels, no expectations, no clocks.

The wire decides (`acceptance`: which segments count); the other witnesses corroborate. A witness that
contradicts the wire makes the verdict inconclusive: it is reported, never averaged away. What packets cannot
say (unread data and a zero linger look alike) is taken from the closing host's own counters, or left unknown
(`causes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rst_or_fin.evidence.records import CaptureFacts, PeerReport
from rst_or_fin.tcp import causes
from rst_or_fin.tcp.causes import Form
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Cause, Ending, Role
from rst_or_fin.tcp.precondition import Precondition
from rst_or_fin.tcp.sender_state import CandidateReset
from rst_or_fin.tcp.two_ends import TwoEnds
from rst_or_fin.tcp.zeek_conn_state import conn_state
from rst_or_fin.verdict import account, passing, witnesses
from rst_or_fin.verdict.aborts import abort_index, abort_of
from rst_or_fin.verdict.delivery import delivery
from rst_or_fin.verdict.doubts import (
    doubts_of_capture,
    doubts_of_end,
    doubts_of_peer,
    doubts_of_replay,
    doubts_of_segments,
    left_open,
    remarks_of,
)
from rst_or_fin.verdict.verdict import NODE, Verdict
from rst_or_fin.verdict.witnesses import HostReport, Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerTraits:
    """What the judge must know of the peer's program.

    `must_report`: without its report nothing can be concluded. `counts_bytes`: its report counts every byte,
    not only whole requests. `is_encrypted`: applications count other bytes than the wire carries.
    `has_kernel` is false for a script, which sends its segments itself: no kernel keeps its numbers.
    """

    must_report: bool = False
    counts_bytes: bool = True
    is_encrypted: bool = False
    has_kernel: bool = True


_ANY_PEER, _NO_PRECONDITION = PeerTraits(), Precondition()


def judge(
    connection: Connection | None,
    *,
    capture: CaptureFacts,
    subject: Role = Role.CLIENT,
    report: HostReport | None = None,
    peer_report: PeerReport | None = None,
    precondition: Precondition = _NO_PRECONDITION,
    peer: PeerTraits = _ANY_PEER,
    settle_ms: int = 0,
    ends_node: bool = False,
    two_ends: TwoEnds | None = None,
) -> Verdict:
    """Judge one connection.

    `report` is what the closing host reported (None for a foreign capture), `peer_report` what its peer's
    application saw, `precondition` what must have been true of the receive buffer right before the close.
    `settle_ms` is how long the wire was watched after the session. `ends_node`: the close line was to end the
    node. `two_ends`: the connection was captured at the peer's end, too, and `connection` is that at the
    subject's.
    """
    doubts = [
        *doubts_of_capture(capture),
        *doubts_of_replay(report, precondition, ends_node),
        *doubts_of_peer(peer_report, peer.must_report and not left_open(connection, report)),
    ]
    if connection is None:
        doubts.append("no segment of the connection was captured")
        return _nothing_seen(subject, doubts)
    closing = {role: closing_segments(connection, role) for role in Role}
    endings = {role: _ending(connection, indices) for role, indices in closing.items()}
    reasons = _reasons(report)
    cause, candidates = _cause(connection, subject, report, reasons)
    peer_cause, peer_candidates = _cause(connection, subject.other, None, None)
    if peer.counts_bytes and not peer.is_encrypted:
        at_peer = connection if two_ends is None else two_ends.far or connection
        doubts += account.differences(at_peer, subject.other, peer_report, has_kernel=peer.has_kernel)
    doubts += doubts_of_segments(
        connection, None if peer.has_kernel else subject, own=subject if two_ends is not None else None
    )
    doubts += doubts_of_end(connection, report, subject, settle_ms)
    own, ending = closing[subject], endings[subject]
    arrived = two_ends.arrived if two_ends is not None else ending
    found = (
        witnesses.wire(connection, connection.name(subject) if report is None else f"the {NODE}", own),
        *_of_host(connection, subject, report, precondition, own, ending),
        *witnesses.tracepoint(reasons, ending, cause),
        witnesses.peer(peer_report, arrived, connection.reading.over, encrypted=peer.is_encrypted),
    )
    doubts += [f"{w.name} contradicts the wire: {w.says}" for w in found if w.agrees is False]
    closer, deciding = _deciding(closing, subject)
    verdict = Verdict(
        subject=subject,
        client=endings[Role.CLIENT],
        server=endings[Role.SERVER],
        active_closer=closer,
        cause=cause,
        peer_cause=peer_cause,
        candidates=candidates,
        peer_candidates=peer_candidates,
        closing_segment=connection.notation(connection.segments[own[0]]) if own else "",
        deciding=deciding,
        conn_state=conn_state(_counting(connection)),
        witnesses=found,
        delivery=delivery(
            connection,
            subject,
            report.replay if report else None,
            peer_report,
            encrypted=peer.is_encrypted,
            is_exact=peer.counts_bytes,
        ),
        remarks=tuple(remarks_of(connection)),
        doubts=tuple(doubts),
    )
    return verdict if two_ends is None else _of_two_ends(verdict, two_ends, report, peer)


# What the capture at the peer's end says of the peer


def _of_two_ends(verdict: Verdict, two_ends: TwoEnds, report: HostReport | None, peer: PeerTraits) -> Verdict:
    """Return the verdict with the peer's ending as it left the peer, and with segments as shown."""
    subject, far = verdict.subject, two_ends.far
    other = subject.other
    ending = _ending(far, closing_segments(far, other)) if far is not None else Ending.NONE
    cause, candidates = _cause(far, other, None, None) if far is not None else (None, ())
    closing = {
        subject: _shown(two_ends, two_ends.near, subject),
        other: _shown(two_ends, far, other) if far is not None else [],
    }
    closer, deciding = _deciding(closing, subject)
    doubts = doubts_of_segments(far, None, own=other) if far is not None and peer.has_kernel else []
    return replace(
        verdict,
        client=verdict.client if subject is Role.CLIENT else ending,
        server=verdict.server if subject is Role.SERVER else ending,
        active_closer=closer,
        cause=_or_not_sent(verdict.cause, subject, verdict.ending, two_ends),
        peer_cause=_or_not_sent(cause, other, ending, two_ends),
        peer_candidates=candidates,
        deciding=deciding,
        passages=two_ends.passages,
        remarks=(
            *verdict.remarks,
            *passing.remarks(two_ends, report.replay.wire if report is not None else None),
        ),
        doubts=(*verdict.doubts, *(f"at the peer's end: {doubt}" for doubt in doubts)),
    )


def _shown(two_ends: TwoEnds, at_end: Connection, role: Role) -> list[int]:
    return [two_ends.shown_at(index, role) for index in closing_segments(at_end, role)]


def _or_not_sent(cause: Cause | None, role: Role, ending: Ending, two_ends: TwoEnds) -> Cause | None:
    """Return the cause of an end's RST; NOT_SENT if it sent none and one was taken in its name."""
    forged = role in two_ends.forged and ending not in (Ending.RST, Ending.FIN_THEN_RST)
    return Cause.NOT_SENT if forged else cause


# What makes a verdict inconclusive before the wire is even looked at


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


def _deciding(closing: Mapping[Role, Sequence[int]], subject: Role) -> tuple[Role | None, tuple[int, ...]]:
    """Return the active closer, and the closing segments of that end and of the end under test."""
    first = min(((indices[0], role) for role, indices in closing.items() if indices), default=None)
    closer = first[1] if first else None
    return closer, tuple(sorted({*closing[closer or subject], *closing[subject]}))


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


# Why


def _cause(
    connection: Connection, role: Role, report: HostReport | None, reasons: Sequence[str] | None
) -> tuple[Cause | None, tuple[Cause, ...]]:
    """Return why this end reset the connection, or gave it up; if unknown, the candidates.

    `report` and `reasons` are from its own kernel.
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

    Fewer times once no process has the socket open: if it still sent after its close had returned, or, if
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


def _of_host(
    connection: Connection,
    subject: Role,
    report: HostReport | None,
    precondition: Precondition,
    closing: Sequence[int],
    ending: Ending,
) -> list[Witness]:
    """Return the witnesses of the closing host; none for a foreign capture."""
    if report is None:
        return []
    replay = report.replay
    index = abort_index(connection, subject)
    t_ns = connection.segments[index].t_ns if index is not None else None
    close = replay.calls[replay.close_line - 1].source if replay.close_returned else ""
    return [
        witnesses.counters(report, ending, t_ns),
        witnesses.buffer(connection, report, precondition, closing, close),
        witnesses.calls(replay),
        *witnesses.system_calls(replay),
    ]


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
