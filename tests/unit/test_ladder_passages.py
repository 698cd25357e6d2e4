"""Ladders where both ends were captured: lost, late and forged segments look different."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rst_or_fin.report import ladder_mermaid, ladder_svg, ladder_text
from rst_or_fin.report.ladder import Host, Ladder, SegmentRow

HOST = Host(name="Erlang node", role="client", address="198.18.0.3:40000")


def drawn(*, rightward: bool = True, passed: str = "", leaves: bool = True, arrives: bool = True) -> Ladder:
    row = SegmentRow(
        t_ns=0,
        rightward=rightward,
        notation="F. 19:19(0) ack 486",
        reset=False,
        ends=True,
        payload="",
        payload_len=0,
        meaning="",
        passed=passed,
        leaves=leaves,
        arrives=arrives,
    )
    return Ladder(title="", description="", left=HOST, right=HOST, rows=(row,), verdict="", notes=())


def arrow(ladder: Ladder) -> str:
    line = next(line for line in ladder_text.render(ladder).splitlines() if "F. 19" in line)
    return line.partition("│")[2].rpartition("│")[0]


@pytest.mark.parametrize("rightward", [True, False])
def test_what_is_lost_ends_in_a_cross_on_its_way(rightward: bool) -> None:
    line = arrow(drawn(rightward=rightward, passed="never arrived", arrives=False))
    assert (line.strip()[-1 if rightward else 0], "▶" in line, "◀" in line) == ("✕", False, False)


@pytest.mark.parametrize("rightward", [True, False])
def test_what_its_end_never_sent_begins_with_a_diamond(rightward: bool) -> None:
    line = arrow(drawn(rightward=rightward, passed="not sent by that end", leaves=False))
    assert (line[0], line[-1]) == (("◇", "▶") if rightward else ("◀", "◇"))


def test_what_is_late_says_when_it_arrived() -> None:
    assert "F. 19:19(0) ack 486 (arrived 0.250000)" in arrow(drawn(passed="arrived 0.250000"))


RENDERERS: list[Callable[[Ladder], str]] = [ladder_text.render, ladder_mermaid.render, ladder_svg.render]


@pytest.mark.parametrize("render", RENDERERS)
def test_every_drawing_says_what_became_of_a_segment(render: Callable[[Ladder], str]) -> None:
    assert "never arrived" in render(drawn(passed="never arrived", arrives=False))


def test_a_lost_segments_arrow_has_no_tip() -> None:
    lost, plain = ladder_svg.render(drawn(arrives=False)), ladder_svg.render(drawn())
    assert ('class="tip"' in lost, 'class="tip"' in plain) == (False, True)
