"""The bench's own capture is one: every checksum is right, and each program reads it."""

from __future__ import annotations

import pytest
from rst_or_fin.commands import bench_beside
from rst_or_fin.commands.bench_captures import SHAPES
from rst_or_fin.tcp.segment import Checksum

from tests.support.decoding import segment_of

MANY = "connections of ten segments"


def test_the_frames_of_the_bench_have_right_checksums() -> None:
    frames = [bench_beside._frame(s, n) for n, s in enumerate(SHAPES[MANY](20))]
    found = [segment_of(frame) for frame in frames]
    assert {segment.checksum for segment in found if segment is not None} == {Checksum.GOOD}


def test_the_judge_is_timed_and_weighed_on_each_format(capsys: pytest.CaptureFixture[str]) -> None:
    bench_beside.bench_beside(SHAPES[MANY](100), 100)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "rst-or-fin " in line]
    assert [line[2:5] for line in lines] == [["s", "of", "CPU"]] * 2
