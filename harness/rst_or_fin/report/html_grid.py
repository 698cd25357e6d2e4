"""Lays out scenarios by axes as a grid: a row a scenario, a column a place, in each cell the endings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rst_or_fin.report.axes_layout import Layout, Words, by_numbers, layouts, order_of, words_of
from rst_or_fin.report.records import Run, Unplayed, title
from rst_or_fin.verdict.outcome import Outcome

_COLUMNS = 6  # that have room beside each other in a page
_NEEDS_A_LOOK = (Outcome.DIFFERS, Outcome.INCONCLUSIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the grid; `cells` have the runs of each column's place by number, and what was not played.

    `name` stands in the first of a scenario's lines, beside `height` of them; it is empty in the others.
    `side` is the part of the place that stands at the side.
    """

    name: str
    height: int
    side: str
    cells: tuple[tuple[int | Unplayed, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A grid of runs; `columns` and the rows' sides name places by what differs, `shared` says the rest."""

    shared: str
    columns: tuple[str, ...]
    has_sides: bool
    rows: tuple[Row, ...]


_Found = dict[Words, list[int | Unplayed]]


def grid(runs: Sequence[Run], unplayed: Sequence[Unplayed] = ()) -> Grid | None:
    """Lay out the runs, those that need a look first; None if all have the same axes."""
    axes = {*(run.axes for run in runs), *(missing.axes for missing in unplayed)}
    if len(axes) < 2:
        return None
    places = [words_of(each) for each in sorted(axes, key=order_of)]
    *others, last = layouts(places)
    layout = next((each for each in others if len(each.columns) <= _COLUMNS), last)
    cells: dict[str, _Found] = {}
    for number, run in enumerate(runs):
        cells.setdefault(title(run), {}).setdefault(words_of(run.axes), []).append(number)
    for missing in unplayed:
        cells.setdefault(missing.scenario, {}).setdefault(words_of(missing.axes), []).append(missing)
    urgent = {title(run) for run in runs if run.outcome in _NEEDS_A_LOOK}
    urgent |= {missing.scenario for missing in unplayed if missing.is_error}
    return Grid(
        shared=", ".join(layout.shared),
        columns=tuple(_words(column) or "ending" for column in layout.columns),
        has_sides=layout.sides != ((),),
        rows=tuple(
            row
            for name, found in sorted(cells.items(), key=lambda i: (i[0] not in urgent, by_numbers(i[0])))
            for row in _rows(name, found, layout)
        ),
    )


def _rows(name: str, found: _Found, layout: Layout) -> Iterator[Row]:
    lines = []
    for side in layout.sides:
        places = (layout.places.get((side, column)) for column in layout.columns)
        line = tuple(tuple(found.get(place, ())) if place is not None else () for place in places)
        if any(line):
            lines.append((_words(side), line))
    for number, (side_words, line) in enumerate(lines):
        yield Row(name="" if number else name, height=len(lines), side=side_words, cells=line)


def _words(part: Words) -> str:
    return ", ".join(word or "unknown" for word in part)
