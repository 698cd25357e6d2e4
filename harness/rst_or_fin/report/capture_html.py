"""A judged capture, or one connection of it, as one HTML page that needs nothing else. Pure.

Jinja2 renders it with autoescape on, and a content security policy lets nothing run.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rst_or_fin.analysis.captured import Case, JudgedCapture
from rst_or_fin.analysis.overview import Overview
from rst_or_fin.escaping import visible_lines
from rst_or_fin.report import capture_text, ladder_svg, times
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
        ways=[(g.total, capture_text.who(w, g), w.ending, w.why, g.number) for w, g in seen.ways],
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
    environment = Environment(
        loader=PackageLoader("rst_or_fin.report", "page"), autoescape=True, undefined=StrictUndefined
    )
    environment.finalize = _shown
    assert environment.loader is not None
    css = environment.loader.get_source(environment, "page.css")[0] + ladder_svg.STYLE
    return environment.get_template("capture.html.j2").render(css=Markup(css), **values)


def _shown(value: object) -> object:
    """Show markup as it is, and text without control characters; everything on the page passes here."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "\n".join(visible_lines(value))
