"""Saved evidence to judged replays: which connection belongs to which replay, and what came of each.

Pure, so that tomorrow's judge can judge today's evidence, on any machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness import pcap, servers, trace
from harness.evidence import CaptureFacts, Frame, Replay, Testimony
from harness.judge import Verdict, judge
from harness.outcome import Comparison, Outcome, compare, outcome
from harness.scenario import Scenario
from harness.tcp import Endpoint, Segment
from harness.trace import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One replay with everything that is known of it. `connection` is None where nothing was captured."""

    replay: Replay
    testimony: Testimony | None
    connection: Connection | None
    verdict: Verdict
    comparisons: tuple[Comparison, ...]
    outcome: Outcome

    def record(self) -> dict[str, Any]:
        """What verdicts.jsonl and `--json` hold of it: plain values under stable names."""
        verdict = self.verdict
        return {
            "index": self.replay.index,
            "outcome": self.outcome,
            "validity": verdict.validity,
            "doubts": verdict.doubts,
            "ending": verdict.ending,
            "peer_ending": verdict.peer_ending,
            "subject": verdict.subject,
            "active_closer": verdict.active_closer,
            "cause": verdict.cause,
            "peer_cause": verdict.peer_cause,
            "closing_segment": verdict.closing_segment,
            "deciding": [
                {"index": index, "notation": self.connection.notation(self.connection.segments[index])}
                for index in verdict.deciding
                if self.connection is not None
            ],
            "conn_state": verdict.conn_state,
            "witnesses": verdict.witnesses,
            "comparisons": [
                {"what": c.what, "expected": c.expected, "actual": c.actual, "same": c.same}
                for c in self.comparisons
            ],
        }


class Wire:
    """The segments seen so far, by the pair of endpoints that they passed between."""

    def __init__(self, *, one_replay: bool) -> None:
        self._one_replay = one_replay
        self._open: dict[frozenset[Endpoint], list[list[Segment]]] = {}
        self._taken: dict[frozenset[Endpoint], list[Segment]] = {}  # SYNs: what comes late is told by them

    def see(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            segment = pcap.segment(frame)
            if segment is not None:
                self.add(segment)

    def add(self, segment: Segment) -> None:
        pair = frozenset((segment.src, segment.dst))
        connections = self._open.setdefault(pair, [])
        last = connections[-1] if connections else self._taken.get(pair)
        if last is None or trace.starts_anew(last, segment):
            connections.append([segment])
        elif connections:
            last.append(segment)

    def look(self, replay: Replay) -> Connection | None:
        """The connection of this replay as far as it was seen; it stays here."""
        members = self._of(replay)
        return trace.connection(members[0]) if members else None

    def take(self, replay: Replay) -> Connection | None:
        """The connection of this replay, which no later replay can then be given."""
        connections = self._of(replay)
        if not connections:
            return None
        taken = connections.pop(0)
        self._taken[frozenset((taken[0].src, taken[0].dst))] = [s for s in taken if s.syn]
        return trace.connection(taken)

    def _of(self, replay: Replay) -> list[list[Segment]]:
        socket = replay.subject
        if socket is not None:
            return self._open.get(frozenset((socket.local, socket.remote)), [])
        # The session ended before it reached its close line and told no ports: a lone connection is its own.
        seen = [members for members in self._open.values() if members]
        return seen[0] if self._one_replay and len(seen) == 1 else []


def judge_replay(
    scenario: Scenario,
    connection: Connection | None,
    capture: CaptureFacts,
    replay: Replay,
    testimony: Testimony | None,
) -> Judged:
    """Judge one replay and hold it against what its scenario expects."""
    verdict = judge(
        connection,
        capture=capture,
        replay=replay,
        testimony=testimony,
        gate=scenario.gate,
        must_testify=servers.kind_of(scenario.server).must_testify,
    )
    if scenario.varied:
        verdict = _without_gate(verdict, replay)
    comparisons = (
        () if scenario.race or scenario.varied else compare(scenario.expect, verdict, replay, testimony)
    )
    return Judged(
        replay=replay,
        testimony=testimony,
        connection=connection,
        verdict=verdict,
        comparisons=comparisons,
        outcome=outcome(verdict, comparisons, race=scenario.race, varied=scenario.varied),
    )


def _without_gate(verdict: Verdict, replay: Replay) -> Verdict:
    """Where no number of unread bytes was demanded, the closing kernel's own word has to stand for it.

    With a gate, counters that could not be read may be forgiven; where a parameter is varied, they and the
    state of the receive buffer are all that ties the ending to what was done.
    """
    doubts = []
    if replay.subject is None:
        doubts.append("the receive buffer was not read before the close, and no gate stands in for it")
    if replay.counters_before is None or replay.counters_after is None:
        doubts.append("the kernel's counters were not read around the close, and no gate stands in for them")
    return replace(verdict, doubts=(*verdict.doubts, *doubts))


def judge_all(
    scenario: Scenario,
    segments: Iterable[Segment],
    capture: CaptureFacts,
    replays: Sequence[Replay],
    testimonies: Sequence[Testimony | None],
) -> list[Judged]:
    """Judge a whole run from its saved evidence."""
    wire = Wire(one_replay=len(replays) == 1)
    for segment in segments:
        wire.add(segment)
    return [
        judge_replay(scenario, wire.take(replay), capture, replay, testimony)
        for replay, testimony in zip(replays, testimonies, strict=True)
    ]
