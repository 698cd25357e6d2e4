"""A script played on one connection: what goes out when, and what makes it fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.agents.script import Send, parse
from rst_or_fin.agents.script_player import Player, Received

from tests.support.scripts import written

SYN = Received("S", 0, 0, None)
ACK = Received(".", 1, 0, 1)
REQUEST = Received("P.", 1, 18, 1)
ANSWER = "expect S\nsend S. 0:0(0) ack 1\nexpect P. 1:19(18)\nsend P. 1:11(10) ack 19"


def play(text: str, *heard: Received) -> tuple[Player, list[str]]:
    """The player after these segments, and what it sent."""
    player = Player(parse(text))
    out: list[Send] = []
    for segment in heard:
        out += player.receive(segment, 0.0)
    return player, [written(order) for order in out]


def test_a_script_is_answered_step_by_step() -> None:
    player, out = play(ANSWER, SYN, ACK, REQUEST)
    assert (out, player.over, player.trouble) == (
        ["send S. 0:0(0) ack 1", "send P. 1:11(10) ack 19"],
        True,
        "",
    )


def test_bytes_are_counted_once() -> None:
    player, _ = play(ANSWER, SYN, ACK, REQUEST)
    assert (player.received, player.sent) == (18, 10)


def test_a_fin_is_no_byte() -> None:
    player, _ = play("expect S\nsend F. 1:1(0) ack 1\nsend . 2:2(0) ack 1", SYN)
    assert player.sent == 0


def test_repetitions_are_passed_over() -> None:
    player, _ = play(ANSWER, SYN, SYN, ACK, REQUEST, REQUEST)
    assert (player.over, player.trouble, player.received) == (True, "", 18)


def test_a_repeated_fin_does_not_meet_a_second_expectation() -> None:
    fin = Received("F.", 19, 0, 1)
    player, _ = play("expect S\nexpect F.\nexpect F.", SYN, fin, fin)
    assert not player.over


def test_another_segment_is_trouble_and_names_both() -> None:
    player, _ = play(ANSWER, SYN, ACK, Received("F.", 1, 0, 1))
    assert player.trouble == "script line 3: expected P. 1:19(18), heard F. 1:1(0) ack 1"


@pytest.mark.parametrize(
    "pattern", ["P. 1:19(18)", "P. 1:19(18) ack 1", "P. ack 1", "P."], ids=["range", "both", "ack", "flags"]
)
def test_what_is_left_out_is_left_open(pattern: str) -> None:
    player, _ = play(f"expect S\nexpect {pattern}", SYN, REQUEST)
    assert (player.over, player.trouble) == (True, "")


@pytest.mark.parametrize("pattern", [". 1:19(18)", "P. 1:18(17)", "P. 1:19(18) ack 2"])
def test_every_part_that_is_given_has_to_fit(pattern: str) -> None:
    player, _ = play(f"expect S\nexpect {pattern}", SYN, REQUEST)
    assert player.trouble != ""


def test_a_bare_ack_can_be_expected() -> None:
    player, _ = play("expect S\nexpect . 1:1(0) ack 1", SYN, Received(".", 1, 0, 0), ACK)
    assert (player.over, player.trouble) == (True, "")


def test_an_exception_ends_the_script_as_played() -> None:
    player, out = play("expect S\nexpect F. unless R.\nsend . 1:1(0) ack 20", SYN, Received("R.", 19, 0, 1))
    assert (player.over, player.trouble, out) == (True, "", [])


def test_silence_is_trouble_when_its_time_is_over() -> None:
    player, _ = play("expect S\nexpect P. within 200ms", SYN)
    player.tick(0.1)
    in_time = player.over
    player.tick(0.2)
    assert (in_time, player.trouble) == (
        False,
        "script line 2: expected P., nothing new was heard within 0.2 s",
    )


def test_what_arrives_during_a_wait_is_heard_afterwards() -> None:
    player, _ = play("expect S\nwait 50ms\nexpect P.\nsend . 1:1(0) ack 19", SYN, REQUEST)
    assert [written(order) for order in player.tick(0.05)] == ["send . 1:1(0) ack 19"]


def test_nothing_is_sent_before_its_time() -> None:
    player, _ = play("expect S\nwait 50ms\nsend R. 1:1(0) ack 19", SYN)
    assert (player.tick(0.049), player.due_s) == ([], 0.05)


SEGMENTS = st.builds(
    Received,
    st.sampled_from(["S", ".", "P.", "F.", "FP.", "R.", "R"]),
    st.integers(0, 100),
    st.integers(0, 50),
    st.none() | st.integers(0, 100),
)


@given(st.lists(SEGMENTS, max_size=30))
def test_a_script_ends_once_and_stays_silent_then(heard: list[Received]) -> None:
    player = Player(parse(ANSWER))
    sent_when_over = []
    for segment in heard:
        over = player.over
        out = player.receive(segment, 0.0)
        sent_when_over += out if over else []
    assert sent_when_over == []


@given(st.lists(SEGMENTS, max_size=30))
def test_a_script_without_trouble_sent_everything(heard: list[Received]) -> None:
    player = Player(parse(ANSWER))
    out = [order for segment in heard for order in player.receive(segment, 0.0)]
    assert (player.over and not player.trouble) == (len(out) == 2)
