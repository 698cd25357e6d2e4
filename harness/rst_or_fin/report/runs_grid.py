"""Shows runs by scenario and axes as a grid for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rst_or_fin.report.axes_layout import Words, order_of, words_of
from rst_or_fin.report.grid_text import GridCell
from rst_or_fin.report.grid_text import text as drawn
from rst_or_fin.report.palette import PLAIN, Palette
from rst_or_fin.report.records import Run, Unplayed, title
from rst_or_fin.verdict.outcome import Outcome

_SHOWN = {Outcome.AS_EXPECTED: "ok", Outcome.DIFFERS: "DIFFERS"}
_RANKS = {Outcome.DIFFERS: 0, Outcome.INCONCLUSIVE: 0}


def text(
    runs: Sequence[Run], unplayed: Sequence[Unplayed] = (), palette: Palette = PLAIN, width: int = 0
) -> str:
    """Draw it; several runs of the same scenario in the same place stand in one cell."""
    axes = {*(run.axes for run in runs), *(cell.axes for cell in unplayed)}
    places = [words_of(each) for each in sorted(axes, key=order_of)]
    cells: dict[tuple[str, Words], GridCell] = {}
    for cell in (*map(_of_run, runs), *map(_of_unplayed, unplayed)):
        before = cells.get((cell.name, cell.place))
        cells[cell.name, cell.place] = cell if before is None else _together(before, cell)
    return drawn(list(cells.values()), places, palette, width)


def _of_run(run: Run) -> GridCell:
    says = f"{run.endings} {_SHOWN.get(run.outcome, run.outcome)}"
    rank = _RANKS.get(run.outcome, 1)
    return GridCell(
        name=title(run), place=words_of(run.axes), says=says, colour=_colour(run.outcome), rank=rank
    )


def _of_unplayed(cell: Unplayed) -> GridCell:
    return GridCell(
        name=cell.scenario,
        place=words_of(cell.axes),
        says=cell.mark,
        colour=(lambda palette: palette.warn) if cell.is_error else (lambda palette: palette.dim),
        rank=0 if cell.is_error else 1,
    )


def _together(one: GridCell, other: GridCell) -> GridCell:
    first, _ = sorted((one, other), key=lambda cell: cell.rank)
    return GridCell(
        name=one.name,
        place=one.place,
        says=f"{one.says}; {other.says}",
        colour=first.colour,
        rank=first.rank,
    )


def _colour(outcome: Outcome) -> Callable[[Palette], str]:
    def of(palette: Palette) -> str:
        if outcome in (Outcome.RACE, Outcome.MEASURED):
            return palette.dim
        return {Outcome.AS_EXPECTED: palette.good, Outcome.DIFFERS: palette.bad}.get(outcome, palette.warn)

    return of
