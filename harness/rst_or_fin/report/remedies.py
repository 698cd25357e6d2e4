"""Shows remedies: before and after, whether each helps, and what it costs. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby

from rst_or_fin.analysis.remedies import Cure, Side
from rst_or_fin.report.palette import PLAIN, Palette

_WIDTH = 100
_HELPS = {True: "yes", False: "NO", None: "unclear"}
_HEAD = ("remedy", "ending", "the peer sees", "helps", "exchanges", "on the wire", "extra calls")


def table(cures: Sequence[Cure], palette: Palette = PLAIN) -> str:
    """Render a block for each case: a line for the case itself, then one for each of its remedies."""
    blocks = []
    for _, members in groupby(cures, key=lambda cure: cure.before.scenario):
        block = list(members)
        rows = [_HEAD, _case(block[0].before), *(_remedy(cure) for cure in block)]
        blocks.append("\n".join(_lines(rows, [None, None, *(cure.helps for cure in block)], palette)))
    return "\n\n".join(blocks)


def notes(cures: Sequence[Cure], claims: Mapping[str, str]) -> str:
    """Say what each remedy is, in its scenario's own words, with the calls that it adds."""
    paragraphs = []
    for cure in cures:
        lines = [
            cure.after.scenario,
            *textwrap.wrap(" ".join(claims[cure.after.scenario].split()), _WIDTH - 4),
        ]
        lines += [f"+ {line}" for call in cure.extra_calls for line in call.splitlines()]
        paragraphs.append("\n    ".join(lines))
    return "\n".join(paragraphs)


LEGEND = (
    "exchanges: turns on the wire that the other end answered; on the wire: first segment to last;\n"
    "extra calls: what the remedy's own calls took. Medians; + and - against the case itself."
)


def _case(side: Side) -> tuple[str, ...]:
    return (
        f"({side.scenario})",
        _endings(side),
        _peer(side),
        "",
        _number(side.exchanges),
        _milliseconds(side.wire_us),
        "",
    )


def _remedy(cure: Cure) -> tuple[str, ...]:
    before, after = cure.before, cure.after
    extra = f"{cure.extra_us / 1000:.2f} ms in {len(cure.extra_calls)}" if cure.extra_calls else "none"
    return (
        after.scenario,
        _endings(after),
        _peer(after),
        _HELPS[cure.helps],
        _number(after.exchanges) + _more(after.exchanges, before.exchanges, 1, "g"),
        _milliseconds(after.wire_us) + _more(after.wire_us, before.wire_us, 1000, ".2f"),
        extra,
    )


def _endings(side: Side) -> str:
    """Return the ending; where replays differ, or some were inconclusive, each with its count."""
    doubted = side.replays - sum(side.endings.values())
    if len(side.endings) == 1 and not doubted:
        return next(iter(side.endings))
    parts = [f"{ending} {count}" for ending, count in side.endings.items()]
    return ", ".join([*parts, *([f"inconclusive {doubted}"] if doubted else [])])


def _peer(side: Side) -> str:
    return " or ".join(side.peer_sees) or "not heard"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def _milliseconds(us: float | None) -> str:
    return "?" if us is None else f"{us / 1000:.2f} ms"


def _more(after: float | None, before: float | None, unit: int, form: str) -> str:
    return "" if after is None or before is None else f" ({(after - before) / unit:+{form}})"


def _lines(rows: Sequence[Sequence[str]], helps: Sequence[bool | None], palette: Palette) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    colours = {True: palette.good, False: palette.bad, None: ""}
    lines = []
    for row, helped in zip(rows, helps, strict=True):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        if helped is not None:
            cells[3] = f"{colours[helped]}{cells[3]}{palette.plain}"
        lines.append("  ".join(cells).rstrip())
    lines[0] = f"{palette.bold}{lines[0]}{palette.plain}"
    return lines
