"""Scenario files as pytest items, as a user's own repository has them."""

from __future__ import annotations

import xml.etree.ElementTree
from pathlib import Path

import pytest

pytestmark = pytest.mark.docker
pytest_plugins = ("pytester",)

SCENARIO = """
claim = "a close with nothing unread is a FIN"
sources = ["RFC 9293 section 3.6"]
session = '''
{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).
gen_tcp:close(Sock).
'''
[expect]
ending = "ENDING"
"""


def play(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    Path("close.scenario.toml").write_text(text)
    return pytester.runpytest_subprocess("--rst-or-fin-runtime", "docker", *arguments)


def test_a_scenario_file_is_a_test(pytester: pytest.Pytester, client: object) -> None:
    play(pytester, SCENARIO.replace("ENDING", "FIN")).assert_outcomes(passed=1)


def test_a_failure_shows_the_connection_and_the_deciding_segment(
    pytester: pytest.Pytester, client: object
) -> None:
    result = play(pytester, SCENARIO.replace("ENDING", "RST"))
    result.stdout.fnmatch_lines(["*S 0:0(0)*", "*F. 1:1(0) ack 1*<- decides", "*ending*RST*DIFFERS: FIN*"])


def test_a_malformed_file_is_a_collection_error_with_the_reason(pytester: pytest.Pytester) -> None:
    result = play(pytester, SCENARIO.replace("ENDING", "BANG"))
    result.stdout.fnmatch_lines(["*close.scenario.toml*expect.ending*"])


def test_junit_names_the_ending(pytester: pytest.Pytester, client: object) -> None:
    play(pytester, SCENARIO.replace("ENDING", "FIN"), "--junitxml", "out.xml")
    properties = xml.etree.ElementTree.parse("out.xml").iter("property")
    assert {p.get("name"): p.get("value") for p in properties}["ending"] == "FIN"


def test_the_short_summary_says_what_differs(pytester: pytest.Pytester, client: object) -> None:
    result = play(pytester, SCENARIO.replace("ENDING", "RST"))
    result.stdout.fnmatch_lines(["FAILED close.scenario.toml::close - expected RST, got FIN"])


def test_junits_message_is_the_line_of_the_summary(pytester: pytest.Pytester, client: object) -> None:
    play(pytester, SCENARIO.replace("ENDING", "RST"), "--junitxml", "out.xml")
    [failure] = xml.etree.ElementTree.parse("out.xml").iter("failure")
    assert failure.get("message") == "expected RST, got FIN"


def test_a_failure_is_shown_once(pytester: pytest.Pytester, client: object) -> None:
    result = play(pytester, SCENARIO.replace("ENDING", "RST"))
    shown = [line for line in result.outlines if "<- decides" in line]
    assert len(shown) == 1


@pytest.mark.parametrize("family", ["4", "6"])
def test_no_control_character_of_a_scenario_is_printed(
    pytester: pytest.Pytester, client: object, family: str
) -> None:
    text = SCENARIO.replace("ENDING", "RST").replace("[expect]", 'published = "\\u001b[31mRST"\n[expect]')
    excluded = '\n[[excluded]]\nwhen = { family = [6] }\nreason = "\\u001b[31mno"\n'
    result = play(pytester, text + excluded, "-rs", "--rst-or-fin-family", family)
    assert "\x1b" not in result.stdout.str()
