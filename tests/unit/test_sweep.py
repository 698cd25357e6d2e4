"""A sweep's points and words: what a point adds up to, and the sentence that a reader takes away."""

from __future__ import annotations

import pytest
from rst_or_fin.analysis.sweep import Point, point, sentence
from rst_or_fin.analysis.threshold import Plateau, SearchResult
from rst_or_fin.report.sweep import summary, table
from rst_or_fin.verdict.outcome import Outcome

from tests.unit.test_tally import UNFENCED, fin, rst


def seen(value: int, endings: dict[str, int], *, replays: int = 1) -> Point:
    return Point(
        value=value,
        endings=endings,
        replays=replays,
        outcome=Outcome.MEASURED,
        unread=(0,),
        received=(485,),
        closing_segments=("F. 19:19(0) ack 486",),
        doubts=(),
        evidence="runs/x",
    )


def found(*runs: tuple[str | None, int, int], why_grid: str = "") -> SearchResult:
    return SearchResult(
        runs=tuple(Plateau(answer=answer, first=first, last=last) for answer, first, last in runs),
        why_grid=why_grid,
    )


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ([("RST", 1, 484), ("FIN", 485, 485)], "RST up to Read=484, FIN from Read=485"),
        ([("FIN", 1, 9)], "FIN at every Read looked at, from 1 to 9"),
        (
            [("FIN", 1, 50), (None, 51, 51), ("RST", 53, 99)],
            "FIN up to Read=50, no single ending at Read=51, RST from Read=53"
            " (nothing was looked at between 51 and 53)",
        ),
        (
            [("FIN", 1, 4), ("RST", 5, 7), ("FIN", 8, 9)],
            "FIN up to Read=4, RST from Read=5 to 7, FIN from Read=8",
        ),
    ],
)
def test_the_sentence_says_where_what_turns_into_what(
    runs: list[tuple[str | None, int, int]], says: str
) -> None:
    assert sentence("Read", found(*runs)) == says


def test_replays_that_agree_give_a_point_its_ending() -> None:
    assert point(3, [fin(), fin()], "runs/x").ending == "FIN"


def test_replays_that_differ_leave_a_point_without_one() -> None:
    found_there = point(3, [fin(), rst()], "runs/x")
    assert (found_there.ending, dict(found_there.endings), found_there.unread) == (
        None,
        {"FIN": 1, "RST": 1},
        (0, 485),
    )


def test_a_doubted_replay_leaves_a_point_without_one() -> None:
    found_there = point(3, [fin(), fin(capture=UNFENCED)], "runs/x")
    assert (found_there.ending, found_there.outcome, len(found_there.doubts)) == (
        None,
        Outcome.INCONCLUSIVE,
        1,
    )


def test_a_point_that_varies_is_shown_as_a_distribution() -> None:
    text = table("Read", [seen(3, {"FIN": 9, "RST": 1}, replays=10)])
    assert "FIN 9 of 10 [59.6% to 98.2%], RST 1 of 10 [1.8% to 40.4%]" in text


def test_the_table_is_in_the_order_of_the_values() -> None:
    text = table("Read", [seen(30, {"FIN": 1}), seen(4, {"RST": 1})])
    assert [line.split()[0] for line in text.splitlines()] == ["Read", "4", "30"]


def test_a_violated_monotony_is_said() -> None:
    why = "not one threshold: FIN at 23, where RST was expected"
    text = summary("Read", found(("RST", 0, 9), ("FIN", 10, 30), why_grid=why), [seen(0, {"RST": 1})])
    assert why in text
