"""Shows a sweep: a small table, and its result in one sentence. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rst_or_fin.analysis.sweep import Point, method, sentence
from rst_or_fin.analysis.threshold import SearchResult
from rst_or_fin.analysis.wilson import shares
from rst_or_fin.report.palette import PLAIN, Palette

_WIDTH = 100
_SEGMENTS = 2  # different closing segments of one point before the rest is left out


def table(name: str, points: Sequence[Point], palette: Palette = PLAIN) -> str:
    """Render one line for each point, in the order of their values."""
    head = (name, "ending", "unread", "received", "closing segment")
    rows = [
        (str(p.value), _endings(p), _numbers(p.unread), _numbers(p.received), _segments(p))
        for p in sorted(points, key=lambda p: p.value)
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [f"{palette.bold}{_line(head, widths)}{palette.plain}"]
    lines += [_line(row, widths) for row in rows]
    return "\n".join(lines)


def summary(name: str, found: SearchResult, points: Sequence[Point], palette: Palette = PLAIN) -> str:
    """Say the result in a sentence, how it was found, and what could not be concluded."""
    text = f"{palette.bold}{sentence(name, found)}{palette.plain}\n"
    text += textwrap.fill(method(found, points), _WIDTH)
    for point in points:
        for doubt in point.doubts:
            text += f"\n{palette.warn}{name}={point.value}: inconclusive: {doubt}{palette.plain}"
    return text


def _endings(point: Point) -> str:
    """Return a single replay's ending; of many, each ending with its count and 95 % Wilson interval."""
    doubted = point.replays - sum(point.endings.values())
    if point.replays == 1:
        return "inconclusive" if doubted else next(iter(point.endings))
    parts = [f"{ending} {s.count} of {s.total} [{s}]" for ending, s in shares(point.endings).items()]
    return ", ".join([*parts, *([f"inconclusive {doubted}"] if doubted else [])])


def _numbers(numbers: Sequence[int]) -> str:
    if not numbers:
        return "?"
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _segments(point: Point) -> str:
    shown = [segment or "none" for segment in point.closing_segments[:_SEGMENTS]]
    return " or ".join(shown) + (" or others" if len(point.closing_segments) > _SEGMENTS else "")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Align numbers to the right, words to the left."""
    value, ending, unread, received, segment = cells
    aligned = (f"{value:>{widths[0]}}", f"{ending:<{widths[1]}}", f"{unread:>{widths[2]}}")
    return "  ".join((*aligned, f"{received:>{widths[3]}}", segment))
