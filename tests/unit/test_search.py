"""The search for a threshold: it finds the one there is, and never hides that there is not just one."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.analysis.threshold import Plateau, SearchResult, grid, search

Answers = Callable[[int], str | None]


def step(at: int) -> Answers:
    return lambda value: "RST" if value < at else "FIN"


@st.composite
def steps(draw: st.DrawFn) -> tuple[int, int, int]:
    """A range, and where in it (above its low end) the answer changes."""
    low = draw(st.integers(-1000, 1000))
    high = draw(st.integers(low + 1, low + 100_000))
    return low, draw(st.integers(low + 1, high)), high


@given(steps())
def test_the_one_threshold_is_found_exactly(ranged: tuple[int, int, int]) -> None:
    low, at, high = ranged
    assert search(low, high, step(at)).runs == (
        Plateau(answer="RST", first=low, last=at - 1),
        Plateau(answer="FIN", first=at, last=high),
    )


@given(steps())
def test_few_points_are_enough(ranged: tuple[int, int, int]) -> None:
    low, at, high = ranged
    asked: list[int] = []

    def measure(value: int) -> str | None:
        asked.append(value)
        return step(at)(value)

    search(low, high, measure)
    assert len(asked) <= (high - low).bit_length() + 2 + 2 * 3


@given(steps())
def test_no_point_is_measured_twice_nor_outside_of_the_range(ranged: tuple[int, int, int]) -> None:
    low, at, high = ranged
    asked: list[int] = []

    def measure(value: int) -> str | None:
        asked.append(value)
        return step(at)(value)

    search(low, high, measure)
    assert sorted(asked) == sorted(set(asked) & set(range(low, high + 1)))


@given(steps())
def test_the_neighbours_beyond_the_threshold_are_looked_at(ranged: tuple[int, int, int]) -> None:
    low, at, high = ranged
    asked: set[int] = set()

    def measure(value: int) -> str | None:
        asked.add(value)
        return step(at)(value)

    search(low, high, measure)
    assert {at - 2, at - 1, at, at + 1} & set(range(low, high + 1)) <= asked


@given(steps(), st.data())
def test_whatever_is_reported_was_measured(ranged: tuple[int, int, int], data: st.DataObject) -> None:
    low, _, high = ranged
    answers = {v: data.draw(st.sampled_from(["RST", "FIN", None])) for v in grid(low, high, 9)}
    found = search(low, high, lambda value: answers.get(value, "FIN"))
    assert all(answers.get(end, "FIN") == run.answer for run in found.runs for end in (run.first, run.last))


def test_a_second_threshold_is_not_hidden() -> None:
    found = search(0, 100, lambda value: "FIN" if 20 <= value < 30 or value >= 70 else "RST")
    assert (found.why_grid, [run.answer for run in found.runs]) == (
        "not one threshold: FIN at 23, where RST was expected",
        ["RST", "FIN", "RST", "FIN"],
    )


def test_a_third_answer_in_between_is_shown_by_a_grid() -> None:
    found = search(0, 8, lambda value: "RST" if value < 3 else "FIN then RST" if value < 6 else "FIN")
    assert found == SearchResult(
        why_grid="FIN then RST at 4, between RST and FIN",
        runs=(
            Plateau(answer="RST", first=0, last=2),
            Plateau(answer="FIN then RST", first=3, last=5),
            Plateau(answer="FIN", first=6, last=8),
        ),
    )


def test_ends_that_agree_are_no_threshold_but_are_looked_between() -> None:
    found = search(0, 80, lambda value: "RST" if 35 < value < 45 else "FIN")
    assert [run.answer for run in found.runs] == ["FIN", "RST", "FIN"]


def test_no_single_answer_at_an_end_makes_it_a_grid() -> None:
    assert search(0, 8, lambda value: None if value == 8 else "FIN").why_grid == "no single ending at 8"


def test_a_grid_can_be_asked_for() -> None:
    asked: list[int] = []

    def measure(value: int) -> str | None:
        asked.append(value)
        return "RST" if value < 55 else "FIN"

    assert (search(0, 100, measure, points=5).why_grid, asked) == ("asked for", [0, 25, 50, 75, 100])


@given(st.integers(-100, 100), st.integers(1, 1000), st.integers(2, 50))
def test_a_grid_has_both_ends_and_no_more_points_than_asked(low: int, width: int, points: int) -> None:
    found = grid(low, low + width, points)
    assert (found[0], found[-1], len(found)) == (low, low + width, min(points, width + 1))
