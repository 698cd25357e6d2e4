"""A scripted peer's script: what is one, and what is said of what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.agents import script
from rst_or_fin.agents.script import Expect, ScriptError, Send, Step, Wait, parse

from tests.support.scripts import written

FLAGS = st.sampled_from(["S", "S.", ".", "P.", "F.", "FP.", "R.", "R", "P", "UP.", "SEW"]).map(
    script.canonical
)
SEQ = st.integers(0, 1 << 20)
DURATIONS = st.integers(0, 60_000).map(lambda ms: ms / 1000)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int]:
    first = draw(SEQ)
    return first, first + draw(st.integers(0, 1460))


@st.composite
def expectations(draw: st.DrawFn) -> Expect:
    flags = draw(FLAGS)
    ack = draw(st.none() | SEQ) if "." in flags else None
    unless = draw(st.just("") | FLAGS)
    return Expect(0, flags, draw(st.none() | ranges()), ack, draw(DURATIONS), unless)


@st.composite
def orders(draw: st.DrawFn) -> Send:
    flags = draw(FLAGS)
    mss = draw(st.none() | st.integers(0, 65535)) if "S" in flags else None
    window = draw(st.none() | st.integers(0, 65535))
    return Send(0, flags, draw(ranges()), draw(SEQ) if "." in flags else None, window, mss)


STEPS = st.one_of(expectations(), orders(), DURATIONS.map(lambda s: Wait(0, s)))


def line_of_trouble(text: str) -> int | None:
    """The line that a text is refused for; None where it is a script."""
    try:
        parse(text)
    except ScriptError as error:
        return error.line
    return None


def without_lines(steps: tuple[Step, ...]) -> list[str]:
    return [written(step) for step in steps]


@given(st.lists(STEPS, max_size=12))
def test_what_is_written_is_read_back_the_same(steps: list[Step]) -> None:
    lines = ["expect S within 5000ms", *map(written, steps)]
    assert without_lines(parse("\n".join(lines))) == lines


@given(st.text())
def test_any_text_is_a_script_or_a_script_error(text: str) -> None:
    assert line_of_trouble(text) in {None, *range(text.count("\n") + 2)}


@given(
    st.lists(st.sampled_from([*"SPFR.", "expect", "send", "wait", "1:2(1)", "ack", "win", "mss", "7", "1s"]))
)
def test_words_of_scripts_in_any_order_are_a_script_or_a_script_error(words: list[str]) -> None:
    assert line_of_trouble("expect S\n" + " ".join(words)) in {None, 2}


@given(st.lists(STEPS, max_size=5), st.integers(0, 5))
def test_blank_lines_and_comments_change_nothing(steps: list[Step], blanks: int) -> None:
    lines = ["expect S within 5000ms", *map(written, steps)]
    spaced = ("\n" + "  # why\n" * blanks).join(f"  {line}   # and why" for line in lines)
    assert without_lines(parse(spaced)) == lines


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("jump S", "a step begins with expect, send or wait, not with 'jump'"),
        ("expect", "`expect` takes a segment, such as `P. 1:19(18) ack 1`"),
        ("expect X.", "expected flags as tcpdump prints them, such as `S.`, `P.` or `.`, got 'X.'"),
        ("expect SS", "a flag appears twice in 'SS'"),
        ("expect P 1:19(18) ack 1", "'P' has no ACK flag (a dot), so it cannot have an `ack` number"),
        ("expect P. 1:19(17)", "'1:19(17)' does not add up: from 1 to 19 it is 18 bytes"),
        ("expect P. 19", "'19' is not a range, such as `1:19(18)`"),
        ("expect P. win 5", "'win' is not known here; known: ack, unless, within"),
        ("expect P. within 2", "'2' is not a duration, such as `50ms` or `2s`"),
        ("expect P. within 61s", "'61s' is too long: 60s at most"),
        ("expect P. unless ??", "expected flags as tcpdump prints them, such as `S.`, `P.` or `.`, got '??'"),
        ("send P.", "`send` needs its numbers, such as `1:1001(1000)` or `1:1(0)`"),
        ("send P. 1:2(1)", "'P.' carries an ACK (a dot): say which, such as `ack 19`"),
        ("send P. 1:2(1) ack", "`ack` needs a value"),
        ("send P. 1:2(1) ack 1 ack 2", "`ack` appears twice"),
        ("send P. 1:2(1) ack 1 win 65536", "`win 65536` is not a number from 0 to 65535"),
        ("send P. 1:2(1) ack 1 mss 5", "`mss` belongs on a SYN"),
        ("send P. 1:1462(1461) ack 1", "a segment carries 1460 bytes at most"),
        ("wait", "`wait` takes one duration, such as `wait 50ms`"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(line: str, why: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse(f"expect S\n\n{line}")
    assert (caught.value.line, caught.value.why) == (3, why)


@pytest.mark.parametrize(("text", "line"), [("", 0), ("# nothing", 0), ("\nsend S 0:0(0)", 2)])
def test_a_script_begins_with_the_peers_syn(text: str, line: int) -> None:
    with pytest.raises(ScriptError) as caught:
        parse(text)
    assert caught.value.line == line


def test_all_that_is_wrong_is_told_line_by_line() -> None:
    wrong = script.errors("expect S\njump\nsend S. 0:0(0) ack 1\nwait 2")
    assert [error.line for error in wrong] == [2, 4]


@given(st.text())
def test_nothing_is_wrong_with_what_is_read(text: str) -> None:
    assert (script.errors(text) == []) == (line_of_trouble(text) is None)


@pytest.mark.parametrize(
    ("text", "connects", "why"),
    [
        ("send S 0:0(0)\nexpect S. 0:0(0) ack 1", True, []),
        ("expect S", True, ["a script that connects begins with `send S 0:0(0)`"]),
        ("send S 0:0(0)", False, ["a script begins with `expect S`: the peer waits to be connected to"]),
    ],
)
def test_who_connects_begins_with_a_syn(text: str, connects: bool, why: list[str]) -> None:
    assert [error.why for error in script.errors(text, connects=connects)] == why
