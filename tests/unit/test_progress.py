"""What is said while a person waits: one line on a terminal, a line every 10 s elsewhere."""

from __future__ import annotations

import io
from dataclasses import dataclass

import pytest
from rst_or_fin.commands.progress import Progress, Verbosity


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Detail:
    """A line of a build's chatter."""

    detail: bool = True

    def __str__(self) -> str:
        return "unpacking"


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def counted(stream: io.StringIO, total: int | None, every_s: float, count: int, **kind: Verbosity) -> str:
    """What a stream was given when so many were done, one every so many seconds."""
    clock = Clock()
    progress = Progress(stream, now_s=clock, **kind)
    with progress.counting(total, "replays") as one_more:
        for _ in range(count):
            clock.now_s += every_s
            one_more()
        return stream.getvalue()


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_has_one_line_with_rate_and_time_left() -> None:
    said = counted(Terminal(), 1000, 0.0625, 32)
    assert said.split("\r\x1b[K")[-1] == "rst-or-fin: 32 of 1,000 replays, 16 per second, 60 s left"


def test_a_terminals_line_is_never_broken() -> None:
    assert "\n" not in counted(Terminal(), 1000, 0.01, 500)


def test_the_line_is_taken_away_at_the_end() -> None:
    stream = Terminal()
    counted(stream, 10, 0.2, 10)
    assert stream.getvalue().endswith("\r\x1b[K")


def test_a_log_has_a_line_every_ten_seconds() -> None:
    said = counted(io.StringIO(), 1000, 0.5, 45).splitlines()
    assert said == [
        "rst-or-fin: 20 of 1,000 replays, 0.5 s each, 8 min left",
        "rst-or-fin: 40 of 1,000 replays, 0.5 s each, 8 min left",
    ]


def test_a_terminal_that_cannot_take_a_line_back_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert "\r" not in counted(Terminal(), 1000, 0.5, 45)


def test_of_an_unknown_number_no_time_is_left() -> None:
    assert counted(io.StringIO(), None, 1.0, 10) == "rst-or-fin: 10 replays, 1 s each\n"


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()], ids=["terminal", "log"])
def test_the_quiet_hear_nothing(stream: io.StringIO) -> None:
    assert counted(stream, 1000, 1.0, 100, verbosity=Verbosity.QUIET) == ""


@pytest.mark.parametrize(
    ("verbosity", "lines"), [(Verbosity.QUIET, 0), (Verbosity.NORMAL, 1), (Verbosity.VERBOSE, 2)]
)
def test_a_builds_chatter_is_for_the_verbose(verbosity: Verbosity, lines: int) -> None:
    stream = io.StringIO()
    progress = Progress(stream, verbosity=verbosity)
    progress.say("building")
    progress.say(Detail())
    assert len(stream.getvalue().splitlines()) == lines


def test_a_line_that_stays_takes_the_updated_one_away() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, now_s=clock)
    with progress.counting(5, "cells") as one_more:
        clock.now_s = 1.0
        one_more()
        progress.say("a cell differs")
    assert stream.getvalue().endswith("1 of 5 cells\r\x1b[Krst-or-fin: a cell differs\n")


@pytest.mark.parametrize(
    ("left", "said"), [(30, "30 s"), (300, "5 min"), (4800, "80 min"), (7200, "2 h 0 min")]
)
def test_the_time_left_in_its_own_unit(left: int, said: str) -> None:
    assert counted(io.StringIO(), 20 + 2 * left, 0.5, 20).endswith(f", {said} left\n")


def test_what_went_before_the_first_one_does_not_slow_the_rate() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(stream, now_s=clock)
    with progress.counting(100, "replays") as one_more:
        clock.now_s = 60.0  # a testbed was made
        for _ in range(21):
            one_more()
            clock.now_s += 0.5
    assert stream.getvalue().splitlines() == [
        "rst-or-fin: 1 of 100 replays",
        "rst-or-fin: 21 of 100 replays, 0.5 s each, 40 s left",
    ]
