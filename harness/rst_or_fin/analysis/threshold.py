"""Finds where along whole numbers one answer turns into another: by bisection where sound, else a grid.

Pure: the caller measures. A bisection sees few points and believes that there is one
threshold only. That belief is tested: on both sides of the threshold, next to it and in between, a few more
points are looked at. Where the answers do not fit one threshold, a grid shows what they are instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

GRID_POINTS = 9
_EXTRA_POINTS = 2  # on either side, evenly spread between the threshold and the end of the range


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """Successive points with one answer, `first` to `last`; None: there was no single answer at them."""

    answer: str | None
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search saw. `runs` are in the order of the range; a threshold lies between each and the next.

    `checked` are the points that a bisection looked at only to test its threshold. `why_grid` says why there
    was no bisection, or why it could not be believed (empty if there was one that held).
    """

    runs: tuple[Plateau, ...]
    checked: tuple[int, ...] = ()
    why_grid: str = ""


def search(
    low: int, high: int, measure: Callable[[int], str | None], points: int | None = None
) -> SearchResult:
    """Look for the threshold between `low` and `high`, both included.

    `measure` returns the answer at a point, or None if there is no single one; it is called once per point.
    `points` asks for a grid of that many points instead of a bisection.
    """
    seen: dict[int, str | None] = {}

    def at(value: int) -> str | None:
        if value not in seen:
            seen[value] = measure(value)
        return seen[value]

    if points is None:
        why_grid, checked = _bisect(low, high, at)
        if not why_grid:
            return SearchResult(runs=_runs(seen), checked=checked)
    else:
        why_grid = "asked for"
    for value in grid(low, high, points or GRID_POINTS):
        at(value)
    return SearchResult(runs=_runs(seen), why_grid=why_grid)


def grid(low: int, high: int, points: int) -> list[int]:
    """Return `points` whole numbers from `low` to `high`, both included, spread as evenly as possible."""
    steps = max(1, points - 1)
    return sorted({low + (high - low) * step // steps for step in range(steps + 1)})


def _bisect(low: int, high: int, at: Callable[[int], str | None]) -> tuple[str, tuple[int, ...]]:
    """Bisect; return why the result cannot be believed, or "", and the points that tested it."""
    left, right = at(low), at(high)
    for value, answer in ((low, left), (high, right)):
        if answer is None:
            return f"no single ending at {value}", ()
    if left == right:
        return f"the same at both ends, {left}", ()
    below, above = low, high
    while above - below > 1:
        middle = (below + above) // 2
        answer = at(middle)
        if answer == left:
            below = middle
        elif answer == right:
            above = middle
        else:
            return f"{answer or 'no single ending'} at {middle}, between {left} and {right}", ()
    checked = []
    for first, last, expected in ((low, below, left), (above, high, right)):
        beside = last - 1 if expected == left else first + 1
        for value in sorted({*grid(first, last, _EXTRA_POINTS + 2), min(max(beside, first), last)}):
            if value not in (low, high, below, above):
                checked.append(value)
            answer = at(value)
            if answer != expected:
                found = answer or "no single ending"
                return f"not one threshold: {found} at {value}, where {expected} was expected", ()
    return "", tuple(checked)


def _runs(seen: dict[int, str | None]) -> tuple[Plateau, ...]:
    return tuple(_run(answer, members) for answer, members in groupby(sorted(seen), key=lambda v: seen[v]))


def _run(answer: str | None, members: Iterable[int]) -> Plateau:
    values = list(members)
    return Plateau(answer=answer, first=values[0], last=values[-1])
