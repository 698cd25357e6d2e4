"""Runs as Markdown in GitHub's dialect: a summary for a pull request, an issue or a blog."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rst_or_fin.escaping import on_one_line, visible, visible_lines
from rst_or_fin.report import ladder_mermaid
from rst_or_fin.report.axes_layout import by_numbers, order_of, words_of
from rst_or_fin.report.explanations import marked
from rst_or_fin.report.ladder import ladder
from rst_or_fin.report.records import ReplayGroup, Run, Unplayed, tally, title
from rst_or_fin.report.terminal import headline, session, wire
from rst_or_fin.report.wording import counted
from rst_or_fin.verdict.outcome import Outcome

_SAME = {True: "same", False: "DIFFERS"}
_AXES = ("kernel", "OTP", "backend", "family", "runtime")
_NEEDS_A_LOOK = {Outcome.DIFFERS: 0, Outcome.INCONCLUSIVE: 1}
_AGREES = {True: "agrees", False: "DISAGREES", None: "says"}
# What may mean something inside a line of CommonMark 0.31, its HTML, or GitHub's dialect (mentions,
# references, mathematics, bare links). An underscore between letters means nothing there.
_MARKS = re.compile(r"[\\`*\[\]<>#|~&$@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.")


def render(runs: Sequence[Run], unplayed: Sequence[Unplayed] = ()) -> str:
    """Render the document: a table of the runs where there are several, then what each of them showed."""
    outcomes = ", ".join(
        f"{outcome} {n}" for outcome, n in tally(j.outcome for r in runs for j in r.judgements)
    )
    lines = ["# RST or FIN", "", f"{counted(len(runs), 'run')}: {outcomes}", ""]
    if len(runs) + len(unplayed) > 1:
        lines += _overview(runs, unplayed)
    for run in runs:
        lines += _run(run)
    return "\n".join(lines).rstrip() + "\n"


def _overview(runs: Sequence[Run], unplayed: Sequence[Unplayed]) -> Iterator[str]:
    """Render a table of all, what needs a look first, with every axis on which they are not all the same."""
    cells: list[Run | Unplayed] = [*runs, *unplayed]
    places = [_place(cell) for cell in cells]
    varying = [i for i, values in enumerate(zip(*places, strict=True)) if len(set(values)) > 1]
    shared = [word for i, word in enumerate(words_of(cells[0].axes)) if i not in varying]
    if any(shared):
        yield escaped(", ".join(filter(None, shared)))
        yield ""
    rows: list[tuple[int, str, str, str, str, Run | Unplayed]] = []
    rows += [
        (_NEEDS_A_LOOK.get(r.outcome, 2), title(r), r.endings, r.causes, str(r.outcome), r) for r in runs
    ]
    rows += [(0 if c.is_error else 2, c.scenario, "", c.why, c.mark, c) for c in unplayed]
    rows.sort(key=lambda row: (row[0], by_numbers(row[1]), order_of(row[-1].axes)))
    yield from table(
        ("scenario", "ending", "cause", "outcome", *(_AXES[i] for i in varying)),
        ((*row[1:-1], *(_place(row[-1])[i] for i in varying)) for row in rows),
    )


def _place(cell: Run | Unplayed) -> tuple[str, ...]:
    axes = cell.axes
    return (axes.kernel, axes.otp, axes.backend, f"IPv{axes.family}", axes.runtime)


def escaped(text: str) -> str:
    """Escape text so that it renders as itself, on one line."""
    return _MARKS.sub(r"\\\g<0>", visible(on_one_line(text)))


def fenced(text: str, language: str = "") -> list[str]:
    """Return a code block whose fence is longer than any run of backticks inside it.

    Source: CommonMark 0.31, section 4.5.
    """
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *visible_lines(text), fence, ""]


def _run(run: Run) -> Iterator[str]:
    axes = run.axes
    yield f"## {escaped(run.scenario.name)}"
    yield ""
    yield f"> {escaped(run.scenario.claim)}"
    yield ""
    yield (
        f"OTP {escaped(axes.otp)}, {escaped(axes.backend)} backend, IPv{axes.family}, kernel"
        f" {escaped(axes.kernel)}, {escaped(axes.runtime)}. Evidence: {escaped(run.folder)}"
    )
    yield ""
    ways = run.groups()
    for alike in ways:
        if len(run.judgements) > 1:
            yield f"### {alike.count} of {len(run.judgements)} replays: {alike.first.verdict.ending}"
            yield ""
        yield from _replay(run, alike)


def _replay(run: Run, alike: ReplayGroup) -> Iterator[str]:
    judged = alike.first
    yield f"**{escaped(headline(judged))}**"
    yield ""
    notes = [*marked(judged).values(), *(f"inconclusive: {doubt}" for doubt in judged.verdict.doubts)]
    if notes:
        yield from (f"- {escaped(note)}" for note in notes)
        yield ""
    if run.scenario.published:
        here = judged.verdict.closing_segment or "none"
        yield f"Published trace: {escaped(run.scenario.published)}; here: {escaped(here)}"
        yield ""
    yield from fenced(session(judged.replay.calls), "erlang")
    if judged.connection is not None:
        shown = wire(
            judged.connection,
            judged.verdict.deciding,
            node=judged.verdict.subject,
            passages=judged.verdict.passages,
        )
        yield from fenced(shown, "text")
    yield from fenced(
        ladder_mermaid.render(ladder(run.scenario, judged, key_log=run.secrets)).rstrip(), "mermaid"
    )
    rows = [(w.name, _AGREES[w.agrees], w.says) for w in judged.verdict.witnesses]
    yield from table(("witness", "", "what it says"), rows)
    if judged.comparisons:
        compared = [(c.what, c.expected, c.actual, _SAME[c.same]) for c in judged.comparisons]
        yield from table(("expectation", "expected", "seen", ""), compared)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table's lines and a blank line after them; cells are escaped."""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(escaped(str(cell)) for cell in row) + " |" for row in rows]
    return [*lines, ""]
