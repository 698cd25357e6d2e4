"""Judging takes time in proportion to the segments, whatever their shape: hostile ones took minutes once."""

from __future__ import annotations

import time

import pytest
from rst_or_fin.commands.bench_captures import SHAPES
from rst_or_fin.tcp import tracker
from rst_or_fin.verdict.judge import judge

from tests.support.cases import WHOLE

_SEGMENTS = 10_000
_AT_MOST_S = 3.0  # a quadratic judge took 5 to 22 s for as many; a linear one takes 0.2 s


@pytest.mark.parametrize("shape", SHAPES)
def test_ten_thousand_segments_are_judged_at_once(shape: str) -> None:
    segments = list(SHAPES[shape](_SEGMENTS))
    started = time.monotonic()
    for connection in tracker.connections(segments):
        judge(connection, capture=WHOLE)
    assert time.monotonic() - started < _AT_MOST_S
