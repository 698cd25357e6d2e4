"""`judge`: stored evidence judged again, or the connections of any capture. No Docker, no root."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rst_or_fin.capture_file.offloads import without_offloaded
from rst_or_fin.capture_file.opening import open_captures
from rst_or_fin.capture_file.reading import Break, Reading
from rst_or_fin.commands.console import palette, print_json
from rst_or_fin.errors import UsageError
from rst_or_fin.escaping import visible
from rst_or_fin.evidence.records import CaptureFacts
from rst_or_fin.report import terminal
from rst_or_fin.storage import evidence_folder
from rst_or_fin.storage.load_run import load_run
from rst_or_fin.tcp import tracker
from rst_or_fin.tcp.acceptance import read
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Validity
from rst_or_fin.tcp.segment import Segment
from rst_or_fin.verdict.judge import Verdict
from rst_or_fin.verdict.judge import judge as judge_connection
from rst_or_fin.verdict.outcome import worst

_SETTLED_NS = 1_000_000_000  # what crosses the end of a connection has come by then


def judge(options: argparse.Namespace) -> int:
    first = Path(options.paths[0])
    if len(options.paths) == 1 and first.is_dir():
        return _folder(first, options)
    return _captures(options)


def _folder(folder: Path, options: argparse.Namespace) -> int:
    run = load_run(folder)
    scenario, judgements = run.scenario, run.judgements
    if not judgements:
        raise UsageError(f"{folder} holds no replay: the run ended before its first one did", "run it again")
    records = [judged.record() for judged in judgements]
    if options.write:
        evidence_folder.write_verdicts(folder, records)
    overall = worst(judged.outcome for judged in judgements)
    if options.json:
        print_json({"format": 1, "outcome": overall, "scenario": scenario.name, "replays": records})
    elif len(judgements) == 1:
        print(terminal.case(scenario, judgements[0], palette()))
    else:
        tally = terminal.Tally()
        for judged in judgements:
            tally.add(judged)
        print(terminal.heading(scenario, palette()))
        print(f"  {tally.line(palette())}")
    return overall.exit_code


def _captures(options: argparse.Namespace) -> int:
    """Somebody else's capture: only the wire speaks, so a cause is often unknown; nothing is expected."""
    reading = open_captures(options.paths, payload_kept=0)
    segments, offloaded = without_offloaded(reading)
    connections = tracker.connections(segments)
    if not connections:
        raise UsageError(_no_segment(reading), "give a capture of the connection in question")
    facts = CaptureFacts(dropped=reading.dropped or 0, fenced=True)  # None: the format cannot say
    breaks = [_Broken(found.why, found.after_frame, _time_of(found, segments)) for found in reading.breaks]
    verdicts = [(c, _doubted(judge_connection(c, capture=facts), c, breaks, offloaded)) for c in connections]
    if options.json:
        said = {**_said(reading), "offloaded": offloaded}
        print_json({"format": 1, "capture": said, "connections": [_record(c, v) for c, v in verdicts]})
    else:
        for connection, verdict in verdicts:
            print(terminal.foreign(connection, verdict, palette()) + "\n")
        for doubt in reading.doubts:
            print(f"the capture: {visible(doubt)}")
        for host in offloaded:
            print(f"the capture: every checksum of {host} is wrong: left to its network card, it seems")
    return 0 if all(v.validity is Validity.CONCLUSIVE for _, v in verdicts) else 3


def _no_segment(reading: Reading) -> str:
    """Say what the capture holds instead."""
    others = ", ".join(f"{number} {what}" for what, number in reading.passed_over.most_common())
    said = [others or "no frame at all", *reading.doubts]
    return f"the capture holds no TCP segment: {'; '.join(said)}"


class _Broken(NamedTuple):
    """Where a file breaks off: why, after which frame, and when that was."""

    why: str
    after_frame: int
    t_ns: int


def _time_of(found: Break, segments: Sequence[Segment]) -> int:
    return max((s.t_ns for s in segments if s.frame_no <= found.after_frame), default=0)


def _doubted(
    verdict: Verdict, connection: Connection, breaks: Sequence[_Broken], offloaded: Sequence[str]
) -> Verdict:
    """Doubt a verdict on a connection that was open where a file breaks off, or had only just ended.

    Doubt it, too, where an end's only segment has a wrong checksum: that may be offloading, or damage.
    """
    doubts = [broken.why for broken in breaks if _unsettled(connection, broken)]
    for end in {connection.client, connection.server}:
        own = [s for s in connection.segments if s.src == end]
        if end.address in offloaded and len(own) == 1:
            doubts.append(
                f"the only segment from {end} has a wrong checksum: left to its network card, or damaged"
            )
    return replace(verdict, doubts=(*verdict.doubts, *doubts)) if doubts else verdict


def _unsettled(connection: Connection, broken: _Broken) -> bool:
    """Whether more of a connection may have followed where the file breaks off."""
    before = [s for s in connection.segments if s.frame_no <= broken.after_frame]
    return bool(before) and (not read(before).over or before[-1].t_ns > broken.t_ns - _SETTLED_NS)


def _said(reading: Reading) -> dict[str, object]:
    return {
        "frames": reading.frames,
        "dropped": reading.dropped,
        "passed_over": dict(reading.passed_over),
        "doubts": reading.doubts,
        "comments": [comment._asdict() for comment in reading.comments],
    }


def _record(connection: Connection, verdict: Verdict) -> dict[str, object]:
    return {
        "client": connection.client,
        "server": connection.server,
        "client_ending": verdict.client,
        "server_ending": verdict.server,
        "active_closer": verdict.active_closer,
        "client_cause": verdict.cause,
        "client_cause_candidates": verdict.candidates,
        "server_cause": verdict.peer_cause,
        "server_cause_candidates": verdict.peer_candidates,
        "roles_told_by": connection.roles,
        "remarks": verdict.remarks,
        "deciding": [connection.notation(connection.segments[index]) for index in verdict.deciding],
        "conn_state": verdict.conn_state,
        "validity": verdict.validity,
        "doubts": verdict.doubts,
    }
