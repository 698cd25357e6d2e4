"""Chooses how runs and replays appear on a page: whole, or only counted. Data for the template.

A page is for a browser, so its size is bounded, however many replays there are: what needs a look comes
first and is drawn; of the rest so much is as there is budget for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from rst_or_fin.escaping import visible
from rst_or_fin.report import ladder_svg, terminal
from rst_or_fin.report.explanations import marked
from rst_or_fin.report.ladder import (
    BufferRow,
    CallRow,
    FoldRow,
    Ladder,
    PeerRow,
    ReturnRow,
    Row,
    SegmentRow,
    ladder,
)
from rst_or_fin.report.records import Run
from rst_or_fin.report.trace_text import trace_lines
from rst_or_fin.tcp.ending import Ending
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Outcome
from rst_or_fin.verdict.reason import reason

TONES = {Ending.RST: "rst", Ending.FIN_THEN_RST: "rst", Ending.FIN: "fin"}

_OTHERS = 20  # replays of one run that are drawn beside one for each way that they went
_BUDGET = 1_300_000  # characters of ladders on a page; about three times that is the page


@dataclass(slots=True)
class SizeBudget:
    """How many characters or bytes a page may still grow by."""

    left: int = _BUDGET

    def take(self, size: int) -> None:
        """Use up some of them."""
        self.left -= size


def panels(run: Run, name: str, budget: SizeBudget) -> list[dict[str, Any]]:
    """Return a panel for each way that the run's replays went, then for others while the budget lasts.

    Those that need a look come first.
    """
    ways = run.groups()
    chosen = [(alike.first, alike.count) for alike in ways]
    firsts = {id(judged) for judged, _ in chosen}
    chosen += [(judged, 0) for judged in run.judgements if id(judged) not in firsts][:_OTHERS]
    found = []
    for place, (judged, count) in enumerate(chosen, start=1):
        if budget.left <= 0:
            break
        panel = _panel(run, judged, f"{name}-{place}")
        panel["count"] = count
        budget.take(len(panel["ladder"]) + len(panel["session"]) + sum(len(w["text"]) for w in panel["wire"]))
        found.append(panel)
    return found


def _panel(run: Run, judged: Assessment, name: str) -> dict[str, Any]:
    drawn = ladder(run.scenario, judged, key_log=run.secrets)
    looked = judged.outcome in (Outcome.DIFFERS, Outcome.INCONCLUSIVE)
    return {
        "id": name,
        "index": judged.replay.index,
        "ending": judged.verdict.ending,
        "outcome": judged.outcome,
        "tone": TONES.get(judged.verdict.ending, ""),
        "reason": visible(reason(judged)),
        "needs_a_look": looked,
        "headline": terminal.headline(judged),
        "peer_reset": terminal.peer_reset(judged.verdict),
        "delivery": str(judged.verdict.delivery) if judged.verdict.delivery is not None else "",
        "remarks": judged.verdict.remarks,
        "doubts": judged.verdict.doubts,
        "ladder": Markup(ladder_svg.render(drawn, name, style=False)),
        "steps": list(steps(drawn)),
        "hosts": (drawn.left, drawn.right),
        "notes": drawn.notes,
        "session": terminal.session(judged.replay.calls),
        "wire": list(_wire(judged)),
        "witnesses": judged.verdict.witnesses,
        "comparisons": judged.comparisons,
        "closing": judged.verdict.closing_segment,
    }


def _wire(judged: Assessment) -> Iterator[dict[str, Any]]:
    """Yield the trace's lines; those of the deciding segments are marked."""
    if judged.connection is None:
        yield {"text": "no segment was captured", "tone": ""}
        return
    deciding = marked(judged)
    found = judged.verdict
    for line in trace_lines(judged.connection, [*deciding], found.subject, passages=found.passages):
        if line.index in deciding:
            tone = "rst" if judged.connection.segments[line.index].rst else "fin"
            yield {"text": f"{line.text.strip()}  {deciding[line.index]}", "tone": tone}
        else:
            yield {"text": line.text.strip(), "tone": ""}


def steps(drawn: Ladder) -> Iterator[dict[str, str]]:
    """Yield the ladder's rows for a narrow screen, on which a drawing of two columns would be too small."""
    for row in drawn.rows:
        side, time, text, more, tone = _step(row)
        yield {"side": side, "time": time, "text": text, "more": more, "tone": tone}


def _step(row: Row) -> tuple[str, str, str, str, str]:
    """Return a row's side, time, text, further text, and tone."""
    match row:
        case SegmentRow():
            side = "right" if row.rightward else "left"
            more = row.meaning or (f"{row.payload_len} bytes: {row.payload}" if row.payload_len else "")
            tone = ("rst" if row.reset else "fin") if row.meaning else ""
            return side, _seconds(row.t_ns), row.notation, more, tone
        case CallRow():
            more = f"= {row.result}" if row.result is not None else ""
            return "node", _seconds(row.t_ns), f"{row.number}> {row.source}", more, ""
        case ReturnRow():
            return "node", "", f"{row.number}: = {row.result}", "", ""
        case BufferRow():
            return "node", "", row.text, "", "mark"
        case PeerRow():
            return "peer", _seconds(row.t_ns), row.says, row.detail, ""
        case FoldRow():
            told = f"… {row.count} segments: {row.rightward_len:,} bytes →, {row.leftward_len:,} bytes ← …"
            return "both", "", told, "", ""


def _seconds(t_ns: int | None) -> str:
    return "" if t_ns is None else f"{t_ns / 1e9:.6f}"
