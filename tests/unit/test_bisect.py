"""Where an outcome changes: exact where every release answers, honest where some do not."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin import cli
from rst_or_fin.analysis.bisect import (
    OutcomeChange,
    UndecidedEndError,
    all_changes,
    first_change,
    releases_between,
)
from rst_or_fin.commands.bisect import _known, _summary, bisect
from rst_or_fin.errors import UsageError

OUTCOMES = st.lists(st.sampled_from(["RST", "FIN", None]), min_size=2, max_size=40)


class Asked:
    """Releases 0, 1, …, with their outcomes; notes who was asked."""

    def __init__(self, outcomes: Sequence[str | None]) -> None:
        self.outcomes = outcomes
        self.asked: list[int] = []

    def __call__(self, release: int) -> str | None:
        self.asked.append(release)
        return self.outcomes[release]


@given(st.integers(1, 60), st.integers(1, 60))
def test_one_change_is_found_exactly(before: int, after: int) -> None:
    asked = Asked(["RST"] * before + ["FIN"] * after)
    change = first_change(range(before + after), asked)
    assert change is not None
    assert (change.last_same, change.first_different, change.undecided) == (
        before - 1,
        before,
        (),
    )


@given(st.integers(1, 60), st.integers(1, 60))
def test_no_more_are_asked_than_a_binary_search_needs(before: int, after: int) -> None:
    asked = Asked(["RST"] * before + ["FIN"] * after)
    first_change(range(before + after), asked)
    assert len(asked.asked) <= 2 + math.ceil(math.log2(before + after))


@given(OUTCOMES)
def test_nobody_is_asked_twice(outcomes: list[str | None]) -> None:
    asked = Asked(["RST", *outcomes, "FIN"])
    first_change(range(len(outcomes) + 2), asked)
    assert len(asked.asked) == len(set(asked.asked))


@given(OUTCOMES)
def test_whatever_the_outcomes_what_is_found_is_a_change(outcomes: list[str | None]) -> None:
    everything = ["RST", *outcomes, "FIN"]
    change = first_change(range(len(everything)), Asked(everything))
    assert change is not None
    inside = everything[change.last_same + 1 : change.first_different]
    assert (everything[change.last_same], everything[change.first_different], set(inside) - {None}) == (
        "RST",
        "FIN",
        set(),
    )


@given(st.integers(1, 20), st.integers(1, 20), st.sets(st.integers(1, 38)))
def test_with_silent_releases_the_change_lies_within_what_is_told(
    before: int, after: int, silent: set[int]
) -> None:
    ends = (0, before + after - 1)
    outcomes = [
        None if release in silent and release not in ends else "RST" if release < before else "FIN"
        for release in range(before + after)
    ]
    change = first_change(range(before + after), Asked(outcomes))
    assert change is not None
    assert change.last_same < before <= change.first_different


def test_the_undecided_are_those_between_the_last_same_and_the_first_different() -> None:
    change = first_change("abcdef", {"a": 1, "b": 1, "c": None, "d": None, "e": 2, "f": 2}.get)
    assert change is not None
    assert "".join(change.undecided) == "cd"


def test_ends_that_agree_hold_no_change() -> None:
    assert first_change("abc", lambda release: "RST") is None


@pytest.mark.parametrize("silent", ["a", "c"])
def test_an_end_that_says_nothing_is_named(silent: str) -> None:
    with pytest.raises(UndecidedEndError, match=silent):
        first_change("abc", lambda release: None if release == silent else release)


@given(OUTCOMES)
def test_all_changes_are_those_between_neighbours_that_say_something(outcomes: list[str | None]) -> None:
    everything = ["RST", *outcomes, "FIN"]
    said = [outcome for outcome in everything if outcome is not None]
    changes = all_changes(range(len(everything)), Asked(everything))
    seen = [(everything[change.last_same], everything[change.first_different]) for change in changes]
    assert seen == [pair for pair in pairwise(said) if pair[0] != pair[1]]


def test_all_changes_ask_everyone_once() -> None:
    asked = Asked(["RST", "FIN", "RST", None, "FIN"])
    all_changes(range(5), asked)
    assert sorted(asked.asked) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("last_same", "first_different", "upstream"),
    [("6.12.43", "6.12.57", "6.12.53"), ("6.16.12", "6.17.13", "6.17.3"), ("6.1.100", "7.2", "6.18")],
)
def test_the_known_change_that_lies_there_is_named(
    last_same: str, first_different: str, upstream: str
) -> None:
    change = OutcomeChange(last_same=last_same, first_different=first_different, undecided=())
    assert [(known.commit, release) for known, release in _known(change, "kernel")] == [
        ("5f9238530970", upstream)
    ]


def test_ends_that_agree_say_nothing_of_what_lies_between() -> None:
    asked = {"6.12.43": {"ending": "RST"}, "6.12.57": {"ending": "RST"}}
    words = _summary([], options("resent-payload-with-fin"), list(asked), asked)
    assert "not looked at in between" in words


def options(*words: str) -> argparse.Namespace:
    return cli._parser().parse_args(["bisect", *words, "--from", "6.12.43", "--to", "6.12.57"])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("send-and-close-at-once",), "timing decides how send-and-close-at-once ends"),
        (("recv-then-close", "--kernel", "6.1"), "--kernel contradicts --axis kernel"),
        (("recv-then-close", "--axis", "otp", "--otp", "25"), "--otp contradicts --axis otp"),
    ],
)
def test_what_has_no_answer_is_not_asked(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        bisect(options(*words))


@pytest.mark.parametrize(("since", "one_of"), [("6.12.43", False), ("6.1.90", True)])
def test_between_series_one_of_the_places_is_found_and_that_is_said(since: str, one_of: bool) -> None:
    change = OutcomeChange(last_same="6.12.43", first_different="6.12.57", undecided=())
    asked = {"6.12.43": {"ending": "RST"}, "6.12.57": {"ending": "FIN"}}
    wanted = options("resent-payload-with-fin")
    words = _summary([change], wanted, [since, "6.12.57"], asked)
    assert ("one of several" in words) is one_of


RELEASES = ["5.10.221", "6.1.90", "6.12.43", "6.12.57"]


def test_a_way_is_the_releases_from_one_to_the_other() -> None:
    assert releases_between(RELEASES, "6.1.90", "6.12.57", "kernel") == RELEASES[1:]


def test_an_unknown_release_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError) as error:
        releases_between(RELEASES, "6.12.44", "6.12.57", "kernel")
    assert "6.12.43" in error.value.hint


@pytest.mark.parametrize(("first", "last"), [*list(pairwise(reversed(RELEASES))), ("6.1.90", "6.1.90")])
def test_a_way_does_not_lead_backwards(first: str, last: str) -> None:
    with pytest.raises(UsageError, match="does not come before"):
        releases_between(RELEASES, first, last, "kernel")
