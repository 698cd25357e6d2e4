"""Lays out places as a grid: what they share is said once, long axes stand at the side, others on top.

A place is a word for each axis, in the order in which axes are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rst_or_fin.scenario.axes import Axes, version

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`columns` and `sides` name places in part, `places` has the whole one of each pair (side, column).

    Where no axis stands at the side, `sides` is one empty tuple; so are the columns where none is on top.
    """

    shared: Words
    columns: tuple[Words, ...]
    sides: tuple[Words, ...]
    places: Mapping[tuple[Words, Words], Words]


def layouts(places: Sequence[Words]) -> Iterator[Layout]:
    """Lay out places, which are in order: all axes on top, then the longest at the side, and so on."""
    values = [list(dict.fromkeys(words)) for words in zip(*places, strict=True)]
    varying = [axis for axis, words in enumerate(values) if len(words) > 1]
    by_length = sorted(varying, key=lambda axis: -len(values[axis]))
    for number in range(len(varying) + 1):
        yield _layout(places, values, [axis for axis in varying if axis in by_length[:number]])


def words_of(axes: Axes) -> Words:
    """Return the axes in words; "" for an unknown one."""
    return (
        f"kernel {axes.kernel}" if axes.kernel else "",
        f"OTP {axes.otp}" if axes.otp else "",
        axes.backend,
        f"IPv{axes.family}",
        axes.runtime,
    )


def order_of(axes: Axes) -> tuple[object, ...]:
    """Put releases in order by their numbers, so that 6.9 comes before 6.12."""
    return (version(axes.kernel), version(axes.otp), *words_of(axes))


def by_numbers(name: str) -> list[tuple[int, int, str]]:
    """Put names in order: Read=9 before Read=10."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part]


def _layout(places: Sequence[Words], values: Sequence[Sequence[str]], at_side: Sequence[int]) -> Layout:
    on_top = [axis for axis, words in enumerate(values) if len(words) > 1 and axis not in at_side]
    found: dict[tuple[Words, Words], Words] = {}
    for place in places:
        found[_part(place, at_side), _part(place, on_top)] = place

    def in_order(axes: Sequence[int], parts: Sequence[Words]) -> tuple[Words, ...]:
        ranks = [{word: rank for rank, word in enumerate(values[axis])} for axis in axes]
        return tuple(
            sorted(set(parts), key=lambda part: [r[word] for r, word in zip(ranks, part, strict=True)])
        )

    return Layout(
        shared=tuple(words[0] for words in values if len(words) == 1 and words[0]),
        columns=in_order(on_top, [column for _, column in found]),
        sides=in_order(at_side, [side for side, _ in found]),
        places=found,
    )


def _part(place: Words, axes: Sequence[int]) -> Words:
    return tuple(place[axis] for axis in axes)
