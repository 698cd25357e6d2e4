"""`judge`: stored evidence judged again, or the connections of any pcap capture. No Docker, no root."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import pcap, store, tracker
from harness.commands.console import palette, print_json
from harness.errors import UsageError
from harness.evidence import CaptureFacts
from harness.judge import Verdict
from harness.judge import judge as judge_connection
from harness.load_run import load_run
from harness.outcome import worst
from harness.report import terminal
from harness.tcp import Validity
from harness.trace import Connection


def judge(options: argparse.Namespace) -> int:
    path = Path(options.path)
    if path.is_dir():
        return _folder(path, options)
    if path.is_file():
        return _capture(path, options)
    raise UsageError(f"{path}: no such file or folder", "give an evidence folder (runs/...) or a pcap file")


def _folder(folder: Path, options: argparse.Namespace) -> int:
    run = load_run(folder)
    scenario, judgements = run.scenario, run.judgements
    if not judgements:
        raise UsageError(f"{folder} holds no replay: the run ended before its first one did", "run it again")
    records = [judged.record() for judged in judgements]
    if options.write:
        store.write_verdicts(folder, records)
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


def _capture(path: Path, options: argparse.Namespace) -> int:
    """Somebody else's capture: only the wire speaks, so a cause is often unknown; nothing is expected."""
    try:
        capture = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check its permissions") from error
    connections = tracker.connections(pcap.segments(capture))
    if not connections:
        raise UsageError(f"{path} holds no TCP segment", "give a capture of the connection in question")
    facts = CaptureFacts(dropped=0, fenced=True)  # what it missed, a classic pcap cannot say
    verdicts = [(c, judge_connection(c, capture=facts)) for c in connections]
    if options.json:
        print_json({"format": 1, "connections": [_record(c, v) for c, v in verdicts]})
    else:
        for connection, verdict in verdicts:
            print(terminal.foreign(connection, verdict, palette()) + "\n")
    return 0 if all(v.validity is Validity.CONCLUSIVE for _, v in verdicts) else 3


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
