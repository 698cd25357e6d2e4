"""A scenario file is what it says, and whatever is wrong with one is a single clear sentence."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rst_or_fin import data_files
from rst_or_fin.errors import UsageError
from rst_or_fin.scenario.model import SUFFIX, Expectation, Scenario, Server, parse
from rst_or_fin.storage import scenario_files
from rst_or_fin.tcp.ending import Cause, Ending
from rst_or_fin.tcp.precondition import Precondition

MINIMAL = """
claim = "close sends a FIN"
sources = ["RFC 9293"]
session = "gen_tcp:close(Sock)."
"""
EXPECT = """
[expect]
ending = "FIN"
"""
SHIPPED = scenario_files.names()


def test_the_least_a_scenario_needs() -> None:
    assert parse(MINIMAL + EXPECT, "my.scenario.toml") == Scenario(
        name="my",
        claim="close sends a FIN",
        sources=("RFC 9293",),
        session="gen_tcp:close(Sock).",
        expect=Expectation(ending=Ending.FIN),
    )


def test_what_is_left_out_is_left_open() -> None:
    found = parse(MINIMAL + EXPECT, "my.toml")
    assert (found.precondition, found.server, found.expect.cause, found.close_line) == (
        Precondition(),
        Server(),
        None,
        0,
    )


def test_the_published_scenario_in_full() -> None:
    found = scenario_files.find("close-with-unread-response").scenario
    assert (found.precondition, found.expect) == (
        Precondition(unread=485, received=485),
        Expectation(
            ending=Ending.RST,
            peer_ending=Ending.NONE,
            cause=Cause.UNREAD_DATA,
            closing_segment="R. 19:19(0) ack 486",
            peer_sees="ECONNRESET",
            conn_state="RSTO",
            returns="ok",
        ),
    )


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("a/b/close.scenario.toml", "close"),
        ("close.toml", "close"),
        ("close.scenario.toml", "close"),
        ("close", "close"),
    ],
)
def test_a_scenario_is_named_after_its_file(where: str, name: str) -> None:
    assert parse(MINIMAL + EXPECT, where).name == name


def test_every_shipped_scenario_is_whole() -> None:
    shipped = [scenario_files.find(name).scenario for name in SHIPPED]
    last = {"erlang": ".", "elixir": ")"}
    ends = [(one.name, one.session.strip()[-1] == last[one.language]) for one in shipped]
    assert ends == [(name, True) for name in SHIPPED]


def test_every_shipped_file_is_listed() -> None:
    files = {path.name for path in data_files.path("scenarios").iterdir()}
    assert files == {name + SUFFIX for name in SHIPPED}


MALFORMED = {
    "nothing": ("", "missing required field"),
    "an unclosed string": (MINIMAL + 'name = "x', "not valid TOML: .*end of document"),
    "a key twice": (MINIMAL + 'claim = "again"' + EXPECT, "not valid TOML: .*line"),
    "no expectation": (MINIMAL, "`expect`"),
    "an empty expectation": (MINIMAL + "[expect]", "`ending`.*`expect`"),
    "no claim": (MINIMAL.replace("claim", "name") + EXPECT, "`claim`"),
    "a blank claim": (MINIMAL.replace("close sends a FIN", "  ") + EXPECT, "`claim` is empty"),
    "a blank session": (MINIMAL.replace("gen_tcp:close(Sock).", r"\n ") + EXPECT, "`session` is empty"),
    "no source": (MINIMAL.replace('"RFC 9293"', "") + EXPECT, "`sources` is empty"),
    "a source alone": (MINIMAL.replace('["RFC 9293"]', '"RFC 9293"') + EXPECT, "array.*`sources`"),
    "an unknown key": (MINIMAL + "sesion = 1" + EXPECT, "`sesion`"),
    "an unknown expectation": (MINIMAL + EXPECT + 'endig = "FIN"', "`endig`.*`expect`"),
    "an unknown ending": (MINIMAL + EXPECT.replace("FIN", "fin"), "'fin'.*`expect.ending`"),
    "an unknown cause": (MINIMAL + EXPECT + 'cause = "because"', "'because'.*`expect.cause`"),
    "a text for a number": (MINIMAL + 'close_line = "3"' + EXPECT, "`int`.*`close_line`"),
    "a truth for a number": (MINIMAL + "settle_ms = true" + EXPECT, "`int`.*`settle_ms`"),
    "a fraction for a number": (MINIMAL + "settle_ms = 1.5" + EXPECT, "`int`.*`settle_ms`"),
    "a precondition of text": (
        MINIMAL + EXPECT + '[precondition]\nunread = "most"',
        "'most'.*`precondition.unread`",
    ),
    "an option that is a list": (MINIMAL + EXPECT + "[server.options]\na = [1]", "`server.options"),
    "an unknown key of the server": (MINIMAL + EXPECT + '[server]\nkin = "origin"', "`kin`.*`server`"),
    "a condition that is none": (
        MINIMAL + EXPECT + '[[excluded]]\nreason = "x"\n[excluded.when]\nkernel = ["new"]',
        "'new'.*`excluded",
    ),
    "an exclusion without a reason": (MINIMAL + EXPECT + "[[excluded]]\n[excluded.when]", "`reason`"),
    "a variant without a reference": (
        MINIMAL + EXPECT + '[[variants]]\n[variants.when]\n[variants.expect]\nending = "RST"',
        "`reference`",
    ),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_scenario_is_one_clear_usage_error(what: str) -> None:
    text, reason = MALFORMED[what]
    with pytest.raises(UsageError, match=rf"^dir/my\.toml: .*{reason}") as caught:
        parse(text, "dir/my.toml")
    assert (caught.value.exit_code, "\n" in str(caught.value), bool(caught.value.hint)) == (2, False, True)


tomlish = st.text(alphabet="abz019 \t\n\"'[]{}=.,#_-+:\\\0\u00e9\U0001f600")


@given(st.one_of(st.text(), tomlish, tomlish.map(lambda rest: MINIMAL + EXPECT + rest)))
@example("\N{BYTE ORDER MARK}" + MINIMAL)
@example("a.b.c.d.e = 1\na.b = 2")
@example("d = 2021-02-30")
def test_no_text_raises_anything_but_a_usage_error(text: str) -> None:
    try:
        found = parse(text, "my.toml")
    except UsageError as error:
        message = str(error)
    else:
        message = f"my.toml: {found.claim}"
    assert message.startswith("my.toml: ")


# What once went wrong


def test_a_misspelt_gate_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unraed"):
        parse(MINIMAL + EXPECT + "[precondition]\nunraed = 485", "my.toml")


def test_a_number_without_end_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        parse("close_line = " + "9" * 5000 + MINIMAL + EXPECT, "my.toml")


def test_a_nest_without_end_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        parse("x = " + "[" * 5000, "my.toml")


@pytest.mark.parametrize(
    "senseless",
    ["close_line = -1", "settle_ms = -1", "line_timeout_ms = 0", "line_timeout_ms = -5", 'name = "../x"'],
)
def test_a_senseless_value_is_a_usage_error(senseless: str) -> None:
    with pytest.raises(UsageError):
        parse(senseless + MINIMAL + EXPECT, "my.toml")


@pytest.mark.parametrize("precondition", ["unread = -1", "received = -485", "unread = 9\nreceived = 8"])
def test_a_gate_that_cannot_be_met_is_a_usage_error(precondition: str) -> None:
    with pytest.raises(UsageError):
        parse(f"{MINIMAL}{EXPECT}[precondition]\n{precondition}", "my.toml")
