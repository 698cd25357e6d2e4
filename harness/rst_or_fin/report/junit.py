"""Runs as JUnit XML, as Jenkins, GitLab and GitHub's test reporters read it: a suite a run, a case a replay.

What differs from the expectation is a failure; what is inconclusive is an error, never a pass; a race is
neither, and counts as skipped. The schema is that of Jenkins' xUnit plugin, junit-10.xsd.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from rst_or_fin.escaping import visible, visible_lines
from rst_or_fin.report import ladder_text
from rst_or_fin.report.ladder import ladder
from rst_or_fin.report.records import Run
from rst_or_fin.verdict.assess import Assessment
from rst_or_fin.verdict.outcome import Outcome
from rst_or_fin.verdict.reason import reason


def render(runs: Sequence[Run]) -> bytes:
    """Render the document, in UTF-8 with its XML declaration."""
    outcomes = [judged.outcome for run in runs for judged in run.judgements]
    root = ET.Element("testsuites", {"name": "rst-or-fin", **_counts(outcomes)})
    root.set("time", _seconds(judged for run in runs for judged in run.judgements))
    for run in runs:
        root.append(_suite(run))
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(run: Run) -> ET.Element:
    name = visible(run.scenario.name)
    suite = ET.Element("testsuite", {"name": name, **_counts([j.outcome for j in run.judgements])})
    suite.set("time", _seconds(run.judgements))
    suite.set("timestamp", visible(run.started).partition(".")[0].partition("+")[0])
    properties = ET.SubElement(suite, "properties")
    axes = run.axes
    for key, value in (
        ("evidence", run.folder),
        ("claim", " ".join(run.scenario.claim.split())),
        ("runtime", axes.runtime),
        ("otp", axes.otp),
        ("backend", axes.backend),
        ("family", str(axes.family)),
        ("kernel", axes.kernel),
    ):
        ET.SubElement(properties, "property", {"name": key, "value": visible(value)})
    for judged in run.judgements:
        suite.append(_case(run, judged, name))
    return suite


def _case(run: Run, judged: Assessment, name: str) -> ET.Element:
    case = ET.Element(
        "testcase",
        {
            "classname": f"rst-or-fin.{name}",
            "name": name if len(run.judgements) == 1 else f"{name} replay {judged.replay.index}",
            "time": _seconds([judged]),
        },
    )
    if judged.outcome is Outcome.DIFFERS:
        wrong = [f"{c.what}: expected {c.expected}, was {c.actual}" for c in judged.comparisons if not c.same]
        _needs_a_look(case, "failure", judged, wrong)
    elif judged.outcome is Outcome.INCONCLUSIVE:
        _needs_a_look(case, "error", judged, [])
    elif judged.outcome is Outcome.RACE:
        ending = judged.verdict.ending
        ET.SubElement(case, "skipped", {"message": f"a race, neither pass nor failure: {ending} this time"})
    output = ET.SubElement(case, "system-out")
    output.text = _lines([ladder_text.render(ladder(run.scenario, judged, key_log=run.secrets))])
    return case


def _needs_a_look(case: ET.Element, tag: str, judged: Assessment, details: Sequence[str]) -> None:
    """Add the one-line reason as the message, and the details as text where they say more."""
    message = visible(" ".join(reason(judged).split()))
    element = ET.SubElement(case, tag, {"type": str(judged.outcome), "message": message})
    if len(details) > 1:
        element.text = _lines(details)


def _counts(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {
        "tests": str(len(outcomes)),
        "failures": str(outcomes.count(Outcome.DIFFERS)),
        "errors": str(outcomes.count(Outcome.INCONCLUSIVE)),
        "skipped": str(outcomes.count(Outcome.RACE)),
    }


def _seconds(judgements: Iterable[Assessment]) -> str:
    """Return how long the calls of these replays took, in seconds."""
    return f"{sum(call.duration_us for judged in judgements for call in judged.replay.calls) / 1e6:.6f}"


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(line for text in texts for line in visible_lines(text))
