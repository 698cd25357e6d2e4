"""`judge`: stored evidence judged again, or the connections of any capture. No Docker, no root."""

from __future__ import annotations

import argparse
from pathlib import Path

from rst_or_fin.commands.capture_answers import judge_capture
from rst_or_fin.commands.capture_witnesses import add_witness_options
from rst_or_fin.commands.captures import add_selection_options
from rst_or_fin.commands.console import columns, palette, print_json, show
from rst_or_fin.commands.output_options import add_all_option


def judge_options(parser: argparse.ArgumentParser) -> None:
    """Add what `judge` takes."""
    parser.add_argument(
        "paths", nargs="+", metavar="FILE", help="an evidence folder, or capture files; - is standard input"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_all_option(parser)
    parser.add_argument(
        "--json-lines",
        action="store_true",
        help="for captures: one JSON object per line, one line per connection",
    )
    add_selection_options(parser)
    add_witness_options(parser)
    parser.add_argument("--write", action="store_true", help="replace the folder's verdicts.jsonl")


def judge(options: argparse.Namespace) -> int:
    """Judge an evidence folder again, or captures."""
    first = Path(options.paths[0])
    if len(options.paths) == 1 and first.is_dir():
        return _folder(first, options)
    return judge_capture(options)


def _folder(folder: Path, options: argparse.Namespace) -> int:
    from rst_or_fin.report import terminal  # a capture needs nothing of evidence folders
    from rst_or_fin.storage import evidence_writer
    from rst_or_fin.storage.load_run import load_played_run
    from rst_or_fin.verdict.outcome import worst

    run = load_played_run(folder)
    scenario, judgements = run.scenario, run.judgements
    records = [judged.record() for judged in judgements]
    if options.write:
        evidence_writer.write_verdicts(folder, records)
    overall = worst(judged.outcome for judged in judgements)
    if options.json:
        print_json({"format": 1, "outcome": overall, "scenario": scenario.name, "replays": records})
    elif len(judgements) == 1:
        everything, width = options.everything, columns()
        show(terminal.case(scenario, judgements[0], palette(), width=width, everything=everything))
    else:
        tally = terminal.Tally()
        for judged in judgements:
            tally.add(judged)
        show(terminal.heading(scenario, palette(), width=columns()))
        manifest = run.evidence.manifest
        interrupted_of = manifest.repeat if manifest.finished is None else None
        show(f"  {tally.line(palette(), interrupted_of=interrupted_of)}")
    return overall.exit_code
