"""Lays out the ladder of a connection from a foreign capture: its client left, its server right. Pure."""

from __future__ import annotations

from rst_or_fin.analysis.captured import Case
from rst_or_fin.analysis.overview import causes_of, in_words
from rst_or_fin.escaping import clipped, preview, visible
from rst_or_fin.report import times
from rst_or_fin.report.ladder import NOTE_LEN, PREVIEW_LEN, Host, Ladder, SegmentRow, folded
from rst_or_fin.tcp.causes import BY_CAUSE
from rst_or_fin.tcp.connection import Roles
from rst_or_fin.tcp.ending import Cause, Role


def ladder(case: Case) -> Ladder:
    """Lay out one connection."""
    connection, found = case.connection, case.verdict
    meanings = marked(case)
    rows = [
        SegmentRow(
            t_ns=segment.t_ns - case.first_ns,
            rightward=connection.role(segment) is Role.CLIENT,
            notation=connection.notation(segment),
            reset=segment.rst,
            ends=segment.syn or segment.fin or segment.rst,
            payload=preview(segment.payload, PREVIEW_LEN),
            payload_len=segment.payload_len,
            meaning=meanings.get(index, ""),
        )
        for index, segment in enumerate(connection.segments)
    ]
    said = f"{in_words(connection, found)}, conn_state {found.conn_state}, {found.validity}"
    notes = [*(f"inconclusive: {d}" for d in found.doubts), *(f"note: {r}" for r in found.remarks)]
    return Ladder(
        title=f"connection {case.number}: {said}",
        description=f"{times.date_time(case.first_ns)} UTC, {len(rows)} segments. {said}.",
        left=_host(case, Role.CLIENT),
        right=_host(case, Role.SERVER),
        rows=tuple(folded(rows)),
        verdict=said,
        notes=tuple(clipped(visible(note), NOTE_LEN) for note in notes),
    )


def marked(case: Case) -> dict[int, str]:
    """Return the deciding segments, by index, with their frame and what they mean."""
    return {
        index: f"frame {case.connection.segments[index].frame_no}: {_meaning(case, index)}"
        for index in case.verdict.deciding
    }


def _meaning(case: Case, index: int) -> str:
    segment = case.connection.segments[index]
    role = case.connection.role(segment)
    if not segment.rst:
        first = case.verdict.active_closer is role and index == case.verdict.deciding[0]
        return f"FIN: {'this end closes first' if first else 'this end closes too'}"
    cause, candidates, _ = causes_of(case.verdict, role)
    if candidates:
        return f"RST: it may be {' or '.join(candidates)}"
    return "RST: " + (
        BY_CAUSE[cause].means if cause not in (None, Cause.UNKNOWN) else "the capture cannot say why"
    )


def _host(case: Case, role: Role) -> Host:
    connection, found = case.connection, case.verdict
    ending = found.client if role is Role.CLIENT else found.server
    name = "one end" if connection.roles is Roles.NOT_SEEN else str(role)
    return Host(name=name, role=str(ending), address=visible(str(connection.endpoint(role))))
