"""Finds where an outcome changes in an ordered list of releases: one place by bisection, or all of them.

Pure: what a release's outcome is, the caller finds out.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from rst_or_fin.errors import UsageError

_Release = TypeVar("_Release")
_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeChange(Generic[_Release]):
    """Where the outcome changes: after `last_same`, at or before `first_different`.

    `undecided` are the releases between the two, in order; none of them gave an answer. If there are none,
    the outcome changes at exactly `first_different`.
    """

    last_same: _Release
    first_different: _Release
    undecided: tuple[_Release, ...]


class UndecidedEndError(Exception):
    """One of the two ends gave no answer, so there is nothing to search between."""


def releases_between(releases: Sequence[str], first: str, last: str, axis: str) -> list[str]:
    """Return the releases from `first` to `last`. Raises UsageError if one is unknown or misplaced."""
    for release in (first, last):
        if release not in releases:
            near = difflib.get_close_matches(release, releases, n=3, cutoff=0.3) or releases
            raise UsageError(f"no {axis} release {release!r} here", f"choose {', '.join(near)}")
    start, end = releases.index(first), releases.index(last)
    if start >= end:
        raise UsageError(
            f"{first} does not come before {last}",
            f"--from {last} --to {first}" if start > end else "name two releases, the older one with --from",
        )
    return list(releases[start : end + 1])


def first_change(
    releases: Sequence[_Release], outcome_of: Callable[[_Release], _Outcome | None]
) -> OutcomeChange[_Release] | None:
    """Find where the first release's outcome gives way to another; None if the last one's is the same.

    `outcome_of` is asked at most once for each release, and returns None if that is unknown. The search
    assumes one change: of several it finds one. Raises UndecidedEndError, or ValueError for fewer than two
    releases.
    """
    if len(releases) < 2:
        raise ValueError("there is nothing between fewer than two releases")
    first, last = outcome_of(releases[0]), outcome_of(releases[-1])
    for release, outcome in ((releases[0], first), (releases[-1], last)):
        if outcome is None:
            raise UndecidedEndError(str(release))
    if first == last:
        return None
    same, different = 0, len(releases) - 1
    undecided: set[int] = set()
    while open_ones := [i for i in range(same + 1, different) if i not in undecided]:
        middle = (same + different) / 2
        asked = min(open_ones, key=lambda index: abs(index - middle))
        outcome = outcome_of(releases[asked])
        if outcome is None:
            undecided.add(asked)
        elif outcome == first:
            same = asked
        else:
            different = asked
    return OutcomeChange(
        last_same=releases[same],
        first_different=releases[different],
        undecided=tuple(releases[same + 1 : different]),
    )


def all_changes(
    releases: Sequence[_Release], outcome_of: Callable[[_Release], _Outcome | None]
) -> list[OutcomeChange[_Release]]:
    """Return every place where the outcome of one release gives way to another, in order.

    Asks every release once, the two ends first: where outcomes change to and fro, nothing less would do.
    Raises UndecidedEndError, ValueError for fewer than two releases.
    """
    if len(releases) < 2:
        raise ValueError("there is nothing between fewer than two releases")
    outcomes: dict[int, _Outcome | None] = {}
    for index in (0, len(releases) - 1):
        outcomes[index] = outcome_of(releases[index])
        if outcomes[index] is None:
            raise UndecidedEndError(str(releases[index]))
    for index in range(1, len(releases) - 1):
        outcomes[index] = outcome_of(releases[index])
    decided = [index for index in range(len(releases)) if outcomes[index] is not None]
    return [
        OutcomeChange(
            last_same=releases[before],
            first_different=releases[after],
            undecided=tuple(releases[before + 1 : after]),
        )
        for before, after in pairwise(decided)
        if outcomes[before] != outcomes[after]
    ]
