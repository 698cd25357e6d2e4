"""Whatever stands in a file, its check ends with sentences, each on one line and with a place in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.errors import UnparsableError, UsageError
from rst_or_fin.scenario import check
from rst_or_fin.storage import scenario_files
from rst_or_fin.storage.scenario_files import ScenarioError

from tests.support.bad_inputs import GOOD
from tests.unit.test_scenario_schema import toml

TOMLISH = st.text(alphabet="abz019 \t\n\"'[]{}=.,#_-+:\\\0\u00e9\U0001f600")
NAMES = """
claim sources session expect server options kind script precondition gate unread received variants when otp
family ending cause parameters
parameter name close_line start_after_line before given excluded conn_state peer_sees x
"""
KEYS = st.sampled_from(NAMES.split())
SCALARS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.booleans(),
    st.sampled_from(["", "a.", "scripted", "client", "expect S", "FIN", "RST", "Size", ">=29", "R. 1:1(0)"]),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=30,
)


def are_told_well(text: str) -> bool:
    """Every problem has a sentence on one line, and a place that the file has."""
    last = text.count("\n") + 1
    return all(each.why.isprintable() and 0 <= each.line <= last for each in check.problems(text, "my.toml"))


@given(st.one_of(st.text(), TOMLISH, TOMLISH.map(lambda rest: GOOD + rest)))
def test_of_any_text_what_is_wrong_is_told_in_sentences(text: str) -> None:
    assert are_told_well(text)


@given(st.dictionaries(KEYS, DOCUMENTS, max_size=8))
def test_of_any_document_what_is_wrong_is_told_in_sentences(document: dict[str, Any]) -> None:
    assert are_told_well("".join(f"{key} = {toml(value)}\n" for key, value in document.items()))


def test_a_file_has_at_most_so_many_problems() -> None:
    text = "".join(f"unknown{n} = 1\n" for n in range(100)) + GOOD
    assert len(check.problems(text, "my.toml")) == check.MOST_PROBLEMS


def test_problems_are_told_as_compilers_tell_them() -> None:
    problem = check.Problem(line=3, why="it is wrong")
    assert (problem.told("my.toml"), problem.line) == ("my.toml:3: it is wrong", 3)


def test_an_error_holds_all_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(GOOD.replace("body_bytes", "body").replace('"FIN"', '"BANG"'))
    with pytest.raises(ScenarioError) as raised:
        scenario_files.load(path)
    assert [line.partition(": ")[0] for line in raised.value.lines] == [f"{path}:10", f"{path}:15"]


def test_a_remedy_may_be_for_a_scenario_beside_it(tmp_path: Path) -> None:
    (tmp_path / "case.scenario.toml").write_text(GOOD)
    (tmp_path / "cure.scenario.toml").write_text('remedy_for = "case"\n' + GOOD)
    assert scenario_files.load(tmp_path / "cure.scenario.toml").scenario.remedy_for == "case"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (2, "my.toml:5: line 2 of the session does not parse: syntax error before: ')'"),
        (0, "my.toml:3: the session cannot be played: syntax error before: ')'"),
    ],
)
def test_what_a_node_cannot_parse_is_told_with_its_place_in_the_file(line: int, says: str) -> None:
    with pytest.raises(UsageError) as raised, scenario_files.naming("my.toml", GOOD):
        raise UnparsableError(line, "syntax error before: ')'")
    assert str(raised.value) == says
