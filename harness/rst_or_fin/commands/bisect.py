"""`bisect`: finds the first release on one axis whose outcome differs from the first one's."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from rst_or_fin.analysis.bisect import (
    OutcomeChange,
    UndecidedEndError,
    all_changes,
    first_change,
    releases_between,
)
from rst_or_fin.analysis.compare import observe
from rst_or_fin.analysis.matrix import Combination
from rst_or_fin.commands.console import print_json, progress, show
from rst_or_fin.commands.play_options import add_cell_options, add_node_options
from rst_or_fin.commands.saved_reports import write_reports
from rst_or_fin.engine import image_table, kernels
from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_DIFFERS, EXIT_INCONCLUSIVE, InconclusiveError, UsageError
from rst_or_fin.execution import cells, run_matrix
from rst_or_fin.execution.cache import ResultCache
from rst_or_fin.execution.workers import WorkerTasks
from rst_or_fin.report import matrix_table
from rst_or_fin.scenario.axes import version
from rst_or_fin.storage import scenario_files
from rst_or_fin.testbed.spec import DEFAULT_OTP

_Ask: TypeAlias = Callable[[str], tuple[tuple[str, str], ...] | None]

# The releases on each axis, oldest first.
_RELEASES: Mapping[str, Callable[[], Sequence[str]]] = {
    "otp": image_table.otp_releases,
    "kernel": lambda: [offer.release for offer in cells.offered_kernels(progress) if offer.whole],
}


def bisect_options(parser: argparse.ArgumentParser) -> None:
    """Add what `bisect` takes."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a name (see `list`) or a .toml file")
    parser.add_argument("--from", dest="since", metavar="A", required=True, help="the release to start from")
    parser.add_argument(
        "--to", dest="until", metavar="B", required=True, help="a later release, whose outcome differs"
    )
    parser.add_argument(
        "--axis", choices=("kernel", "otp"), default="kernel", help="the axis to search (default: kernel)"
    )
    parser.add_argument(
        "--kernel", metavar="NAME", help="the node's kernel, with --axis otp (default: the host's)"
    )
    add_node_options(parser)
    parser.add_argument(
        "--all", action="store_true", help="play every release in between, and list every change"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_cell_options(parser, "runs/bisect")


def bisect(options: argparse.Namespace) -> int:
    """Search for the change; exit with 0 where found, 1 for no change, 3 where some releases say nothing."""
    entry = scenario_files.find(options.scenario).under(options.wire)
    _check(entry, options)
    ends = options.since, options.until
    if options.axis == "kernel":
        ends = cells.resolve_kernel(ends[0], progress), cells.resolve_kernel(ends[1], progress)
    releases = releases_between(_RELEASES[options.axis](), *ends, options.axis)
    asked: dict[str, dict[str, str]] = {}
    folders: list[Path] = []
    with ExitStack() as stack:
        ask = _asking(entry, options, asked, folders, stack)
        try:
            changes = _changes(releases, ask, everywhere=options.all)
        except UndecidedEndError as error:
            raise InconclusiveError(
                f"{entry.scenario.name} says nothing conclusive on {options.axis} {error}",
                "see the line above; play it again with --again, or choose other ends with --from and --to",
            ) from error
    write_reports(options, folders)
    if options.json:
        print_json(_document(entry.scenario.name, changes, options, asked))
    else:
        show(_summary(changes, options, releases, asked))
    if any(change.undecided for change in changes):
        return EXIT_INCONCLUSIVE
    return EXIT_AS_EXPECTED if changes else EXIT_DIFFERS


def _changes(releases: Sequence[str], ask: _Ask, *, everywhere: bool) -> list[OutcomeChange[str]]:
    if everywhere:
        return all_changes(releases, ask)
    change = first_change(releases, ask)
    return [] if change is None else [change]


def _asking(
    entry: scenario_files.Entry,
    options: argparse.Namespace,
    asked: dict[str, dict[str, str]],
    folders: list[Path],
    stack: ExitStack,
) -> _Ask:
    """Return a function that plays a release and says what was seen.

    `asked` keeps the answers, empty if a release says nothing; `folders` keeps where its evidence is.
    """
    combination = Combination(
        runtime="docker",
        otp=options.otp or DEFAULT_OTP,
        backend=options.backend,
        family=int(options.family),
        kernel=cells.resolve_kernel(options.kernel, progress) if options.kernel else "",
    )
    image_table.check_otp(combination.otp)
    cache = ResultCache(Path(options.out))
    tasks = WorkerTasks(cell_s=options.limit, command_line=options.command_line)
    spread = cells.spread_over(scheduler=None, jobs=1, tasks=tasks, stack=stack)

    def ask(release: str) -> tuple[tuple[str, str], ...] | None:
        place = msgspec.structs.replace(combination, **{options.axis: release})
        cell = cells.cell(entry, place, options.repeat)
        host = cells.host_kernel(None)
        [record] = run_matrix.play([cell], cache, spread, again=options.again, host=host)
        progress(matrix_table.line(record))
        folders.extend([Path(options.out) / record.evidence] if record.evidence else [])
        run = cache.find(cell, host)
        points = observe(run) if run is not None and len(run.conclusive) == len(run.judgements) else {}
        asked[release] = points
        return tuple(points.items()) or None

    return ask


def _document(
    scenario: str,
    changes: Sequence[OutcomeChange[str]],
    options: argparse.Namespace,
    asked: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    found = {
        "format": 1,
        "scenario": scenario,
        "axis": options.axis,
        "change": changes[0] if changes else None,
        "asked": asked,
        "known": [
            {"commit": known.commit, "title": known.title, "upstream": release}
            for known, release in _known(changes[0] if changes else None, options.axis)
        ],
    }
    if options.all:
        found["changes"] = changes
    return found


def _known(change: OutcomeChange[str] | None, axis: str) -> list[tuple[kernels.Change, str]]:
    """Return the known kernel changes in that place, each with the upstream release that has it."""
    if change is None or axis != "kernel":
        return []
    known = kernels.catalogue().changes_between(change.last_same, change.first_different)
    return [(each, each.reached(change.first_different)) for each in known]


def _check(entry: scenario_files.Entry, options: argparse.Namespace) -> None:
    if entry.scenario.race:
        raise UsageError(
            f"timing decides how {entry.scenario.name} ends: there is no release to find",
            "`rst-or-fin run --repeat N` shows how often it ends in which way",
        )
    if getattr(options, options.axis):
        raise UsageError(f"--{options.axis} contradicts --axis {options.axis}", "leave it out")


def _summary(
    changes: Sequence[OutcomeChange[str]],
    options: argparse.Namespace,
    releases: Sequence[str],
    asked: Mapping[str, Mapping[str, str]],
) -> str:
    if not changes:
        looked = (
            "and so does every release in between"
            if options.all
            else "not looked at in between: --all plays every release"
        )
        silent = [release for release, points in asked.items() if not points]
        but = f" but for {', '.join(silent)}, which say nothing conclusive" if silent else ""
        return (
            f"{options.scenario}: {options.axis} {releases[0]} and {releases[-1]} behave the same "
            f"({looked}{but})"
        )
    lines = [line for change in changes for line in _describe(change, options, asked)]
    series = {version(release)[:2] for release in releases}
    if options.axis == "kernel" and len(series) > 1 and not options.all:
        lines.append(
            "  This may be one of several: a change is backported to each series separately. "
            "--all finds every one."
        )
    return "\n".join(lines)


def _describe(
    change: OutcomeChange[str], options: argparse.Namespace, asked: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    before, after = asked[change.last_same], asked[change.first_different]
    if change.undecided:
        yield (
            f"{options.scenario}: the change lies after {options.axis} {change.last_same} and not after "
            f"{change.first_different}; nothing conclusive from {', '.join(change.undecided)}"
        )
    else:
        yield (
            f"{options.scenario}: {options.axis} {change.first_different} is the first that differs, "
            f"{change.last_same} the last before it"
        )
    points = [point for point in {**before, **after} if after.get(point) != before.get(point)]
    width = max(len(point) for point in points)
    for point in points:
        yield (
            f"  {point:<{width}}  {change.last_same}: {before.get(point, 'none')}  "
            f"{change.first_different}: {after.get(point, 'none')}"
        )
    for known, release in _known(change, options.axis):
        yield f"  {known.commit} lies between, upstream in {release}: {known.title}"
