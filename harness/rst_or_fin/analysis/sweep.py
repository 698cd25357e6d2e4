"""Sums up a sweep of one parameter: what each value showed, and where one ending turns into another.

Pure: made of judged replays. `threshold` chooses the values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rst_or_fin.analysis.threshold import Plateau, SearchResult
from rst_or_fin.analysis.wilson import shares
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Outcome, worst


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value with what its replays showed.

    `endings` counts the conclusive ones by ending. `unread` and `received` are the bytes that the kernel
    told of right before the close, each number that occurred; `doubts` are why the others are inconclusive.
    """

    value: int
    endings: Mapping[str, int]
    replays: int
    outcome: Outcome
    unread: tuple[int, ...]
    received: tuple[int, ...]
    closing_segments: tuple[str, ...]
    doubts: tuple[str, ...]
    evidence: str

    @property
    def ending(self) -> str | None:
        """The ending of every one of its replays; None if they differ or where one is inconclusive."""
        whole = sum(self.endings.values()) == self.replays
        return next(iter(self.endings)) if whole and len(self.endings) == 1 else None

    def record(self) -> dict[str, Any]:
        """Return what `sweep --json` prints of it."""
        return {
            "value": self.value,
            "ending": self.ending,
            "outcome": self.outcome,
            "replays": self.replays,
            "distribution": [
                {"ending": name, "count": s.count, "of": s.total, "low": s.low, "high": s.high}
                for name, s in shares(self.endings).items()
            ],
            "unread": self.unread,
            "received": self.received,
            "closing_segments": self.closing_segments,
            "doubts": self.doubts,
            "evidence": self.evidence,
        }


def point(value: int, judgements: Iterable[Assessment], evidence: str) -> Point:
    """Sum up the replays (at least one) at a value."""
    judged = list(judgements)
    states = [j.socket for j in judged if j.socket is not None]
    return Point(
        value=value,
        endings=Counter(str(j.verdict.ending) for j in judged if not j.verdict.doubts),
        replays=len(judged),
        outcome=worst(j.outcome for j in judged),
        unread=tuple(sorted({state.unread for state in states})),
        received=tuple(sorted({state.received for state in states})),
        closing_segments=tuple(sorted({j.verdict.closing_segment for j in judged})),
        doubts=tuple(dict.fromkeys(doubt for j in judged for doubt in j.verdict.doubts)),
        evidence=evidence,
    )


def sentence(name: str, found: SearchResult) -> str:
    """Say what was found, in one sentence: `RST up to Read=484, FIN from Read=485`."""
    runs = found.runs
    if len(runs) == 1:
        return f"{_answer(runs[0])} at every {name} looked at, from {runs[0].first} to {runs[0].last}"
    first, *between, last = runs
    parts = [f"{_answer(first)} up to {name}={first.last}"]
    parts += [f"{_answer(run)} {_span(name, run)}" for run in between]
    parts.append(f"{_answer(last)} from {name}={last.first}")
    gaps = [f"{a.last} and {b.first}" for a, b in pairwise(runs) if b.first - a.last > 1]
    unseen = f" (nothing was looked at between {', '.join(gaps)})" if gaps else ""
    return ", ".join(parts) + unseen


def method(found: SearchResult, points: Sequence[Point]) -> str:
    """Say how it was found, in one sentence."""
    if not found.why_grid:
        return f"by bisection, {len(points)} points; {len(found.checked)} around the threshold confirm it"
    return f"by a grid, {len(points)} points ({found.why_grid})"


def _answer(run: Plateau) -> str:
    return run.answer or "no single ending"


def _span(name: str, run: Plateau) -> str:
    return f"at {name}={run.first}" if run.first == run.last else f"from {name}={run.first} to {run.last}"
