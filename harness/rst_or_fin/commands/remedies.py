"""`remedies`: every remedy beside the case that it is for, from replays on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rst_or_fin.analysis.remedies import compare_pairs
from rst_or_fin.commands.console import columns, counting, palette, print_json, progress, show
from rst_or_fin.commands.play_options import add_play_options, testbed_spec
from rst_or_fin.commands.saved_reports import write_reports
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.report import remedies as report
from rst_or_fin.runner.player import Player
from rst_or_fin.runner.pool import TestbedPool, side_by_side
from rst_or_fin.storage import evidence_writer, scenario_files
from rst_or_fin.storage.find_runs import find_runs
from rst_or_fin.storage.scenario_files import Entry
from rst_or_fin.testbed.select import choose
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import worst

_RESULT = "cures.json"  # its name until 1.0, as that of its rows is
_WARM_UP = 20  # replays until a fresh node and a fresh server take about as long as ever after


def remedies_options(parser: argparse.ArgumentParser) -> None:
    """Add what `remedies` takes."""
    parser.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help="scenarios with `remedy_for` (default: all there are)",
    )
    add_play_options(parser)
    parser.set_defaults(repeat=10)  # one replay's time says little


def remedies(options: argparse.Namespace) -> int:
    """Play the cases and their remedies; return the exit code of the worst outcome.

    A remedy that fails as its scenario claims counts as no remedy.
    """
    chosen = [entry.under(options.wire) for entry in _remedies(options.scenarios)]
    cases = {
        entry.scenario.remedy_for: scenario_files.find(entry.scenario.remedy_for).under(options.wire)
        for entry in chosen
    }
    root = evidence_writer.new_folder(Path(options.out), "remedies")
    played: dict[str, list[Assessment]] = {}
    entries = {entry.scenario.name: entry for entry in (*cases.values(), *chosen)}
    total = len(entries) * options.repeat
    runtime = choose(testbed_spec(options), progress, scenario_files.not_shipped(list(entries.values())))
    with TestbedPool(runtime, progress) as pool, counting(total, "replays") as one_more:
        player = Player(pool, repeat=options.repeat, command_line=options.command_line)
        for entry in side_by_side(list(entries.values()), lambda entry: entry.scenario.hosts):
            name = entry.scenario.name
            excluded = player.excluded(entry)
            if excluded:
                progress(f"{name} is left out here: {excluded}")
                continue
            player.warm_up(entry, _WARM_UP)
            played[name] = []
            for judged in player.play(entry, root / name):
                played[name].append(judged)
                one_more()
            progress(f"{name}: {worst(judged.outcome for judged in played[name])}")
    pairs = [(cases[entry.scenario.remedy_for].scenario.name, entry.scenario.name) for entry in chosen]
    found = compare_pairs(pairs, played)
    if not found:
        raise MachineError("none of these remedies can be played here", "see the lines above")
    overall = worst(side.outcome for each in found for side in (each.before, each.after))
    record = {
        "format": 1,
        "outcome": overall,
        "repeat": options.repeat,
        "cures": [each.record() for each in found],
        "evidence": str(root),
    }
    evidence_writer.write_json(root / _RESULT, record)
    write_reports(options, find_runs(root))
    if options.json:
        print_json(record)
    else:
        claims = {name: entry.scenario.claim for name, entry in entries.items()}
        width = columns()
        table, notes = report.table(found, palette(), width), report.notes(found, claims, width)
        show(f"{table}\n\n{report.LEGEND}\n\n{notes}")
        show(f"Evidence\n    {root}")
    return overall.exit_code


def _remedies(names: Sequence[str]) -> list[Entry]:
    """Return the named remedies, or all of the catalogue; those for one case stand together."""
    chosen = [scenario_files.find(name) for name in names or scenario_files.names()]
    for entry in chosen:
        if names and not entry.scenario.remedy_for:
            raise UsageError(
                f"{entry.scenario.name} is not a remedy: it names no case with `remedy_for`",
                "`rst-or-fin list --theme remedies` names those there are",
            )
    return sorted((e for e in chosen if e.scenario.remedy_for), key=lambda entry: entry.scenario.remedy_for)
