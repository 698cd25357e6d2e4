"""`reproduce` and `run`: scenarios on a testbed, their evidence, and what came of them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rst_or_fin.analysis.wilson import shares
from rst_or_fin.commands.console import palette, print_json, progress
from rst_or_fin.errors import EnvironmentTroubleError
from rst_or_fin.report import terminal
from rst_or_fin.runner.player import Player
from rst_or_fin.runner.pool import TestbedPool, side_by_side
from rst_or_fin.storage import evidence_folder, scenario_files
from rst_or_fin.storage.scenario_files import Entry
from rst_or_fin.testbed.select import choose
from rst_or_fin.verdict.assess import Judged
from rst_or_fin.verdict.outcome import Outcome, worst

_PROGRESS_EVERY_S = 2.0
_REPLAYS_IN_JSON = 1000


def reproduce(options: argparse.Namespace) -> int:
    """The main job: the published pair, a RST and a FIN."""
    return _play([scenario_files.find(name) for name in scenario_files.PUBLISHED_PAIR], options)


def run(options: argparse.Namespace) -> int:
    entries = [scenario_files.find(name) for name in options.scenarios]
    return _play(side_by_side(entries, lambda entry: entry.scenario.hosts), options)


def _play(entries: Sequence[Entry], options: argparse.Namespace) -> int:
    runtime = choose(options, progress)
    outcomes: list[Outcome] = []
    records: list[dict[str, Any]] = []
    colours = palette()
    with TestbedPool(runtime, progress) as beds:
        player = Player(beds, repeat=options.repeat, command_line=options.command_line)
        for entry in entries:
            excluded = player.excluded(entry)
            if excluded:
                progress(f"{entry.scenario.name} is left out here: {excluded}")
                continue
            folder = evidence_folder.new_folder(Path(options.out), entry.scenario.name)
            tally = terminal.Tally()
            kept: list[Judged] = []
            try:
                for judged in _reporting(player.play(entry, folder), tally, options.repeat):
                    if len(kept) < (1 if options.repeat == 1 else _REPLAYS_IN_JSON * options.json):
                        kept.append(judged)
            except BaseException:
                _print_what_there_is(entry, folder, tally, kept, records, options)
                raise
            outcomes.append(tally.outcome)
            if options.json:
                records.append(_record(entry, folder, tally, kept))
            elif options.repeat == 1:
                print(terminal.case(entry.scenario, kept[0], colours))
                print(f"  Evidence\n    {folder}\n", flush=True)
            else:
                _print_tally(entry, folder, tally, colours)
    if not outcomes:
        raise EnvironmentTroubleError("none of these scenarios can be played here", "see the lines above")
    overall = worst(outcomes)
    if options.json:
        print_json({"format": 1, "outcome": overall, "runs": records})
    else:
        scenarios = "1 scenario" if len(outcomes) == 1 else f"{len(outcomes)} scenarios"
        print(f"{scenarios}: {terminal.outcome_word(overall, colours)}")
    return overall.exit_code


def _print_what_there_is(
    entry: Entry,
    folder: Path,
    tally: terminal.Tally,
    kept: Sequence[Judged],
    records: list[dict[str, Any]],
    options: argparse.Namespace,
) -> None:
    """Show what a run that was interrupted has come to: its replays so far, and the folder that has them."""
    if not tally.total:
        return
    if options.json:
        records.append(_record(entry, folder, tally, kept))
        print_json({"format": 1, "outcome": tally.outcome, "interrupted": True, "runs": records})
    else:
        _print_tally(entry, folder, tally, palette())


def _reporting(judgements: Iterator[Judged], tally: terminal.Tally, repeat: int) -> Iterator[Judged]:
    """Pass the judgements on, counted, with a line of progress now and then where there are many."""
    due = time.monotonic() + _PROGRESS_EVERY_S
    for judged in judgements:
        tally.add(judged)
        yield judged
        if time.monotonic() >= due:
            progress(f"{tally.total} of {repeat} replays")
            due = time.monotonic() + _PROGRESS_EVERY_S


def _record(entry: Entry, folder: Path, tally: terminal.Tally, kept: Sequence[Judged]) -> dict[str, Any]:
    return {
        "scenario": entry.scenario.name,
        "evidence": str(folder),
        "outcome": tally.outcome,
        "outcomes": {str(outcome): count for outcome, count in tally.outcomes.items()},
        "endings": dict(tally.endings),
        "race": entry.scenario.race,
        "distribution": distribution(tally),
        "replays": [
            {**judged.record(), "session": judged.replay.calls, "end": judged.replay.end} for judged in kept
        ],
    }


def distribution(tally: terminal.Tally) -> list[dict[str, Any]]:
    """The endings of the conclusive replays as shares, each with its 95 % Wilson interval."""
    return [
        {"ending": ending, "count": s.count, "of": s.total, "share": s.value, "low": s.low, "high": s.high}
        for ending, s in shares(tally.conclusive).items()
    ]


def _print_tally(entry: Entry, folder: Path, tally: terminal.Tally, colours: terminal.Palette) -> None:
    print(terminal.heading(entry.scenario, colours))
    print(f"  {tally.line(colours)}")
    for judged in tally.odd:
        print(f"\n  Replay {judged.replay.index}\n{terminal.case(entry.scenario, judged, colours)}")
    print(f"  Evidence\n    {folder}\n", flush=True)
