"""A judged capture, or one connection of it, as Markdown in GitHub's dialect, for an issue. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rst_or_fin.analysis.captured import Case, JudgedCapture
from rst_or_fin.analysis.overview import Overview
from rst_or_fin.report import capture_text, ladder_mermaid, times
from rst_or_fin.report.capture_ladder import ladder
from rst_or_fin.report.markdown import escaped, fenced, table


def overview(seen: Overview, capture: JudgedCapture, name: str) -> str:
    """Render the first screen as tables."""
    return "\n".join(_overview(seen, capture, name)).rstrip() + "\n"


def _overview(seen: Overview, capture: JudgedCapture, name: str) -> Iterator[str]:
    yield f"# {escaped(name)}"
    yield ""
    yield f"{seen.total} of {capture.connections} connections, {seen.segments} segments"
    if seen.first_ns is not None and seen.last_ns is not None:
        yield times.span(seen.first_ns, seen.last_ns)
    yield ""
    rows = [(str(n), how, str(validity)) for (how, validity), n in seen.ranked_endings]
    yield from table(("connections", "how they ended", ""), rows)
    ways = [
        (str(group.total), capture_text.who(way, group), str(way.ending), way.why, f"#{group.number}")
        for way, group in seen.ranked_patterns
    ]
    if ways:
        yield from ["## Who resets whom", ""]
        yield from table(("connections", "who", "ending", "why", "such as"), ways)
    doubts = [(str(n), doubt, f"#{seen.doubted[doubt]}") for doubt, n in seen.doubts.most_common()]
    if doubts:
        yield from ["## What the capture cannot tell", ""]
        yield from table(("connections", "doubt", "such as"), doubts)
    shown = seen.shown
    if shown:
        yield from ["## Worth a look", ""]
    for case in shown:
        yield from fenced(capture_text.line(case), "text")
    yield from (f"- {escaped(said)}" for said in capture_text.of_capture(capture))


def connection(case: Case, name: str) -> str:
    """Render one connection: the verdict, its segments, its ladder."""
    lines = [
        f"# {escaped(name)}, connection {case.number}",
        "",
        *fenced(capture_text.detail(case), "text"),
        *fenced(ladder_mermaid.render(ladder(case)).rstrip(), "mermaid"),
    ]
    return "\n".join(lines).rstrip() + "\n"
