"""A judged capture, or one connection of it, as one HTML page that needs nothing else. Pure.

Jinja2 renders it with autoescape on, and a content security policy lets nothing run.
"""

from __future__ import annotations

from markupsafe import Markup

from rst_or_fin.analysis.captured import Case, JudgedCapture
from rst_or_fin.analysis.overview import Overview
from rst_or_fin.report import capture_text, html_template, ladder_svg, times
from rst_or_fin.report.capture_ladder import ladder
from rst_or_fin.report.html_panels import steps


def overview(seen: Overview, capture: JudgedCapture, name: str) -> str:
    """Render the first screen as tables, and each connection that is worth a look with its ladder."""
    spans = seen.first_ns is not None and seen.last_ns is not None
    return _rendered(
        name=name,
        lead=f"{seen.total} of {capture.connections} connections, {seen.segments} segments",
        when=times.span(seen.first_ns or 0, seen.last_ns or 0) if spans else "",
        endings=[(n, how, validity) for (how, validity), n in seen.ranked_endings],
        ways=[(g.total, capture_text.who(w, g), w.ending, w.why, g.number) for w, g in seen.ranked_patterns],
        doubts=[(n, doubt, seen.doubted[doubt]) for doubt, n in seen.doubts.most_common()],
        said=list(capture_text.of_capture(capture)),
        cases=[_case(case) for case in seen.shown],
    )


def connection(case: Case, name: str) -> str:
    """Render one connection with its ladder and its segments."""
    return _rendered(
        name=f"{name}, connection {case.number}",
        lead=capture_text.ends(case.connection),
        when=f"{times.date_time(case.first_ns)} UTC",
        endings=[],
        ways=[],
        doubts=[],
        said=[],
        cases=[_case(case)],
    )


def _case(case: Case) -> dict[str, object]:
    drawn = ladder(case)
    drawing = ladder_svg.render(drawn, f"connection-{case.number}", style=False)
    return {
        "number": case.number,
        "title": drawn.title,
        "text": capture_text.detail(case),
        "ladder": Markup(drawing),
        "steps": list(steps(drawn)),
        "hosts": (drawn.left, drawn.right),
    }


def _rendered(**values: object) -> str:
    css = html_template.source("page.css") + ladder_svg.STYLE
    return html_template.fill_in("capture.html.j2", css=Markup(css), **values)
