"""What a terminal is given fits its width, and loses nothing but blanks."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.report import terminal
from rst_or_fin.report.fitting import NARROWEST, fitted, visible_len
from rst_or_fin.report.palette import COLOURS, PLAIN, Palette

from tests.support.report_runs import aborted, closed, crashed, long_transfer, run, scenario, shut_down

RUNS = [
    aborted(),
    closed(),
    shut_down(),
    crashed(),
    closed(expect=scenario().expect),
    run("> S 0:0(0)\n< R. 0:0(0) ack 1"),
    long_transfer(),
]
_TEXT = st.text(st.sampled_from("ab  cdefgh\n"), max_size=400)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 132])
@pytest.mark.parametrize("palette", [PLAIN, COLOURS], ids=["plain", "colours"])
def test_a_case_fits_the_terminal(width: int, palette: Palette) -> None:
    shown = [terminal.case(run.scenario, run.judgements[0], palette, width=width) for run in RUNS]
    assert max(visible_len(line) for text in shown for line in text.split("\n")) <= width


@given(_TEXT, st.integers(NARROWEST, 90))
def test_no_line_is_longer_than_the_width(text: str, width: int) -> None:
    assert max(map(len, fitted(text, width).split("\n"))) <= width


@given(_TEXT, st.integers(NARROWEST, 90))
def test_nothing_but_blanks_is_lost(text: str, width: int) -> None:
    assert re.sub(r"\s", "", fitted(text, width)) == re.sub(r"\s", "", text)


def test_a_line_that_fits_is_left_as_it_is() -> None:
    assert fitted("  two   words  ", 40) == "  two   words  "


def test_a_broken_line_goes_on_below_its_last_column() -> None:
    line = "  the wire  agrees  the Erlang node sent a segment"
    assert fitted(line, 40) == "  the wire  agrees  the Erlang node sent\n                    a segment"


def test_colours_take_no_room() -> None:
    line = f"{COLOURS.bold}{'word ' * 8}{COLOURS.plain}"
    assert fitted(line, 40) == line
