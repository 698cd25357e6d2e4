"""A scenario's parameters: where their values go, what a varied one demands, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.agents.responses import LEAST_LEN, exactly
from rst_or_fin.errors import UsageError
from rst_or_fin.evidence.records import CaptureFacts
from rst_or_fin.scenario.model import Scenario, parse
from rst_or_fin.storage import scenario_files
from rst_or_fin.tcp.precondition import Precondition
from rst_or_fin.verdict.outcome import Outcome

from tests.support.cases import ABORT, ABORT_ON_CLOSE, heard, judge_one, replay
from tests.support.segments import connection

HEAD = """
claim = "c"
sources = ["s"]
session = "gen_tcp:recv(Sock, Read), gen_tcp:close(Sock)."
"""
REST = """
[server.options]
response_bytes = { parameter = "Response" }
delay_ms = 3
[precondition]
unread = 475
received = { parameter = "Response" }
[expect]
ending = "FIN"
[[variants]]
when = { otp = [">=29"] }
reference = "r"
expect = { ending = "RST" }
precondition = { unread = { parameter = "Read" }, received = 485 }
"""
TABLE = "[parameters]\nRead = 10\nResponse = 485\n"


def bound(**given: int) -> Scenario:
    return parse(HEAD + TABLE + REST, "my.toml", given)


def test_defaults_stand_where_nothing_is_given() -> None:
    found = bound()
    assert (found.server.options, found.precondition, found.varied) == (
        {"response_bytes": 485, "delay_ms": 3},
        Precondition(unread=475, received=485),
        False,
    )


def test_a_given_value_reaches_option_and_gate() -> None:
    found = bound(Response=500)
    assert (found.server.options["response_bytes"], found.precondition.received) == (500, 500)


def test_a_varied_scenario_demands_no_fixed_number_of_unread_bytes() -> None:
    assert bound(Read=11).precondition == Precondition(unread=None, received=485)


def test_a_gate_that_refers_to_a_parameter_moves_along() -> None:
    assert bound(Read=11).variants[0].precondition == Precondition(unread=11, received=485)


def test_the_default_given_by_hand_is_no_variation() -> None:
    found = bound(Read=10)
    assert (found.varied, found.precondition.unread) == (False, 475)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[parameters]\nread = 1\n", "parameters.read: is not an Erlang variable"),
        ("[parameters]\nPort = 1\n", "parameters.Port: every session has a variable of that name"),
        (
            "[parameters]\nRead = 1.5\n",
            "parameters.Read: expected a whole number from -2147483647 to 2147483647, got the number 1.5",
        ),
        ("[parameters]\nRead = 2147483648\n", ", got the number 2147483648"),
        ("[parameters]\nRead = true\n", ", got the Boolean true"),
        (
            "[parameters]\nRead = 1\n",
            '{ parameter = "Response" }: there is no such parameter; the scenario has Read',
        ),
        (TABLE + "Idle = 1\n", "parameters.Idle: neither the session nor an option or precondition uses it"),
        ("parameters = 3\n", "`parameters` is not a table"),
        ("given = { Read = 3 }\n" + TABLE, "unknown field `given`"),
    ],
)
def test_what_is_not_in_order_is_named(table: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(HEAD + table + REST, "my.toml")
    assert says in str(raised.value)


def test_an_unknown_parameter_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="there is no parameter 'Speed'; the scenario has Read, Response"):
        bound(Speed=1)


def test_a_reference_where_none_can_stand_is_refused() -> None:
    with pytest.raises(UsageError, match="settle_ms"):
        parse(HEAD + "settle_ms = { parameter = 'Read' }\n" + TABLE + REST, "my.toml")


def test_an_entry_takes_values_by_name() -> None:
    assert scenario_files.find("recv-10-of-485").given({"Read": 484}).scenario.given == {"Read": 484}


FENCED = CaptureFacts(dropped=0, fenced=True)


def test_a_varied_replay_is_measured_and_held_against_nothing() -> None:
    judged = judge_one(
        bound(Read=1), connection(ABORT), FENCED, replay(raised=ABORT_ON_CLOSE), heard("ECONNRESET")
    )
    assert (judged.outcome, judged.comparisons) == (Outcome.MEASURED, ())


def test_a_varied_replay_without_counters_is_inconclusive() -> None:
    told = replace(replay(raised=ABORT_ON_CLOSE), readings=())
    judged = judge_one(bound(Read=1), connection(ABORT), FENCED, told, heard("ECONNRESET"))
    assert judged.outcome is Outcome.INCONCLUSIVE


def test_a_varied_replay_still_has_to_have_received_everything() -> None:
    told = replay(raised=ABORT_ON_CLOSE, received=484, unread=484)
    judged = judge_one(bound(Read=1), connection(ABORT), FENCED, told, heard("ECONNRESET"))
    assert judged.verdict.doubts[0] == "484 bytes were received at the close, expected 485"


@given(st.integers(LEAST_LEN, 100_000))
def test_a_response_has_exactly_the_length_asked_for(response_len: int) -> None:
    header, body = exactly(response_len)
    announced = int(header.partition(b"Content-Length: ")[2].split()[0])
    assert (len(header) + len(body), len(body)) == (response_len, announced)


def test_a_response_shorter_than_its_header_is_refused() -> None:
    with pytest.raises(ValueError, match="header alone"):
        exactly(LEAST_LEN - 1)
