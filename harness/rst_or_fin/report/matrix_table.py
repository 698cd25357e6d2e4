"""Shows a matrix as a table, a row a scenario and a column a combination; then the cells to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rst_or_fin.analysis.matrix import Combination, Mark, Record
from rst_or_fin.escaping import clipped, visible
from rst_or_fin.report.markdown import escaped
from rst_or_fin.report.palette import PLAIN, Palette

_SHOWN = {Mark.AS_EXPECTED: "ok", Mark.DIFFERS: "DIFFERS"}
_NAME_WIDTH = 36
_LEGEND = "ok: ended as expected there, known differences included"


def text(records: Sequence[Record], palette: Palette = PLAIN, width: int = 0) -> str:
    """Render the table for a terminal; column heads are stacked, what all columns share is said once.

    Where it is wider than `width` (0: no bound), it goes on below, with the scenarios' names again.
    """
    columns = _columns(records)
    shared, heads = _heads(columns)
    rows = _rows(records, columns)
    name_width = min(_NAME_WIDTH, max(len(name) for name, _ in rows))
    widths = [
        max(len(word) for word in (*head, *(_words(cells[i]) for _, cells in rows)))
        for i, head in enumerate(heads)
    ]
    lines = [f"{palette.bold}{shared}{palette.plain}", ""] if shared else []
    for part in _parts(widths, width - name_width if width else sum(widths) + 2 * len(widths)):
        for level in range(max((len(head) for head in heads), default=0)):
            words = (_padded(heads[i][level], widths[i]) for i in part)
            lines.append(f"{'':{name_width}}  {'  '.join(words)}".rstrip())
        for name, cells in rows:
            words = (_coloured(cells[i], widths[i], palette) for i in part)
            lines.append(f"{clipped(visible(name), name_width):{name_width}}  {'  '.join(words)}".rstrip())
        lines.append("")
    lines.append(f"{_tally(records)}  ({_LEGEND})")
    lines += [line for record in _needing_a_look(records) for line in _notes(record, palette)]
    return "\n".join(lines)


def markdown(records: Sequence[Record]) -> str:
    """Render the table as Markdown in GitHub's dialect."""
    columns = _columns(records)
    shared, heads = _heads(columns)
    lines = [escaped(shared), ""] if shared else []
    names = ["scenario", *(escaped(" ".join(head)) or "ending" for head in heads)]
    lines += ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    for name, cells in _rows(records, columns):
        lines.append("| " + " | ".join([escaped(name), *(escaped(_words(c)) for c in cells)]) + " |")
    lines += ["", f"{escaped(_tally(records))} ({_LEGEND})", ""]
    for record in _needing_a_look(records):
        head, *rest = _notes(record, PLAIN)
        lines.append(f"- {escaped(head)}" + "".join(f": {escaped(line)}" for line in rest[:1]))
    return "\n".join(lines).rstrip() + "\n"


def line(record: Record) -> str:
    """Render one cell as progress prints it when it is done."""
    seen = f"{_endings(record)}, " if record.endings else ""
    how = "kept" if record.reused else f"{record.duration_s:.1f} s"
    why = f" ({record.why})" if record.why and record.mark is not Mark.RACE else ""
    words = ", ".join(record.combination.words)
    return visible(f"{record.scenario}, {words}: {seen}{record.mark}, {how}{why}")


def needs_a_look(record: Record) -> bool:
    """Return whether something is wrong with the cell, or it was left out."""
    return record.mark not in (Mark.AS_EXPECTED, Mark.RACE, Mark.MEASURED)


def _parts(widths: Sequence[int], room: int) -> Iterator[range]:
    """Yield groups of columns that fit beside each other, two blanks before each."""
    start, used = 0, 0
    for index, width in enumerate(widths):
        if index > start and used + width + 2 > room:
            yield range(start, index)
            start, used = index, 0
        used += width + 2
    yield range(start, len(widths))


def _columns(records: Iterable[Record]) -> list[Combination]:
    return sorted({record.combination for record in records}, key=lambda combination: combination.order)


def _heads(columns: Sequence[Combination]) -> tuple[str, list[tuple[str, ...]]]:
    """Return what all combinations share, and for each of them the words of its own."""
    axes = [
        [f"kernel {c.kernel}" if c.kernel else "host's kernel" for c in columns],
        [f"OTP {c.otp}" if c.otp else "OTP as it is" for c in columns],
        [c.backend for c in columns],
        [f"IPv{c.family}" for c in columns],
        [c.runtime for c in columns],
    ]
    shared = ", ".join(words[0] for words in axes if words and len(set(words)) == 1)
    differing = [words for words in axes if len(set(words)) > 1]
    return visible(shared), [tuple(visible(words[i]) for words in differing) for i in range(len(columns))]


def _rows(records: Sequence[Record], columns: Sequence[Combination]) -> list[tuple[str, list[Record | None]]]:
    cells = {(record.scenario, record.combination): record for record in records}
    names = sorted({record.scenario for record in records})
    return [(name, [cells.get((name, column)) for column in columns]) for name in names]


def _endings(record: Record) -> str:
    return "/".join(record.endings)


def _words(record: Record | None) -> str:
    if record is None:
        return ""
    mark = _SHOWN.get(record.mark, str(record.mark))
    return f"{_endings(record)} {mark}" if record.endings else mark


def _coloured(record: Record | None, width: int, palette: Palette) -> str:
    padded = _padded(_words(record), width)
    if record is None or record.mark in (Mark.RACE, Mark.MEASURED, Mark.EXCLUDED):
        return f"{palette.dim}{padded}{palette.plain}"
    colour = {Mark.AS_EXPECTED: palette.good, Mark.DIFFERS: palette.bad}.get(record.mark, palette.warn)
    return f"{colour}{padded}{palette.plain}"


def _padded(word: str, width: int) -> str:
    return f"{word:{width}}"


def _tally(records: Iterable[Record]) -> str:
    counted = Counter(record.mark for record in records)
    return ", ".join(f"{counted[mark]} {mark}" for mark in Mark if counted[mark])


def _needing_a_look(records: Iterable[Record]) -> list[Record]:
    return sorted(
        filter(needs_a_look, records),
        key=lambda record: (list(Mark).index(record.mark), record.scenario, record.combination.order),
    )


def _notes(record: Record, palette: Palette) -> list[str]:
    mark = f"{palette.bold}{_SHOWN.get(record.mark, record.mark)}{palette.plain}"
    head = f"{mark}  {visible(record.scenario)}, {visible(', '.join(record.combination.words))}"
    details = [record.why, f"remedy: {record.remedy}" if record.remedy else ""]
    details.append(f"evidence: {record.evidence}" if record.evidence else "")
    return [head, *(f"  {visible(detail)}" for detail in details if detail)]
