"""Draws a grid for a terminal: a row a scenario, a column a place; what needs a look comes first. Pure.

Where the columns have no room beside each other, the longest axis goes to the side, below the scenario's
name. No name is cut: one that is too long has a line of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rst_or_fin.escaping import visible
from rst_or_fin.report.axes_layout import Layout, Words, by_numbers, layouts
from rst_or_fin.report.palette import PLAIN, Palette

_NAME_WIDTH = 40
_INDENT = "  "
_GAP = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCell:
    """One cell: its row and place, what it says, its colour of a palette, how urgent it is (0: most)."""

    name: str
    place: Words
    says: str
    colour: Callable[[Palette], str]
    rank: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    label: str
    cells: tuple[GridCell | None, ...]  # none at all in a line that only names a scenario


def text(cells: Sequence[GridCell], places: Sequence[Words], palette: Palette = PLAIN, width: int = 0) -> str:
    """Draw the grid, no wider than `width` where that can be (0: no bound). `places` gives their order."""
    drawn = ""
    for layout in layouts(places):
        drawn, needed = _drawn(layout, cells, palette)
        if not width or needed <= width:
            break
    return drawn


def _drawn(layout: Layout, cells: Sequence[GridCell], palette: Palette) -> tuple[str, int]:
    """Return the grid in this layout, and how many columns of the terminal it takes."""
    rows = list(_rows(layout, cells))
    label_width = min(_NAME_WIDTH, max(len(row.label) for row in rows if row.cells))
    widths = [
        max(len(word) for word in (*head, *(_says(row.cells[i]) for row in rows if row.cells)))
        for i, head in enumerate(layout.columns)
    ]
    lines = [f"{palette.bold}{visible(', '.join(layout.shared))}{palette.plain}", ""] if layout.shared else []
    for level in range(len(layout.columns[0])):
        heads = (f"{visible(head[level]):{widths[i]}}" for i, head in enumerate(layout.columns))
        lines.append(f"{'':{label_width}}{_GAP}{_GAP.join(heads)}".rstrip())
    for row in rows:
        if not row.cells or len(row.label) > label_width:
            lines.append(row.label)
        if row.cells:
            label = row.label if len(row.label) <= label_width else ""
            says = (_coloured(cell, widths[i], palette) for i, cell in enumerate(row.cells))
            lines.append(f"{label:{label_width}}{_GAP}{_GAP.join(says)}".rstrip())
    needed = label_width + sum(width + len(_GAP) for width in widths)
    return "\n".join(lines), max(needed, *(len(row.label) for row in rows))


def _rows(layout: Layout, cells: Sequence[GridCell]) -> Iterator[_Row]:
    by_name: dict[str, dict[Words, GridCell]] = {}
    for cell in cells:
        by_name.setdefault(cell.name, {})[cell.place] = cell
    ranks = {name: min(cell.rank for cell in found.values()) for name, found in by_name.items()}
    for name in sorted(by_name, key=lambda name: (ranks[name], by_numbers(name))):
        found = by_name[name]
        sides = [side for side in layout.sides if any(_at(layout, side, found))]
        if sides != [()]:
            yield _Row(visible(name), ())
        for side in sides:
            label = f"{_INDENT}{', '.join(side)}" if side else name
            yield _Row(visible(label), tuple(_at(layout, side, found)))


def _at(layout: Layout, side: Words, found: dict[Words, GridCell]) -> Iterator[GridCell | None]:
    for column in layout.columns:
        place = layout.places.get((side, column))
        yield found.get(place) if place is not None else None


def _says(cell: GridCell | None) -> str:
    return visible(cell.says) if cell is not None else ""


def _coloured(cell: GridCell | None, width: int, palette: Palette) -> str:
    padded = f"{_says(cell):{width}}"
    return padded if cell is None else f"{cell.colour(palette)}{padded}{palette.plain}"
