"""Which plays a soak hands out, and what it still knows of them when it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.plays import BLOCK
from tests.soak.tally import Result, Tally


def result(number: int, came_to: str = "right", why: str = "") -> Result:
    return Result(number=number, came_to=came_to, why=why, again="rst-or-fin run")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tally.json"


def test_every_play_is_handed_out_once(path: Path) -> None:
    tally = Tally(path)
    assert [n for _ in range(3) for n in tally.take(0)] == list(range(3 * BLOCK))


def test_it_ends_at_the_number_that_was_asked_for(path: Path) -> None:
    tally = Tally(path)
    assert [tally.take(BLOCK + 3), tally.take(BLOCK + 3), tally.take(BLOCK + 3)] == [
        list(range(BLOCK)),
        list(range(BLOCK, BLOCK + 3)),
        [],
    ]


def test_a_later_end_takes_up_the_rest_of_a_block(path: Path) -> None:
    tally = Tally(path)
    tally.take(3)
    assert tally.take(BLOCK) == list(range(3, BLOCK))


def test_what_was_broken_off_comes_first_when_it_goes_on(path: Path) -> None:
    tally = Tally(path)
    for block in (tally.take(0), tally.take(0)):
        for number in block[2:]:
            tally.add(result(number))
    tally.save()
    again = Tally(path)
    assert [again.take(0), again.take(0), again.take(0)] == [
        [0, 1],
        [BLOCK, BLOCK + 1],
        list(range(2 * BLOCK, 3 * BLOCK)),
    ]


def test_the_counts_go_on(path: Path) -> None:
    tally = Tally(path)
    tally.add(result(0))
    tally.add(result(1, "inconclusive", "18 bytes were unread at the close, expected 485"))
    tally.add(result(2, "wrong", "runs/soak/play-2: ending is RST"))
    tally.save()
    again = Tally(path)
    again.add(result(3, "inconclusive", "7 bytes were unread at the close, expected 485"))
    assert again.told().splitlines() == [
        "4 replays: 1 right, 2 inconclusive, 1 wrong",
        "      2  N bytes were unread at the close, expected N",
        "runs/soak/play-2: ending is RST",
        "  again: rst-or-fin run",
    ]
