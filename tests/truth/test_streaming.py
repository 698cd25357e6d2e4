"""A capture judged as it streams gets the verdicts that it gets as a whole, also where very many wait."""

from __future__ import annotations

import pytest
from rst_or_fin.analysis import captured
from rst_or_fin.analysis.captured import JudgedCapture, Known
from rst_or_fin.capture_file.reading import read
from rst_or_fin.evidence.records import CaptureFacts
from rst_or_fin.tcp import tracker
from rst_or_fin.verdict.judge import judge
from rst_or_fin.verdict.verdict import Verdict

from tests.support import nearly_plain
from tests.support.decoding import segments_of
from tests.truth.conversation import converse

SEEDS = range(150)
WHOLE = CaptureFacts(dropped=0, fenced=True)


def told(verdict: Verdict) -> tuple[object, ...]:
    return (verdict.client, verdict.server, verdict.cause, verdict.peer_cause, verdict.doubts)


@pytest.mark.parametrize("waiting_max", [6_000, 0], ids=["in time", "pressed"])
def test_what_streams_is_judged_as_the_whole(waiting_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured, "_WAITING_MAX", waiting_max)
    otherwise = []
    for seed in SEEDS:
        data = converse(seed).pcap
        whole = [told(judge(c, capture=WHOLE)) for c in tracker.connections(segments_of(data))]
        cases = sorted(JudgedCapture(read([data]), Known()), key=lambda case: case.number)
        otherwise += [seed] if whole != [told(case.verdict) for case in cases] else []
    assert otherwise == []


def test_what_came_unasked_is_forgotten_with_its_connection() -> None:
    """A SYN that it answers came after the connection had been judged: looking for it there was a crash."""
    cases = list(JudgedCapture(read([nearly_plain.capture(1462)]), Known()))
    assert sorted(case.number for case in cases) == list(range(1, len(cases) + 1))
