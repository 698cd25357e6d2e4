"""`reproduce` and `run`: scenarios on a testbed, their evidence, and what came of them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rst_or_fin.analysis.wilson import shares
from rst_or_fin.commands.console import (
    columns,
    counting,
    is_quiet,
    is_verbose,
    palette,
    print_json,
    progress,
    show,
)
from rst_or_fin.commands.output_options import add_all_option
from rst_or_fin.commands.play_options import add_play_options, add_strace_option, testbed_spec
from rst_or_fin.commands.saved_reports import write_reports
from rst_or_fin.errors import MachineError
from rst_or_fin.escaping import visible
from rst_or_fin.report import terminal
from rst_or_fin.runner.player import Player
from rst_or_fin.runner.pool import TestbedPool, side_by_side
from rst_or_fin.storage import evidence_writer, scenario_files
from rst_or_fin.storage.scenario_files import Entry
from rst_or_fin.testbed.select import choose
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Outcome, worst
from rst_or_fin.verdict.reason import reason

_REPLAYS_IN_JSON = 1000


def reproduce_options(parser: argparse.ArgumentParser) -> None:
    """Add what `reproduce` takes."""
    add_play_options(parser)
    add_strace_option(parser)
    add_all_option(parser)


def reproduce(options: argparse.Namespace) -> int:
    """Play the published pair, a RST and a FIN: the main job."""
    return _play(
        [scenario_files.find(name).under(options.wire) for name in scenario_files.PUBLISHED_PAIR], options
    )


def run_options(parser: argparse.ArgumentParser) -> None:
    """Add what `run` takes."""
    parser.add_argument(
        "scenarios", nargs="+", metavar="SCENARIO", help="a name (see `list`) or a .toml file"
    )
    reproduce_options(parser)


def run(options: argparse.Namespace) -> int:
    """Play the named scenarios."""
    entries = [scenario_files.find(name).under(options.wire) for name in options.scenarios]
    return _play(side_by_side(entries, lambda entry: entry.scenario.hosts), options)


def _play(entries: Sequence[Entry], options: argparse.Namespace) -> int:
    runtime = choose(testbed_spec(options), progress, scenario_files.not_shipped(entries))
    played = _Played(options)
    with (
        TestbedPool(runtime, progress) as pool,
        counting(len(entries) * options.repeat, "replays") as one_more,
    ):
        player = Player(pool, repeat=options.repeat, command_line=options.command_line)
        for entry in entries:
            excluded = player.excluded(entry)
            if excluded:
                progress(f"{entry.scenario.name} is left out here: {excluded}")
                continue
            played.begin(entry, evidence_writer.new_folder(Path(options.out), entry.scenario.name))
            try:
                for judged in player.play(entry, played.folder):
                    played.add(judged)
                    one_more()
            except BaseException:
                played.interrupted()
                raise
            played.end()
    if not played.outcomes:
        raise MachineError("none of these scenarios can be played here", "see the lines above")
    played.sum_up()
    write_reports(options, played.folders)
    return worst(played.outcomes).exit_code


class _Played:
    """Shows scenarios one after another, as they are played: as text, or at the end as JSON."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.outcomes: list[Outcome] = []
        self.folders: list[Path] = []
        self._needing_a_look: list[str] = []
        self._records: list[dict[str, Any]] = []
        self._options = options
        self._keeps = 1 if options.repeat == 1 else _REPLAYS_IN_JSON * options.json

    def begin(self, entry: Entry, folder: Path) -> None:
        self._entry, self.folder = entry, folder
        self._tally = terminal.Tally()
        self._kept: list[Assessment] = []

    def add(self, judged: Assessment) -> None:
        self._tally.add(judged)
        if len(self._kept) < self._keeps:
            self._kept.append(judged)
        if is_verbose() and self._options.repeat > 1:
            progress(f"{self._entry.scenario.name}, replay {judged.replay.index}: {visible(reason(judged))}")

    def end(self) -> None:
        """Note that the scenario has been played as often as was asked for, and show it."""
        outcome, name = self._tally.outcome, self._entry.scenario.name
        self.outcomes.append(outcome)
        self.folders.append(self.folder)
        if self._tally.worst is not None:
            self._needing_a_look.append(f"{name}: {visible(reason(self._tally.worst))}")
        if self._options.json:
            self._records.append(_record(self._entry, self.folder, self._tally, self._kept))
        elif is_quiet():
            show(f"{name}: {terminal.outcome_word(outcome, palette())}")
        elif self._options.repeat == 1:
            self._show_case(self._kept[0])
        else:
            self._show_tally()

    def interrupted(self) -> None:
        """Show what a run that ends too early has: its replays so far, and where they are."""
        if not self._tally.total:
            return
        if self._options.json:
            self._records.append(_record(self._entry, self.folder, self._tally, self._kept))
            outcome = self._tally.outcome
            print_json({"format": 1, "outcome": outcome, "interrupted": True, "runs": self._records})
        else:
            self._show_tally(interrupted_of=self._options.repeat)

    def sum_up(self) -> None:
        """Show the overall outcome; of several scenarios again why some need a look."""
        overall = worst(self.outcomes)
        if self._options.json:
            print_json({"format": 1, "outcome": overall, "runs": self._records})
            return
        counted = Counter(self.outcomes)
        number = len(self.outcomes)
        if is_quiet() and number == 1:
            return  # its line has said so
        word = terminal.outcome_word(overall, palette())
        if len(counted) > 1:
            word = ", ".join(f"{n} {terminal.outcome_word(o, palette())}" for o, n in counted.most_common())
        show(f"{number} scenario{'' if number == 1 else 's'}: {word}")
        if number > 1:
            for line in self._needing_a_look:
                show(f"  {line}")

    def _show_case(self, judged: Assessment) -> None:
        everything, width = self._options.everything, columns()
        show(terminal.case(self._entry.scenario, judged, palette(), width=width, everything=everything))
        show(f"  Evidence\n    {self.folder}\n")

    def _show_tally(self, *, interrupted_of: int | None = None) -> None:
        colours, everything, width = palette(), self._options.everything, columns()
        show(terminal.heading(self._entry.scenario, colours, width=width))
        show(f"  {self._tally.line(colours, interrupted_of=interrupted_of)}")
        for judged in self._tally.examples:
            shown = terminal.case(self._entry.scenario, judged, colours, width=width, everything=everything)
            like_it = self._tally.count_by_reason[reason(judged)] - 1
            others = f", and {like_it:,} like it" if like_it else ""
            show(f"\n  Replay {judged.replay.index}{others}\n{shown}")
        show(f"  Evidence\n    {self.folder}\n")


def _record(entry: Entry, folder: Path, tally: terminal.Tally, kept: Sequence[Assessment]) -> dict[str, Any]:
    return {
        "scenario": entry.scenario.name,
        "evidence": str(folder),
        "outcome": tally.outcome,
        "outcomes": {str(outcome): count for outcome, count in tally.outcomes.items()},
        "endings": dict(tally.endings),
        "race": entry.scenario.race,
        "distribution": distribution(tally),
        "peer_sees": dict(tally.peer_ends),
        "replays": [
            {**judged.record(), "session": judged.replay.calls, "end": judged.replay.end} for judged in kept
        ],
    }


def distribution(tally: terminal.Tally) -> list[dict[str, Any]]:
    """Return the endings of the conclusive replays as shares, with 95 % Wilson intervals."""
    return [
        {"ending": ending, "count": s.count, "of": s.total, "share": s.value, "low": s.low, "high": s.high}
        for ending, s in shares(tally.conclusive).items()
    ]
