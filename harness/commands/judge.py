"""`judge`: stored evidence judged again, or the connections of any capture. No Docker, no root."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from harness import pcap, store, trace
from harness.capture_file.opening import open_captures
from harness.capture_file.reading import Reading
from harness.commands.console import palette, print_json
from harness.errors import UsageError
from harness.evidence import CaptureFacts
from harness.judge import Verdict
from harness.judge import judge as judge_connection
from harness.judged import judge_all
from harness.outcome import worst
from harness.report import terminal
from harness.report.visible import visible
from harness.tcp import Validity
from harness.trace import Connection


def judge(options: argparse.Namespace) -> int:
    first = Path(options.paths[0])
    if len(options.paths) == 1 and first.is_dir():
        return _folder(first, options)
    return _captures(options)


def _folder(folder: Path, options: argparse.Namespace) -> int:
    evidence = store.read(folder)
    scenario = evidence.scenario.at(evidence.manifest.axes)
    judgements = judge_all(
        scenario,
        pcap.segments(evidence.capture),
        evidence.manifest.capture,
        evidence.replays,
        evidence.testimonies,
    )
    if not judgements:
        raise UsageError(f"{folder} holds no replay: the run ended before its first one did", "run it again")
    records = [judged.record() for judged in judgements]
    if options.write:
        store.write_verdicts(folder, records)
    overall = worst(judged.outcome for judged in judgements)
    if options.json:
        print_json({"format": 1, "outcome": overall, "scenario": evidence.scenario.name, "replays": records})
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
    connections = trace.connections(reading)
    if not connections:
        raise UsageError(_no_segment(reading), "give a capture of the connection in question")
    facts = CaptureFacts(dropped=reading.dropped or 0, fenced=True)  # None: the format cannot say
    verdicts = [(c, _doubted(judge_connection(c, capture=facts), c, reading)) for c in connections]
    if options.json:
        print_json(
            {"format": 1, "capture": _said(reading), "connections": [_record(c, v) for c, v in verdicts]}
        )
    else:
        for connection, verdict in verdicts:
            print(terminal.foreign(connection, verdict, palette()) + "\n")
        for doubt in reading.doubts:
            print(f"the capture: {visible(doubt)}")
    return 0 if all(v.validity is Validity.CONCLUSIVE for _, v in verdicts) else 3


def _no_segment(reading: Reading) -> str:
    """Say what the capture holds instead."""
    others = ", ".join(f"{number} {what}" for what, number in reading.passed_over.most_common())
    said = [others or "no frame at all", *reading.doubts]
    return f"the capture holds no TCP segment: {'; '.join(said)}"


def _doubted(verdict: Verdict, connection: Connection, reading: Reading) -> Verdict:
    """Doubt a verdict on a connection that was still open where a file breaks off."""
    doubts = [found.why for found in reading.breaks if _open_after(connection, found.after_frame)]
    if not doubts:
        return verdict
    return replace(verdict, doubts=(*verdict.doubts, *doubts))


def _open_after(connection: Connection, frame_no: int) -> bool:
    before = [segment for segment in connection.segments if segment.frame_no <= frame_no]
    return bool(before) and not trace.is_over(trace.connection(before))


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
        "server_cause": verdict.peer_cause,
        "deciding": [connection.notation(connection.segments[index]) for index in verdict.deciding],
        "conn_state": verdict.conn_state,
        "validity": verdict.validity,
        "doubts": verdict.doubts,
    }
