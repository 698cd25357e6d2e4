"""`bisect`: the first release on one axis whose outcome is another than that of the first one."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from rst_or_fin.analysis.bisect import Change, UndecidedEndError, first_change
from rst_or_fin.analysis.compare import observe
from rst_or_fin.analysis.matrix import Combination
from rst_or_fin.commands import matrix
from rst_or_fin.commands.console import print_json, progress
from rst_or_fin.engine import images
from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_DIFFERS, EXIT_INCONCLUSIVE, InconclusiveError, UsageError
from rst_or_fin.execution import run_matrix
from rst_or_fin.execution.cache import ResultCache
from rst_or_fin.report import matrix_table
from rst_or_fin.scenario.axes import version
from rst_or_fin.storage import scenario_files
from rst_or_fin.testbed.select import DEFAULT_OTP

# The releases on each axis, oldest first.
_RELEASES: Mapping[str, Callable[[], Sequence[str]]] = {
    "otp": images.otp_releases,
    "kernel": lambda: [offer.release for offer in matrix.offered_kernels() if offer.whole],
}


def bisect(options: argparse.Namespace) -> int:
    """Exit code 0 where the place is found, 1 where nothing changes, 3 where some releases say nothing."""
    entry = scenario_files.find(options.scenario)
    _check(entry, options)
    if options.axis == "kernel":
        options.since, options.until = (
            matrix.settled_kernel(name) for name in (options.since, options.until)
        )
    releases = between(_RELEASES[options.axis](), options.since, options.until, options.axis)
    combination = Combination(
        runtime="docker",
        otp=options.otp or DEFAULT_OTP,
        backend=options.backend,
        family=int(options.family),
        kernel=matrix.settled_kernel(options.kernel) if options.kernel else "",
    )
    images.check_otp(combination.otp)
    shelf = ResultCache(Path(options.out))
    asked: dict[str, dict[str, str]] = {}
    with ExitStack() as stack:
        spread = matrix.spread_over(options, stack)

        def ask(release: str) -> tuple[tuple[str, str], ...] | None:
            place = msgspec.structs.replace(combination, **{options.axis: release})
            cell = matrix.cell(entry, place, options.repeat)
            host = matrix.host_kernel(options)
            [record] = run_matrix.play([cell], shelf, spread, again=options.again, host=host)
            progress(matrix_table.line(record))
            run = shelf.kept(cell, host)
            points = observe(run) if run is not None and len(run.conclusive) == len(run.judgements) else {}
            asked[release] = points
            return tuple(points.items()) or None

        try:
            change = first_change(releases, ask)
        except UndecidedEndError as error:
            raise InconclusiveError(
                f"{entry.scenario.name} says nothing conclusive on {options.axis} {error}",
                "see the line above; play it anew with --again, or choose other ends with --from and --to",
            ) from error
    if options.json:
        print_json(
            {
                "format": 1,
                "scenario": entry.scenario.name,
                "axis": options.axis,
                "change": change,
                "asked": asked,
            }
        )
    else:
        print(_told(change, options, asked))
    if change is None:
        return EXIT_DIFFERS
    return EXIT_INCONCLUSIVE if change.undecided else EXIT_AS_EXPECTED


def _check(entry: scenario_files.Entry, options: argparse.Namespace) -> None:
    if entry.scenario.race:
        raise UsageError(
            f"timing decides how {entry.scenario.name} ends: there is no release to find",
            "`rst-or-fin run --repeat N` shows how often it ends in which way",
        )
    if getattr(options, options.axis):
        raise UsageError(f"--{options.axis} contradicts --axis {options.axis}", "leave it out")


def between(releases: Sequence[str], first: str, last: str, axis: str) -> list[str]:
    """The releases from one to the other. Raises UsageError where there is none of that name, or no way."""
    for release in (first, last):
        if release not in releases:
            near = difflib.get_close_matches(release, releases, n=3, cutoff=0.3) or releases
            raise UsageError(f"no {axis} release {release!r} here", f"there is {', '.join(near)}")
    start, end = releases.index(first), releases.index(last)
    if start >= end:
        raise UsageError(
            f"{first} does not come before {last}",
            f"--from {last} --to {first}" if start > end else "name two releases, the older one with --from",
        )
    return list(releases[start : end + 1])


def _told(
    change: Change[str] | None, options: argparse.Namespace, asked: Mapping[str, Mapping[str, str]]
) -> str:
    if change is None:
        return f"{options.scenario}: {options.axis} {options.since} and {options.until} behave the same"
    before, after = asked[change.last_same], asked[change.first_different]
    lines = [f"{options.scenario}: {options.axis} {change.first_different} is the first that differs"]
    if change.undecided:
        lines = [
            f"{options.scenario}: the change lies after {options.axis} {change.last_same} and not after "
            f"{change.first_different}; nothing conclusive from {', '.join(change.undecided)}"
        ]
    series = {version(release)[:2] for release in (options.since, options.until)}
    if options.axis == "kernel" and len(series) > 1:
        lines.append(
            "  That is one of the places: a change is brought to each series at a release of its own. "
            "Look within one series."
        )
    points = [point for point in after if after[point] != before.get(point)]
    width = max(len(point) for point in points)
    lines += [
        f"  {point:<{width}}  {change.last_same}: {before.get(point, 'none')}  "
        f"{change.first_different}: {after[point]}"
        for point in points
    ]
    return "\n".join(lines)
