"""Lays out scenarios by axes as a grid: a row a scenario, a column a place, in each cell the endings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rst_or_fin.report.records import Run
from rst_or_fin.scenario.axes import Axes, version

_NAMES = ("kernel", "OTP", "backend", "family", "runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A grid of runs: `columns` name the places by what differs, `rows` hold each place's runs by number.

    `shared` says what all places have in common.
    """

    shared: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]


def grid(runs: Sequence[Run]) -> Grid | None:
    """Lay out the runs; None where they were all played in one place."""
    places = sorted({_place(run.axes) for run in runs}, key=_order)
    if len(places) < 2:
        return None
    differing = [i for i in range(len(_NAMES)) if len({place[i] for place in places}) > 1]
    same = [i for i in range(len(_NAMES)) if i not in differing]
    cells: dict[str, dict[tuple[str, ...], list[int]]] = {}
    for number, run in enumerate(runs):
        cells.setdefault(title(run), {}).setdefault(_place(run.axes), []).append(number)
    return Grid(
        shared=", ".join(filter(None, (_word(i, places[0][i]) for i in same))),
        columns=tuple(", ".join(_word(i, place[i]) or "unknown" for i in differing) for place in places),
        rows=tuple(
            (name, tuple(tuple(by_place.get(place, ())) for place in places))
            for name, by_place in sorted(cells.items(), key=lambda item: _by_numbers(item[0]))
        ),
    )


def _by_numbers(name: str) -> list[tuple[int, int, str]]:
    """Return a key by which numbers sort as numbers: Read=9 before Read=10."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part]


def title(run: Run) -> str:
    """Return the scenario's name with the values that a sweep gave it: `recv-10-of-485, Read=9`."""
    given = (f"{name}={value}" for name, value in run.scenario.given.items())
    return ", ".join((run.scenario.name, *given))


def _place(axes: Axes) -> tuple[str, ...]:
    return (axes.kernel, axes.otp, axes.backend, str(axes.family), axes.runtime)


def _order(place: tuple[str, ...]) -> tuple[object, ...]:
    """Return a key by which releases sort by their numbers: 6.9 before 6.12."""
    return (version(place[0]), version(place[1]), *place)


def _word(index: int, value: str) -> str:
    if not value:
        return ""
    if _NAMES[index] == "family":
        return f"IPv{value}"
    return f"{_NAMES[index]} {value}" if _NAMES[index] in ("kernel", "OTP") else value
