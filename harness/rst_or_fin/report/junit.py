"""Runs as JUnit XML, as Jenkins, GitLab and GitHub's test reporters read it: a suite and a case for each.

What differs from the expectation is a failure; what is inconclusive, or could not be played, is an error,
never a pass; a race is neither, and counts as skipped, as does a cell that is excluded. A run of many replays
is one case. The schema is that of Jenkins' xUnit plugin, junit-10.xsd.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from xml.etree import ElementTree as ET

from rst_or_fin.escaping import on_one_line, visible, visible_lines
from rst_or_fin.report import ladder_text
from rst_or_fin.report.axes_layout import words_of
from rst_or_fin.report.ladder import ladder
from rst_or_fin.report.records import Run, Unplayed, title
from rst_or_fin.scenario.axes import Axes
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Outcome
from rst_or_fin.verdict.reason import reason

_TAGS = {Outcome.DIFFERS: "failure", Outcome.INCONCLUSIVE: "error", Outcome.RACE: "skipped"}


def render(runs: Sequence[Run], unplayed: Sequence[Unplayed] = ()) -> bytes:
    """Render the document, in UTF-8 with its XML declaration."""
    cells: list[Run | Unplayed] = [*runs, *unplayed]
    root = ET.Element("testsuites", {"name": "rst-or-fin", **_counts(cells)})
    root.set("time", _seconds(judged for run in runs for judged in run.judgements))
    for cell, name in zip(cells, _names(cells), strict=True):
        root.append(_suite(cell, visible(name)) if isinstance(cell, Run) else _missing(cell, visible(name)))
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _names(cells: Sequence[Run | Unplayed]) -> Iterator[str]:
    """Name each by its scenario and by the axes on which they are not all the same; no name comes twice."""
    places = [words_of(cell.axes) for cell in cells]
    varying = [axis for axis, words in enumerate(zip(*places, strict=True)) if len(set(words)) > 1]
    seen: Counter[str] = Counter()
    for cell, place in zip(cells, places, strict=True):
        name = _named(cell, [place[axis] for axis in varying])
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"


def _named(cell: Run | Unplayed, place: Iterable[str]) -> str:
    where = ", ".join(filter(None, place))
    name = title(cell) if isinstance(cell, Run) else cell.scenario
    return f"{name} [{where}]" if where else name


def _suite(run: Run, name: str) -> ET.Element:
    suite = ET.Element("testsuite", {"name": name, **_counts([run]), "time": _seconds(run.judgements)})
    suite.set("timestamp", visible(run.started).partition(".")[0].partition("+")[0])
    of_run = (("evidence", run.folder), ("claim", on_one_line(run.scenario.claim)))
    replays = (("replays", str(len(run.judgements))), ("endings", run.endings), ("causes", run.causes))
    suite.append(_properties(*of_run, *_axes(run.axes), *replays))
    suite.append(_case(run, name))
    return suite


def _missing(cell: Unplayed, name: str) -> ET.Element:
    suite = ET.Element("testsuite", {"name": name, **_counts([cell]), "time": "0.000000"})
    suite.append(_properties(*_axes(cell.axes)))
    case = ET.SubElement(suite, "testcase", {**_identity(cell.scenario, name), "time": "0.000000"})
    said = visible(" ".join(filter(None, (cell.why, cell.hint))))
    if cell.is_error:
        ET.SubElement(case, "error", {"type": cell.mark, "message": said})
    else:
        ET.SubElement(case, "skipped", {"message": f"excluded: {said}"})
    return suite


def _properties(*pairs: tuple[str, str]) -> ET.Element:
    properties = ET.Element("properties")
    for key, value in pairs:
        ET.SubElement(properties, "property", {"name": key, "value": visible(value)})
    return properties


def _axes(axes: Axes) -> tuple[tuple[str, str], ...]:
    return (
        ("runtime", axes.runtime),
        ("otp", axes.otp),
        ("backend", axes.backend),
        ("family", str(axes.family)),
        ("kernel", axes.kernel),
    )


def _identity(scenario: str, name: str) -> dict[str, str]:
    return {"classname": f"rst-or-fin.{visible(scenario)}", "name": name}


def _case(run: Run, name: str) -> ET.Element:
    case = ET.Element("testcase", {**_identity(run.scenario.name, name), "time": _seconds(run.judgements)})
    worst = run.groups()[0].first
    if run.outcome in (Outcome.DIFFERS, Outcome.INCONCLUSIVE):
        _needs_a_look(case, run, worst)
    elif run.outcome is Outcome.RACE:
        ET.SubElement(
            case, "skipped", {"message": f"a race, neither pass nor failure: {run.endings} this time"}
        )
    output = ET.SubElement(case, "system-out")
    drawn = (
        ladder_text.render(ladder(run.scenario, alike.first, key_log=run.secrets)) for alike in run.groups()
    )
    output.text = _lines(["\n\n".join(drawn)])
    return case


def _needs_a_look(case: ET.Element, run: Run, worst: Assessment) -> None:
    """Add the one-line reason as the message, and the details as text where they say more."""
    count = sum(judged.outcome is run.outcome for judged in run.judgements)
    of = f"{count} of {len(run.judgements)} replays: " if len(run.judgements) > 1 else ""
    message = visible(of + on_one_line(reason(worst)))
    element = ET.SubElement(case, _TAGS[run.outcome], {"type": str(run.outcome), "message": message})
    details = [f"{c.what}: expected {c.expected}, was {c.actual}" for c in worst.comparisons if not c.same]
    if run.outcome is Outcome.DIFFERS and len(details) > 1:
        element.text = _lines(details)


def _counts(cells: Iterable[Run | Unplayed]) -> dict[str, str]:
    tags = [_tag(cell) for cell in cells]
    return {
        "tests": str(len(tags)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "skipped": str(tags.count("skipped")),
    }


def _tag(cell: Run | Unplayed) -> str:
    """Return the element that says what came of a case; empty for a pass."""
    if isinstance(cell, Run):
        return _TAGS.get(cell.outcome, "")
    return "error" if cell.is_error else "skipped"


def _seconds(judgements: Iterable[Assessment]) -> str:
    """Return how long the calls of these replays took, in seconds."""
    return f"{sum(call.duration_us for judged in judgements for call in judged.replay.calls) / 1e6:.6f}"


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(line for text in texts for line in visible_lines(text))
