"""Shows remedies: before and after, whether each helps, and what it costs. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby

from rst_or_fin.analysis.remedies import Remedy, ReplaySummary
from rst_or_fin.escaping import on_one_line
from rst_or_fin.report.fitting import WIDTH, visible_len
from rst_or_fin.report.palette import PLAIN, Palette

_HELPS = {True: "yes", False: "NO", None: "unclear"}
_HEAD = ("remedy", "ending", "the peer sees", "helps", "exchanges", "on the wire", "extra calls")
_COSTS = 4  # the first of the columns that tell what a remedy costs


def table(remedies: Sequence[Remedy], palette: Palette = PLAIN, width: int = WIDTH) -> str:
    """Render a block for each case: a line for the case itself, then one for each of its remedies.

    Where `width` is too small for all columns, what the remedies cost goes below what they do.
    """
    blocks = []
    for _, members in groupby(remedies, key=lambda remedy: remedy.before.scenario):
        block = list(members)
        rows = [_HEAD, _case(block[0].before), *(_remedy(each) for each in block)]
        helps = [None, None, *(each.helps for each in block)]
        lines = _lines(rows, helps, palette)
        if max(map(visible_len, lines)) > width:
            does, costs = [row[:_COSTS] for row in rows], [(row[0], *row[_COSTS:]) for row in rows]
            lines = [*_lines(does, helps, palette), "", *_lines(costs, [None] * len(rows), palette)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def notes(remedies: Sequence[Remedy], claims: Mapping[str, str], width: int = WIDTH) -> str:
    """Say what each remedy is, in its scenario's own words, with the calls that it adds."""
    paragraphs = []
    for remedy in remedies:
        lines = [
            remedy.after.scenario,
            *textwrap.wrap(on_one_line(claims[remedy.after.scenario]), width - 4),
        ]
        lines += [f"+ {line}" for call in remedy.extra_calls for line in call.splitlines()]
        paragraphs.append("\n    ".join(lines))
    return "\n".join(paragraphs)


LEGEND = (
    "exchanges: turns on the wire that the other end answered; on the wire: first segment to last; "
    "extra calls: what the remedy's own calls took. Medians; + and - against the case itself."
)


def _case(side: ReplaySummary) -> tuple[str, ...]:
    return (
        f"({side.scenario})",
        _endings(side),
        _peer(side),
        "",
        _number(side.exchanges),
        _milliseconds(side.wire_us),
        "",
    )


def _remedy(remedy: Remedy) -> tuple[str, ...]:
    before, after = remedy.before, remedy.after
    extra = f"{remedy.extra_us / 1000:.2f} ms in {len(remedy.extra_calls)}" if remedy.extra_calls else "none"
    return (
        after.scenario,
        _endings(after),
        _peer(after),
        _HELPS[remedy.helps],
        _number(after.exchanges) + _more(after.exchanges, before.exchanges, 1, "g"),
        _milliseconds(after.wire_us) + _more(after.wire_us, before.wire_us, 1000, ".2f"),
        extra,
    )


def _endings(side: ReplaySummary) -> str:
    """Return the ending; where replays differ, or some were inconclusive, each with its count."""
    doubted = side.replays - sum(side.endings.values())
    if len(side.endings) == 1 and not doubted:
        return next(iter(side.endings))
    parts = [f"{ending} {count}" for ending, count in side.endings.items()]
    return ", ".join([*parts, *([f"inconclusive {doubted}"] if doubted else [])])


def _peer(side: ReplaySummary) -> str:
    return " or ".join(side.peer_sees) or "no report"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def _milliseconds(us: float | None) -> str:
    return "?" if us is None else f"{us / 1000:.2f} ms"


def _more(after: float | None, before: float | None, unit: int, form: str) -> str:
    return "" if after is None or before is None else f" ({(after - before) / unit:+{form}})"


def _lines(rows: Sequence[Sequence[str]], helps: Sequence[bool | None], palette: Palette) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    colours = {True: palette.good, False: palette.bad, None: ""}
    lines = []
    for row, helped in zip(rows, helps, strict=True):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        if helped is not None:
            cells[3] = f"{colours[helped]}{cells[3]}{palette.plain}"
        lines.append("  ".join(cells).rstrip())
    lines[0] = f"{palette.bold}{lines[0]}{palette.plain}"
    return lines
