"""The schema that editors get, the check and the model agree on what a scenario file is."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect
from rst_or_fin.agents.kinds import OPTIONS
from rst_or_fin.scenario import check
from rst_or_fin.scenario.fields import FIELDS
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.scenario.schema import schema
from rst_or_fin.scenario.toml_places import TooDeepError, places
from rst_or_fin.storage import scenario_files

from tests.support.bad_inputs import CASES, GOOD, LISTENING, PARAMETERS, SCRIPTED, VARIED, spoiled

VALIDATOR = jsonschema.Draft7Validator(schema())
# What no schema says: the text of a session or of a script, what parameters refer to, a name's characters.
BEYOND_A_SCHEMA = {
    "a client's step on a connection that is closed",
    "a client's step that is none",
    "a line that is not there",
    "a time that no line takes",
    "field: latestart",
    "field: a cause that its session cannot bring about",
    "a step that is none",
    "a step that does not add up",
    "a script that begins with a send",
    "a script that is empty",
    "a cause without a RST",
    "a cause that no variant can have",
    "a closing segment without numbers",
    "a closing segment that does not add up",
    "a closing segment that closes nothing",
    "a closing segment as nobody writes it",
    "a close line that is not there",
    "a client that starts after the end",
    "a client that is waited for in vain",
    "a last line without a dot",
    "a line without a dot",
    "a quote that is left open",
    "a block of Elixir that is not closed",
    "a slip in a session's word in Elixir",
    "a bracket that is left open",
    "typographer's quotes",
    "a session of comments",
    "a parameter that nobody uses",
    "a parameter that is not there",
    "a parameter of the session's own",
    "a parameter out of an option's range",
    "a name with a NUL",
    "a name longer than a folder's",
    "a remedy for nothing",
    "a precondition that nothing meets",
    "a segment's word that there is not",
    "a segment that does not add up",
    "a segment without an ACK",
    "the server's SYN",
    "a SYN with another number",
    "a rule behind one that takes all",
    "a rule behind a cut",
    "a time that never is",
    "a number of another action",
    "a hold without an end",
    "a delay of nothing",
    "random faults in the middle",
    "random faults that do nothing",
}


def document(text: str) -> dict[str, Any] | None:
    """The document; None where the text is no TOML, or holds a number that Python does not write."""
    try:
        places(text)
        found = tomllib.loads(text)
        json.dumps(found, default=str)
        return found
    except (TooDeepError, ValueError):
        return None


READABLE = [what for what in CASES if document(spoiled(what)) is not None]


def valid(text: str) -> bool:
    found = document(text)
    assert found is not None
    return bool(VALIDATOR.is_valid(found))


def structs(kind: inspect.Type) -> dict[type, set[str]]:
    """The fields of every struct that a type is made of."""
    found: dict[type, set[str]] = {}
    match kind:
        case inspect.StructType():
            found[kind.cls] = {field.encode_name for field in kind.fields} - {"given", "chance"}
            inner = [field.type for field in kind.fields]
        case inspect.UnionType():
            inner = list(kind.types)
        case inspect.VarTupleType():
            inner = [kind.item_type]
        case _:
            inner = []
    for each in inner:
        found.update(structs(each))
    return found


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


def test_every_field_of_the_model_has_its_meaning_and_no_other_does() -> None:
    assert {kind: set(meanings) for kind, meanings in FIELDS.items()} == structs(inspect.type_info(Scenario))


def test_every_shipped_scenario_is_valid() -> None:
    documents = {name: document(scenario_files.find(name).text) for name in scenario_files.names()}
    assert [(name, error) for name, one in documents.items() for error in VALIDATOR.iter_errors(one)] == []


@pytest.mark.parametrize("text", [GOOD, LISTENING, SCRIPTED, VARIED, PARAMETERS])
def test_what_passes_its_check_is_valid(text: str) -> None:
    assert (check.problems(text, "my.toml"), valid(text)) == ([], True)


def test_what_a_newcomer_begins_with_is_valid() -> None:
    assert valid((files("rst_or_fin.commands") / "new_scenario.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("what", [what for what in READABLE if what not in BEYOND_A_SCHEMA])
def test_bad_input_is_not_valid(what: str) -> None:
    assert not valid(spoiled(what))


@pytest.mark.parametrize("what", sorted(BEYOND_A_SCHEMA))
def test_what_no_schema_can_say_is_left_to_the_check(what: str) -> None:
    assert valid(spoiled(what))


VALUES: st.SearchStrategy[Any] = st.one_of(
    st.integers(-2, 200_000_000),
    st.booleans(),
    st.sampled_from(["", "expect S", "yes", "end of file", "ECONNRESET", "RST", "none", "SF", "client"]),
    st.just(1.5),
    st.just([]),
    st.just({}),
)


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


@st.composite
def servers(draw: st.DrawFn) -> dict[str, Any]:
    """A table [server] as somebody may write it who has not read much."""
    kind = draw(st.sampled_from([*OPTIONS, "nothing"]))
    names = [name for options in OPTIONS.values() for name in options]
    options = draw(st.dictionaries(st.sampled_from([*names, "port"]), VALUES, max_size=3))
    whole: dict[str, Any] = {"kind": kind, "options": options, "start_after_line": draw(st.integers(0, 2))}
    return {key: whole[key] for key in whole if draw(st.booleans())}


@given(servers(), st.sampled_from(["end of file", "closed", "script played", "ECONNRESET", "EOF"]))
def test_check_and_schema_agree_on_servers(server: dict[str, Any], peer_sees: str) -> None:
    text = f"""
claim = 'c'
sources = ['s']
session = 'x. y.'
server = {toml(server)}
expect = {{ending = 'FIN', peer_sees = '{peer_sees}'}}
"""
    problems = [
        each for each in check.problems(text, "my.toml") if not re.search("(script|steps): ", each.why)
    ]
    assert (problems == []) == valid(text), problems


@given(
    st.sampled_from(
        ["close_line", "settle_ms", "race", "theme", "name", "precondition", "variants", "parameters"]
    ),
    VALUES,
)
def test_check_and_schema_agree_on_fields(name: str, value: Any) -> None:
    text = f"""
claim = 'c'
sources = ['s']
session = 'x. y.'
expect = {{ending = 'FIN'}}
{name} = {toml(value)}
"""
    found = check.problems(text, "my.toml")
    problems = [each for each in found if "there is no line" not in each.why]
    assert (problems == []) == valid(text), problems
