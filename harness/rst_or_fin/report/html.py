"""Runs as one HTML page that needs nothing else: no server, no network, no fonts, no library.

Jinja2 renders it with autoescape on; a content security policy lets the page's own script run and nothing
else.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from rst_or_fin.analysis.wilson import shares
from rst_or_fin.escaping import on_one_line, visible
from rst_or_fin.report import html_template, ladder_svg
from rst_or_fin.report.axes_layout import words_of
from rst_or_fin.report.html_grid import grid
from rst_or_fin.report.html_panels import TONES, SizeBudget, panels
from rst_or_fin.report.pcapng import annotated
from rst_or_fin.report.records import Run, Unplayed, tally, title
from rst_or_fin.report.sources import linked
from rst_or_fin.verdict.outcome import Outcome
from rst_or_fin.verdict.reason import reason

_HEADS = ("Scenario", "Ending", "Cause", "Outcome", "Replays", "OTP", "Backend", "Kernel")
_SIGNS = {
    Outcome.AS_EXPECTED: "✓",
    Outcome.DIFFERS: "≠",
    Outcome.INCONCLUSIVE: "?",
    Outcome.RACE: "~",
    Outcome.MEASURED: "·",
}
_AGREES = {True: "agrees", False: "DISAGREES", None: "says"}
_NEEDS_A_LOOK = {Outcome.DIFFERS: 0, Outcome.INCONCLUSIVE: 1}

_ROWS = 1000  # runs in the table; more are counted
_FEW = 3  # runs that are all unfolded
_CAPTURE = 200_000  # bytes of a capture that goes into the page
_CAPTURES = 1_000_000  # bytes of all captures that do


def render(runs: Sequence[Run], unplayed: Sequence[Unplayed] = ()) -> str:
    """Render the page: what needs a look first, and no more than a browser can handle."""
    script = html_template.source("page.js")
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    ordered = sorted(runs, key=lambda run: _NEEDS_A_LOOK.get(run.outcome, 2))
    told = ordered[:_ROWS]
    shown = list(_runs(told))
    return html_template.fill_in(
        "page.html.j2",
        runs=shown,
        looks=[run for run in shown if run["reason"]],
        number=len(runs),
        untold=tally(run.outcome for run in ordered[_ROWS:]),
        replays=sum(len(run.judgements) for run in runs),
        tally=tally(judged.outcome for run in runs for judged in run.judgements),
        grid=grid(told, unplayed),
        errors=[(cell, ", ".join(filter(None, words_of(cell.axes)))) for cell in unplayed if cell.is_error],
        heads=_HEADS,
        signs=_SIGNS,
        agrees=_AGREES,
        css=Markup(html_template.source("page.css") + ladder_svg.STYLE),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
    )


def _runs(runs: Sequence[Run]) -> Iterator[dict[str, Any]]:
    budget, captures = SizeBudget(), SizeBudget(left=_CAPTURES)
    for number, run in enumerate(runs, start=1):
        unfolded = len(runs) <= _FEW or run.outcome in _NEEDS_A_LOOK
        yield _run(run, f"run-{number}", budget, captures) | {"open": unfolded}


def _run(run: Run, name: str, budget: SizeBudget, captures: SizeBudget) -> dict[str, Any]:
    tones = {TONES.get(judged.verdict.ending, "") for judged in run.judgements}
    drawn = panels(run, name, budget)
    return {
        "id": name,
        "name": title(run),
        "claim": on_one_line(run.scenario.claim),
        "sources": [list(linked(source)) for source in run.scenario.sources],
        "published": run.scenario.published,
        "outcome": run.outcome,
        "reason": visible(reason(run.groups()[0].first)) if run.outcome in _NEEDS_A_LOOK else "",
        "endings": run.endings,
        "causes": run.causes,
        "tone": tones.pop() if len(tones) == 1 else "",
        "replays": len(run.judgements),
        "axes": run.axes,
        "started": run.started.partition(".")[0].replace("T", " ") + " UTC",
        "panels": drawn,
        "shares": _shares(run) if len(run.judgements) > 1 else [],
        "went": _went(run, [panel["index"] for panel in drawn if panel["count"]]),
        "script": run.scenario.session.strip(),
        "facts": json.dumps(run.facts, indent=2) if drawn else "",
        "file": "".join(c if (c.isalnum() and c.isascii()) or c in "-." else "_" for c in run.folder),
        "folder": run.folder,
        "program": run.program,
        "command_line": visible(" ".join(run.command_line)),
        **_captures(run, captures),
    }


def _captures(run: Run, left: SizeBudget) -> dict[str, str]:
    """Return the capture, plain and with the verdict as comments, unless too large for a page."""
    size = len(run.capture)
    if size > _CAPTURE or size > left.left:
        return {"pcap": "", "pcapng": "", "size": f"{size / 1e6:,.1f} MB"}
    left.take(size)
    return {
        "pcap": b64encode(run.capture).decode(),
        "pcapng": b64encode(annotated(run)).decode(),
        "size": f"{size / 1e3:,.0f} kB",
    }


def _shares(run: Run) -> list[dict[str, Any]]:
    """Return how often the conclusive replays ended in which way, with 95 % Wilson intervals, as bars."""
    conclusive = (j.verdict.ending for j in run.judgements if not j.verdict.doubts)
    tones = {str(ending): tone for ending, tone in TONES.items()}
    return [
        {
            "ending": ending,
            "tone": tones.get(ending, ""),
            "count": share.count,
            "of": share.total,
            "share": f"{share.value:.1%}",
            "interval": str(share),
            "width": f"{100 * share.value:.2f}%",
            "low": f"{100 * share.low:.2f}%",
            "reach": f"{100 * (share.high - share.low):.2f}%",
        }
        for ending, share in shares(Counter(map(str, conclusive))).items()
    ]


def _went(run: Run, shown: Sequence[int]) -> str:
    """Return which way each replay went, in their order: `0*57 1*3` (the 1st way 57 times, ...)."""
    if len(run.judgements) < 2 or not shown:
        return ""
    way_of = {}
    for way, alike in enumerate(run.groups()[: len(shown)]):
        way_of.update(dict.fromkeys(map(id, alike.members), way))
    went = (way_of.get(id(judged), -1) for judged in sorted(run.judgements, key=lambda j: j.replay.index))
    return " ".join(f"{way}*{len(list(members))}" for way, members in groupby(went))
