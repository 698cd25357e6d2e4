"""`sweep`: one parameter of a scenario varied, until one ending becomes another."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rst_or_fin.analysis.sweep import Point, method, point, sentence
from rst_or_fin.analysis.threshold import SearchResult, search
from rst_or_fin.commands.argument_types import count
from rst_or_fin.commands.console import columns, counting, palette, print_json, progress, show
from rst_or_fin.commands.play_options import add_play_options, testbed_spec
from rst_or_fin.commands.saved_reports import write_reports
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.report import sweep as report
from rst_or_fin.report import terminal
from rst_or_fin.runner.player import Player
from rst_or_fin.runner.pool import TestbedPool
from rst_or_fin.storage import evidence_writer, scenario_files
from rst_or_fin.storage.find_runs import find_runs
from rst_or_fin.storage.scenario_files import Entry
from rst_or_fin.testbed.select import choose
from rst_or_fin.verdict.outcome import worst

_RESULT = "sweep.json"


def sweep_options(parser: argparse.ArgumentParser) -> None:
    """Add what `sweep` takes."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a scenario that has [parameters]")
    parser.add_argument("--vary", metavar="NAME", required=True, help="the parameter to vary")
    parser.add_argument("--from", dest="low", type=int, metavar="A", required=True, help="its first value")
    parser.add_argument("--to", dest="high", type=int, metavar="B", required=True, help="its last value")
    parser.add_argument(
        "--points", type=count, metavar="N", help="play N evenly spread values instead of bisecting"
    )
    add_play_options(parser)


def sweep(options: argparse.Namespace) -> int:
    """Play the scenario at one value after another; return the exit code of the worst point."""
    entry = scenario_files.find(options.scenario).under(options.wire)
    _check(entry, options)
    root = evidence_writer.new_folder(Path(options.out), f"sweep-{entry.scenario.name}")
    points: dict[int, Point] = {}
    runtime = choose(testbed_spec(options), progress, scenario_files.not_shipped([entry]))
    with TestbedPool(runtime, progress) as pool, counting(None, "replays") as one_more:
        player = Player(pool, repeat=options.repeat, command_line=options.command_line)
        excluded = player.excluded(entry)
        if excluded:
            raise MachineError(f"{entry.scenario.name} cannot be played here: {excluded}")

        def measure(value: int) -> str | None:
            folder = root / f"{options.vary}={value}"
            played = []
            for judged in player.play(entry.given({options.vary: value}), folder):
                played.append(judged)
                one_more()
            found = points[value] = point(value, played, str(folder))
            progress(f"{options.vary}={value}: {found.ending or 'no single ending'}")
            return found.ending

        try:
            found = search(options.low, options.high, measure, options.points)
        except BaseException:
            if points and not options.json:  # what was seen is not lost with the rest
                show(report.table(options.vary, list(points.values()), palette()))
            raise
    ordered = [points[value] for value in sorted(points)]
    overall = worst(p.outcome for p in ordered)
    record = _record(entry, options, found, ordered, root)
    evidence_writer.write_json(root / _RESULT, record)
    write_reports(options, find_runs(root))
    if options.json:
        print_json(record)
    else:
        colours = palette()
        show(terminal.heading(entry.scenario, colours, width=columns()))
        show(f"\n{report.table(options.vary, ordered, colours)}\n")
        show(report.summary(options.vary, found, ordered, colours))
        show(f"Evidence\n    {root}")
    return overall.exit_code


def _check(entry: Entry, options: argparse.Namespace) -> None:
    parameters = entry.scenario.parameters
    if options.vary not in parameters:
        raise UsageError(
            f"{entry.scenario.name} has no parameter {options.vary!r}",
            f"it has {', '.join(parameters)}"
            if parameters
            else "a scenario that can be swept has a [parameters] table: docs/scenarios.md",
        )
    if options.low >= options.high:
        raise UsageError(
            f"there is nothing between {options.low} and {options.high}", "--from must be below --to"
        )
    for end in (options.low, options.high):
        entry.given(
            {options.vary: end}
        )  # what lies outside of an option's range is told before the first replay


def _record(
    entry: Entry, options: argparse.Namespace, found: SearchResult, points: list[Point], root: Path
) -> dict[str, Any]:
    name = options.vary
    return {
        "format": 1,
        "scenario": entry.scenario.name,
        "parameter": name,
        "from": options.low,
        "to": options.high,
        "others": {key: value for key, value in entry.scenario.parameters.items() if key != name},
        "outcome": worst(p.outcome for p in points),
        "method": "grid" if found.why_grid else "bisection",
        "why_grid": found.why_grid,
        "sentence": sentence(name, found),
        "how": method(found, points),
        "runs": [{"ending": run.answer, "first": run.first, "last": run.last} for run in found.runs],
        "checked": found.checked,
        "points": [p.record() for p in points],
        "evidence": str(root),
    }
