"""Shows a matrix as a table, a row a scenario and a column a combination; then the cells to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from rst_or_fin.analysis.matrix import CellRecord, Combination, Mark
from rst_or_fin.escaping import visible
from rst_or_fin.report import grid_text
from rst_or_fin.report.axes_layout import Words, words_of
from rst_or_fin.report.grid_text import GridCell
from rst_or_fin.report.markdown import escaped, table
from rst_or_fin.report.palette import PLAIN, Palette

_SHOWN = {Mark.AS_EXPECTED: "ok", Mark.DIFFERS: "DIFFERS"}
_LEGEND = "ok: ended as expected there, known differences included"


def text(records: Sequence[CellRecord], palette: Palette = PLAIN, width: int = 0) -> str:
    """Render the table for a terminal, what needs a look first; no wider than `width` if it can be (0: any).

    Column heads are stacked; what all columns share is said once.
    """
    grid = grid_text.text(
        [_cell(record) for record in records], list(map(_place, _columns(records))), palette, width
    )
    lines = [grid, "", f"{_tally(records)}  ({_LEGEND})"]
    lines += [line for alike in _needing_a_look(records) for line in _notes(alike, palette)]
    return "\n".join(lines)


def markdown(records: Sequence[CellRecord]) -> str:
    """Render the table as Markdown in GitHub's dialect."""
    columns = _columns(records)
    shared, heads = _heads(columns)
    lines = [escaped(shared), ""] if shared else []
    names = ["scenario", *(escaped(" ".join(head)) or "ending" for head in heads)]
    lines += table(names, [(name, *map(_words, cells)) for name, cells in _rows(records, columns)])
    lines += [f"{escaped(_tally(records))} ({_LEGEND})", ""]
    for alike in _needing_a_look(records):
        head, *rest = _notes(alike, PLAIN)
        lines.append(f"- {escaped(head)}" + "".join(f": {escaped(line)}" for line in rest[:1]))
    return "\n".join(lines).rstrip() + "\n"


def line(record: CellRecord) -> str:
    """Render one cell as progress prints it when it is done."""
    seen = f"{_endings(record)}, " if record.endings else ""
    how = "kept" if record.reused else f"{record.duration_s:.1f} s"
    why = f" ({record.why})" if record.why and record.mark is not Mark.RACE else ""
    words = ", ".join(record.combination.words)
    return visible(f"{record.scenario}, {words}: {seen}{record.mark.word}, {how}{why}")


def needs_a_look(record: CellRecord) -> bool:
    """Return whether something is wrong with the cell, or it was left out."""
    return record.mark not in (Mark.AS_EXPECTED, Mark.RACE, Mark.MEASURED)


def _columns(records: Iterable[CellRecord]) -> list[Combination]:
    return sorted({record.combination for record in records}, key=lambda combination: combination.order)


def _heads(columns: Sequence[Combination]) -> tuple[str, list[tuple[str, ...]]]:
    """Return what all combinations share, and for each of them the words of its own."""
    axes = list(zip(*map(_place, columns), strict=True))
    shared = ", ".join(words[0] for words in axes if words and len(set(words)) == 1)
    differing = [words for words in axes if len(set(words)) > 1]
    return visible(shared), [tuple(visible(words[i]) for words in differing) for i in range(len(columns))]


def _place(combination: Combination) -> Words:
    """Return the combination in words, a word for each axis."""
    kernel, otp, *others = words_of(combination.axes)
    return (kernel or "host's kernel", otp or "default OTP", *others)


def _cell(record: CellRecord) -> GridCell:
    return GridCell(
        name=record.scenario,
        place=_place(record.combination),
        says=_words(record),
        colour=partial(_colour, record.mark),
        rank=0 if needs_a_look(record) and record.mark is not Mark.EXCLUDED else 1,
    )


def _rows(
    records: Sequence[CellRecord], columns: Sequence[Combination]
) -> list[tuple[str, list[CellRecord | None]]]:
    cells = {(record.scenario, record.combination): record for record in records}
    names = sorted({record.scenario for record in records})
    return [(name, [cells.get((name, column)) for column in columns]) for name in names]


def _endings(record: CellRecord) -> str:
    """Return `RST`, or where replays disagree, and of a race, how often each: `59 RST, 1 FIN`."""
    if len(record.counts) != len(record.endings):
        return "/".join(record.endings)  # an older program did not count them
    if len(record.endings) == 1 and (record.counts == (1,) or record.mark is not Mark.RACE):
        return record.endings[0]
    counted = sorted(zip(record.counts, record.endings, strict=True), key=lambda pair: -pair[0])
    return ", ".join(f"{count} {ending}" for count, ending in counted)


def _words(record: CellRecord | None) -> str:
    if record is None:
        return ""
    mark = _SHOWN.get(record.mark, record.mark.word)
    return f"{_endings(record)} {mark}" if record.endings else mark


def _colour(mark: Mark, palette: Palette) -> str:
    if mark in (Mark.RACE, Mark.MEASURED, Mark.EXCLUDED):
        return palette.dim
    return {Mark.AS_EXPECTED: palette.good, Mark.DIFFERS: palette.bad}.get(mark, palette.warn)


def _tally(records: Iterable[CellRecord]) -> str:
    counted = Counter(record.mark for record in records)
    return ", ".join(f"{counted[mark]} {mark.word}" for mark in Mark if counted[mark])


def _needing_a_look(records: Iterable[CellRecord]) -> list[list[CellRecord]]:
    """Return the cells that do, the worst first; those of a scenario that left nothing, together."""
    alike: dict[tuple[str, ...], list[CellRecord]] = {}
    for record in sorted(
        filter(needs_a_look, records),
        key=lambda record: (list(Mark).index(record.mark), record.scenario, record.combination.order),
    ):
        own = ", ".join(record.combination.words) if record.evidence else ""
        alike.setdefault((record.mark, record.scenario, record.why, record.hint, own), []).append(record)
    return list(alike.values())


def _notes(alike: Sequence[CellRecord], palette: Palette) -> list[str]:
    record, *others = alike
    where = ", ".join(record.combination.words) if not others else f"in {len(alike)} configurations"
    mark = f"{palette.bold}{_SHOWN.get(record.mark, record.mark.word)}{palette.plain}"
    head = f"{mark}  {visible(record.scenario)}, {visible(where)}"
    details = [record.why, f"hint: {record.hint}" if record.hint else ""]
    details.append(f"evidence: {record.evidence}" if record.evidence else "")
    return [head, *(f"  {visible(detail)}" for detail in details if detail)]
