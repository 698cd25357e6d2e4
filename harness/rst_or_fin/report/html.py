"""Runs as one HTML page that needs nothing else: no server, no network, no fonts, no library.

Jinja2 renders it with autoescape on; a content security policy lets the page's own script run and nothing
else.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rst_or_fin.escaping import visible, visible_lines
from rst_or_fin.report import ladder_svg, terminal
from rst_or_fin.report.explanations import marked
from rst_or_fin.report.ladder import ladder
from rst_or_fin.report.pcapng import annotated
from rst_or_fin.report.records import Alike, Run, tally
from rst_or_fin.report.trace_text import TraceLine, trace_lines
from rst_or_fin.tcp.ending import Ending
from rst_or_fin.verdict.assess import Judged
from rst_or_fin.verdict.outcome import Outcome

_HEADS = ("Scenario", "Ending", "Cause", "Outcome", "Replays", "OTP", "Backend", "Kernel")
_SIGNS = {
    Outcome.AS_EXPECTED: "✓",
    Outcome.DIFFERS: "≠",
    Outcome.INCONCLUSIVE: "?",
    Outcome.RACE: "~",
    Outcome.MEASURED: "·",
}
_AGREES = {True: "agrees", False: "DISAGREES", None: "says"}
_TONES = {Ending.RST: "rst", Ending.FIN_THEN_RST: "rst", Ending.FIN: "fin"}


def render(runs: Sequence[Run]) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("rst_or_fin.report", "page"), autoescape=True, undefined=StrictUndefined
    )
    environment.finalize = _shown
    script = _file(environment, "page.js")
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html.j2").render(
        runs=[_run(run, number) for number, run in enumerate(runs, start=1)],
        replays=sum(len(run.judgements) for run in runs),
        tally=tally(judged.outcome for run in runs for judged in run.judgements),
        heads=_HEADS,
        signs=_SIGNS,
        agrees=_AGREES,
        css=Markup(_file(environment, "page.css") + ladder_svg.STYLE),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
    )


def _file(environment: Environment, name: str) -> str:
    """A file of the page as it is: CSS and a script are not templates."""
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _shown(value: object) -> object:
    """Everything that is put into the page passes here: markup as it is, text without control characters."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "\n".join(visible_lines(value))


def _run(run: Run, number: int) -> dict[str, Any]:
    name = f"run-{number}"
    tones = {_TONES.get(judged.verdict.ending, "") for judged in run.judgements}
    return {
        "id": name,
        "name": run.scenario.name,
        "claim": " ".join(run.scenario.claim.split()),
        "sources": run.scenario.sources,
        "published": run.scenario.published,
        "outcome": run.outcome,
        "endings": run.endings,
        "causes": run.causes,
        "tone": tones.pop() if len(tones) == 1 else "",
        "replays": len(run.judgements),
        "axes": run.axes,
        "started": run.started.partition(".")[0].replace("T", " ") + " UTC",
        "ways": [_way(run, alike, f"{name}-{place}") for place, alike in enumerate(run.ways(), start=1)],
        "script": run.scenario.session.strip(),
        "facts": json.dumps(run.facts, indent=2),
        "file": "".join(c if (c.isalnum() and c.isascii()) or c in "-." else "_" for c in run.folder),
        "pcap": b64encode(run.capture).decode(),
        "pcapng": b64encode(annotated(run)).decode(),
        "folder": run.folder,
        "program": run.program,
        "command_line": visible(" ".join(run.command_line)),
    }


def _way(run: Run, alike: Alike, name: str) -> dict[str, Any]:
    judged = alike.first
    return {
        "count": alike.count,
        "index": judged.replay.index,
        "ending": judged.verdict.ending,
        "tone": _TONES.get(judged.verdict.ending, ""),
        "headline": terminal.headline(judged),
        "doubts": judged.verdict.doubts,
        "ladder": Markup(ladder_svg.render(ladder(run.scenario, judged), name, style=False)),
        "session": terminal.session(judged.replay.calls),
        "wire": list(_wire(judged)),
        "witnesses": judged.verdict.witnesses,
        "comparisons": judged.comparisons,
        "closing": judged.verdict.closing_segment,
    }


def _trace(judged: Judged, deciding: list[int]) -> Iterator[TraceLine]:
    assert judged.connection is not None
    found = judged.verdict
    return trace_lines(judged.connection, deciding, found.subject, passages=found.passages)


def _wire(judged: Judged) -> Iterator[dict[str, Any]]:
    """The trace's lines; those of the segments that decide stand out."""
    if judged.connection is None:
        yield {"text": "no segment was captured", "tone": ""}
        return
    deciding = marked(judged)
    for line in _trace(judged, [*deciding]):
        if line.index in deciding:
            tone = "rst" if judged.connection.segments[line.index].rst else "fin"
            yield {"text": f"{line.text.strip()}  {deciding[line.index]}", "tone": tone}
        else:
            yield {"text": line.text.strip(), "tone": ""}
