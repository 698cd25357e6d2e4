"""A judged capture as JSON: one object a connection, under stable names (docs/captures.md). Pure."""

from __future__ import annotations

from typing import Any

from rst_or_fin.analysis.captured import Case, JudgedCapture
from rst_or_fin.analysis.overview import Overview, in_words
from rst_or_fin.report import times
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.verdict.signs import signs


def case_record(case: Case) -> dict[str, Any]:
    """Return one connection's record.

    `deciding` are segments in tcpdump's notation, `deciding_frames` their frame numbers.
    """
    connection, found = case.connection, case.verdict
    deciding = [connection.segments[index] for index in found.deciding]
    return {
        "number": case.number,
        "client": connection.client,
        "server": connection.server,
        "began": times.iso(case.first_ns),
        "ended": times.iso(case.last_ns),
        "first_frame": connection.segments[0].frame_no,
        "last_frame": connection.segments[-1].frame_no,
        "segments": len(connection.segments),
        "how": in_words(connection, found),
        "client_ending": found.client,
        "server_ending": found.server,
        "active_closer": found.active_closer,
        "client_cause": found.cause,
        "client_cause_candidates": found.candidates,
        "client_told_apart_by": found.told_apart_by,
        "server_cause": found.peer_cause,
        "server_cause_candidates": found.peer_candidates,
        "server_told_apart_by": found.peer_told_apart_by,
        "roles_told_by": connection.roles,
        "remarks": found.remarks,
        "signs": signs(connection),
        "witnesses": found.witnesses,
        "deciding": [connection.notation(segment) for segment in deciding],
        "deciding_frames": [segment.frame_no for segment in deciding],
        "conn_state": found.conn_state,
        "validity": found.validity,
        "doubts": found.doubts,
    }


def capture_record(capture: JudgedCapture) -> dict[str, Any]:
    """Return what the capture says of itself."""
    reading = capture.reading
    return {
        "frames": reading.frames,
        "dropped": reading.dropped,
        "passed_over": dict(reading.passed_over),
        "doubts": reading.doubts,
        "comments": [comment._asdict() for comment in reading.comments],
        "offloaded": capture.offloaded,
    }


def overview_record(overview: Overview, selected_of: int) -> dict[str, Any]:
    """Return the first screen: how connections ended, who resets whom, what cannot be told."""
    return {
        "connections": selected_of,
        "selected": overview.total,
        "segments": overview.segments,
        "conclusive": overview.validity["conclusive"],  # type: ignore[index]
        "began": None if overview.first_ns is None else times.iso(overview.first_ns),
        "ended": None if overview.last_ns is None else times.iso(overview.last_ns),
        "endings": [
            {"how": how, "validity": validity, "connections": number}
            for (how, validity), number in overview.ranked_endings
        ],
        "resets": [
            {
                "by": way.by,
                "ending": way.ending,
                "port": way.port,
                "why": way.why,
                "connections": group.total,
                "inconclusive": group.inconclusive,
                "resetting_hosts": sorted(group.resetting)[:20],
                "other_hosts": sorted(group.others)[:20],
                "example": group.number,
            }
            for way, group in overview.ranked_patterns
        ],
        "open_causes": [
            {
                "candidates": candidates,
                "connections": known.total,
                "told_apart_by": known.told_apart_by,
                "example": known.number,
            }
            for candidates, known in overview.open_causes.items()
        ],
        "doubts": [
            {"doubt": doubt, "connections": number, "example": overview.doubted[doubt]}
            for doubt, number in overview.doubts.most_common()
        ],
    }


def segments_record(connection: Connection) -> list[dict[str, Any]]:
    """Return a record for every segment of one connection."""
    return [
        {
            "frame": segment.frame_no,
            "time": times.iso(segment.t_ns),
            "from": connection.name(connection.role(segment)),
            "notation": connection.notation(segment),
            "window": segment.window,
            "ttl": segment.ttl,
        }
        for segment in connection.segments
    ]
