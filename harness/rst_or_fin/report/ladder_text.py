"""The ladder as plain text for a terminal, a commit message or a mail."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rst_or_fin.escaping import clipped, visible, wrapped
from rst_or_fin.report.ladder import (
    BufferRow,
    CallRow,
    FoldRow,
    Host,
    Ladder,
    PeerRow,
    ReturnRow,
    Row,
    SegmentRow,
)
from rst_or_fin.report.palette import PLAIN, Palette

_TIME = 10  # columns left of the left lifeline
_RESULT_LINES = 2
_LOST, _MADE = "✕", "◇"  # where a segment was lost, and where one begins that its end never sent


def render(ladder: Ladder, palette: Palette = PLAIN, width: int = 100) -> str:
    """Render the ladder, `width` columns wide; colour comes from the palette and is never the only sign."""
    inner = width - _TIME - 2
    lines = [*_hosts(ladder.left, ladder.right, inner)]
    for row in ladder.rows:
        lines += _row(row, inner, palette)
    lines.append("")
    for text in (ladder.verdict, *ladder.notes):
        lines += textwrap.wrap(text, width)
    return "\n".join(line.rstrip() for line in lines)


def _hosts(left: Host, right: Host, inner: int) -> Iterator[str]:
    for ours, theirs in (
        (f"{left.name} ({left.role})", f"{right.name} ({right.role})"),
        (left.address, right.address),
    ):
        yield " " * _TIME + ours + theirs.rjust(inner + 2 - len(ours))
    yield " " * _TIME + "┬" + " " * inner + "┬"


def _row(row: Row, inner: int, palette: Palette) -> Iterator[str]:
    match row:
        case SegmentRow():
            yield from _segment(row, inner, palette)
        case CallRow():
            label = f"{row.number}> "
            source = wrapped(row.source, inner - 2 - len(label))
            for index, part in enumerate(source):
                prompt = label if index == 0 else " " * len(label)
                rail = "├" if index == 0 else "│"
                yield _line(
                    _time(row.t_ns) if index == 0 else "",
                    rail,
                    f" {prompt}{part}",
                    inner,
                    palette.bold,
                    palette,
                )
            if row.result is not None:
                yield from _result(row.result, "", inner, palette)
        case ReturnRow():
            yield from _result(row.result, f"{row.number}: ", inner, palette)
        case BufferRow():
            yield _line("", "│", f" {row.text}", inner, palette.warn, palette)
        case PeerRow():
            says = clipped(f"{row.says} ", inner).rjust(inner)
            yield _line(_time(row.t_ns), "│", says, inner, palette.bold, palette, right="┤")
            yield _line("", "│", f"{row.detail} ".rjust(inner), inner, palette.dim, palette)
        case FoldRow():
            text = f"… {row.count} segments: {row.rightward_len} bytes →, {row.leftward_len} bytes ← …"
            yield _line("", "┊", text.center(inner), inner, palette.dim, palette, right="┊")


def _segment(row: SegmentRow, inner: int, palette: Palette) -> Iterator[str]:
    dash = "━" if row.meaning else "─"
    label = f" {clipped(row.label, inner - 8)} "
    start = dash * 2 if row.leaves else _MADE + dash
    rest = inner - len(label) - len(start)
    if row.arrives:
        end = dash * (rest - 1) + ("▶" if row.rightward else "◀")
    else:
        end = dash * (rest // 3) + _LOST + " " * (rest - rest // 3 - 1)
    arrow = start + label + end if row.rightward else end[::-1] + label + start[::-1]
    colour = (palette.bad if row.reset else palette.good) if row.meaning else ""
    yield _line(_time(row.t_ns), "│", arrow, inner, colour, palette)
    if row.meaning:
        for part in textwrap.wrap(row.meaning, inner - 6):
            text = f"   {part}" if row.rightward else f"{part}   ".rjust(inner)
            yield _line("", "│", text, inner, colour, palette)
    elif row.payload_len and row.payload:
        text = clipped(f"{row.payload_len} bytes: {row.payload}", inner - 6)
        yield _line(
            "", "│", f"   {text}" if row.rightward else f"{text}   ".rjust(inner), inner, palette.dim, palette
        )


def _result(result: str, prefix: str, inner: int, palette: Palette) -> Iterator[str]:
    parts = wrapped(result, inner - 5 - len(prefix))
    if len(parts) > _RESULT_LINES:
        parts = [
            *parts[: _RESULT_LINES - 1],
            clipped(parts[_RESULT_LINES - 1] + " …", inner - 5 - len(prefix)),
        ]
    for index, part in enumerate(parts):
        lead = f"  = {prefix}" if index == 0 else " " * (4 + len(prefix))
        yield _line("", "│", lead + part, inner, palette.dim, palette)


def _line(
    time: str, left: str, text: str, inner: int, colour: str, palette: Palette, *, right: str = "│"
) -> str:
    padded = visible(text).ljust(inner)[:inner]
    ended = palette.plain if colour else ""
    return f"{time:>{_TIME - 1}} {left}{colour}{padded}{ended}{right}"


def _time(t_ns: int | None) -> str:
    """Return the seconds since the first segment, as the trace prints them."""
    return "" if t_ns is None else f"{t_ns / 1e9:.6f}"
