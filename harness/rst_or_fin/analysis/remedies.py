"""Compares a remedy with the case that it is for: the ending before and after, and what it costs.

Pure: made of judged replays of two scenarios, the case and the case with the remedy in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from statistics import median
from typing import Any

from rst_or_fin.agents.kinds import SERVED
from rst_or_fin.analysis.wilson import shares
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Ending
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Outcome, worst

_BOUND_TO = re.compile(r"^[^=(]*=\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySummary:
    """What replays of one scenario showed. Costs are medians; None if nothing was captured.

    `exchanges` are turns on the wire that the other end answered with a turn of its own; `wire_us` is the
    time from the connection's first segment to its last.
    """

    scenario: str
    endings: Mapping[str, int]
    replays: int
    outcome: Outcome
    peer_sees: tuple[str, ...]
    exchanges: float | None
    wire_us: float | None

    def record(self) -> dict[str, Any]:
        """Return what `remedies --json` prints of it."""
        return {
            "scenario": self.scenario,
            "outcome": self.outcome,
            "replays": self.replays,
            "distribution": [
                {"ending": name, "count": s.count, "of": s.total, "low": s.low, "high": s.high}
                for name, s in shares(self.endings).items()
            ],
            "peer_sees": self.peer_sees,
            "exchanges": self.exchanges,
            "wire_us": self.wire_us,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One remedy, before and after.

    `extra_calls` are what its session has beyond the case's own, and `extra_us` what they took, less what
    they stand in place of (a median).
    """

    before: ReplaySummary
    after: ReplaySummary
    extra_calls: tuple[str, ...]
    extra_us: float

    @property
    def helps(self) -> bool | None:
        """Every reset became a plain FIN, or a client behind a proxy that got no 200 before has got one.

        None if too much is inconclusive, or nothing was to be cured.
        """
        resets = (Ending.RST, Ending.FIN_THEN_RST)
        whole = all(sum(side.endings.values()) == side.replays for side in (self.before, self.after))
        if not whole or not all(ending in resets for ending in self.before.endings):
            return None
        return set(self.after.endings) == {Ending.FIN} or self._serves

    @property
    def _serves(self) -> bool:
        return SERVED not in self.before.peer_sees and set(self.after.peer_sees) == {SERVED}

    def record(self) -> dict[str, Any]:
        """Return what `remedies --json` prints of it."""
        return {
            "remedy": self.after.scenario,
            "helps": self.helps,
            "before": self.before.record(),
            "after": self.after.record(),
            "extra_exchanges": _difference(self.after.exchanges, self.before.exchanges),
            "extra_wire_us": _difference(self.after.wire_us, self.before.wire_us),
            "extra_calls": self.extra_calls,
            "extra_calls_us": self.extra_us,
        }


def summary(scenario: str, judgements: Sequence[Assessment]) -> ReplaySummary:
    """Sum up the replays of one scenario."""
    connections = [j.connection for j in judgements if j.connection is not None]
    return ReplaySummary(
        scenario=scenario,
        endings=Counter(str(j.verdict.ending) for j in judgements if not j.verdict.doubts),
        replays=len(judgements),
        outcome=worst(j.outcome for j in judgements),
        peer_sees=tuple(sorted({j.peer_report.end for j in judgements if j.peer_report is not None})),
        exchanges=median(map(exchanges, connections)) if connections else None,
        wire_us=median(map(_wire_us, connections)) if connections else None,
    )


def compared(before: tuple[str, Sequence[Assessment]], after: tuple[str, Sequence[Assessment]]) -> Remedy:
    """Compare a remedy with its case: each by its name and its replays (at least one)."""
    extra, missing = _changed(after[1][0], before[1][0])
    calls = after[1][0].replay.calls
    return Remedy(
        before=summary(*before),
        after=summary(*after),
        extra_calls=tuple(calls[number].source for number in extra),
        extra_us=_spent_us(after[1], extra) - _spent_us(before[1], missing),
    )


def compare_pairs(
    pairs: Iterable[tuple[str, str]], played: Mapping[str, Sequence[Assessment]]
) -> list[Remedy]:
    """Compare the pairs of a case and its remedy that were both played: by case, those that help first."""
    found = [
        compared((case, played[case]), (remedy, played[remedy]))
        for case, remedy in pairs
        if case in played and remedy in played
    ]
    return sorted(found, key=lambda each: (each.before.scenario, not each.helps))


def exchanges(connection: Connection) -> int:
    """Count how often one end's turn was answered by the other's: SYN by SYN ACK, request by response.

    A turn is one end's successive segments that take up sequence numbers, or a RST; segments that only
    acknowledge are not turns.
    """
    speaking = (s for s in connection.segments if s.payload_len or s.syn or s.fin or s.rst)
    return len(list(groupby(speaking, key=connection.role))) // 2


def _wire_us(connection: Connection) -> float:
    return (connection.segments[-1].t_ns - connection.segments[0].t_ns) / 1000


def _changed(after: Assessment, before: Assessment) -> tuple[list[int], list[int]]:
    """Return the places of the lines that only the one session has, and only the other.

    Lines are distinguished by what they call, not by its arguments: another option is not another call.
    """
    called = [[_called(call.source) for call in judged.replay.calls] for judged in (before, after)]
    extra: list[int] = []
    missing: list[int] = []
    for tag, b1, b2, a1, a2 in SequenceMatcher(a=called[0], b=called[1], autojunk=False).get_opcodes():
        if tag != "equal":
            missing += range(b1, b2)
            extra += range(a1, a2)
    return extra, missing


def _called(source: str) -> str:
    return _BOUND_TO.sub("", source).partition("(")[0].strip()


def _spent_us(judgements: Sequence[Assessment], places: Sequence[int]) -> float:
    return median(
        sum(j.replay.calls[place].duration_us for place in places if place < len(j.replay.calls))
        for j in judgements
    )


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before
