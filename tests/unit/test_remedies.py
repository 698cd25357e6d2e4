"""Before and after: when a remedy helps, what counts as an exchange, and which calls it adds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rst_or_fin.analysis.remedies import compared, exchanges
from rst_or_fin.evidence.records import Call
from rst_or_fin.report.remedies import notes, table
from rst_or_fin.verdict.assessment import Assessment

from tests.support.cases import ABORT, CLOSE, LATE_DATA, SHUTDOWN_THEN_ABORT, heard
from tests.support.segments import connection
from tests.unit.test_tally import UNFENCED, fin, rst

CONNECT = "{ok, Sock} = gen_tcp:connect(Server, Port, [])."
LINGERING = "{ok, Sock} = gen_tcp:connect(Server, Port, [{linger, {true, 5}}])."
CLOSING = "gen_tcp:close(Sock)."


def session(judged: Assessment, *lines: tuple[str, int]) -> Assessment:
    """The same replay with another session: lines and how long (in microseconds) each took."""
    calls = tuple(Call(source=source, result="ok", duration_us=us) for source, us in lines)
    return replace(judged, replay=replace(judged.replay, calls=calls, close_line=len(calls)))


BEFORE = session(rst(), (CONNECT, 90), (CLOSING, 30))


@pytest.mark.parametrize(
    ("wire", "count"), [(ABORT, 2), (CLOSE, 3), (LATE_DATA, 2), (SHUTDOWN_THEN_ABORT, 2)]
)
def test_an_exchange_is_a_turn_that_was_answered(wire: str, count: int) -> None:
    assert exchanges(connection(wire)) == count


def test_a_reset_that_becomes_a_fin_was_cured() -> None:
    assert compared(("case", [BEFORE]), ("remedy", [fin()])).helps is True


def test_a_reset_that_stays_was_not() -> None:
    assert compared(("case", [BEFORE]), ("remedy", [rst()])).helps is False


@pytest.mark.parametrize(
    ("before", "after", "helps"),
    [(["502"], ["200"], True), (["502"], ["200", "502"], False), (["200"], ["200"], False)],
)
def test_a_reset_that_stays_was_cured_where_a_proxys_client_is_served(
    before: list[str], after: list[str], helps: bool
) -> None:
    sides = [("x", [replace(BEFORE, peer_report=heard(end)) for end in ends]) for ends in (before, after)]
    assert compared(sides[0], sides[1]).helps is helps


def test_one_reset_among_the_replays_is_no_help() -> None:
    assert compared(("case", [BEFORE]), ("remedy", [fin(), rst()])).helps is False


def test_what_is_inconclusive_neither_helps_nor_fails() -> None:
    assert compared(("case", [BEFORE]), ("remedy", [fin(capture=UNFENCED)])).helps is None


def test_where_nothing_was_reset_there_is_nothing_to_cure() -> None:
    assert compared(("case", [fin()]), ("remedy", [fin()])).helps is None


def test_the_calls_that_a_remedy_adds_are_told_with_their_time() -> None:
    after = session(fin(), (CONNECT, 500), ("{ok, _} = gen_tcp:recv(Sock, 0).", 70), (CLOSING, 400))
    found = compared(("case", [BEFORE]), ("remedy", [after]))
    assert (found.extra_calls, found.extra_us) == (("{ok, _} = gen_tcp:recv(Sock, 0).",), 70)


def test_a_call_that_is_replaced_costs_the_difference() -> None:
    after = session(fin(), (CONNECT, 90), ("gen_tcp:shutdown(Sock, write).", 50))
    assert compared(("case", [BEFORE]), ("remedy", [after])).extra_us == 20


def test_an_option_more_is_no_call_more() -> None:
    after = session(rst(), (LINGERING, 300), (CLOSING, 30))
    found = compared(("case", [BEFORE]), ("remedy", [after]))
    assert (found.extra_calls, found.extra_us) == ((), 0)


def test_costs_are_medians() -> None:
    took = [session(fin(), (CONNECT, 1), ("x().", us), (CLOSING, 1)) for us in (10, 900, 30)]
    assert compared(("case", [BEFORE]), ("remedy", took)).extra_us == 30


def test_a_remedy_that_does_not_help_is_shown_as_such() -> None:
    [_, _, line] = table([compared(("case", [BEFORE]), ("remedy", [rst()]))]).splitlines()
    assert line.split()[:4] == ["remedy", "RST", "ECONNRESET", "NO"]


def test_a_remedy_is_told_with_its_claim_and_its_calls() -> None:
    after = session(fin(), (CONNECT, 1), ("x().", 10), (CLOSING, 1))
    text = notes([compared(("case", [BEFORE]), ("remedy", [after]))], {"remedy": "It\nhelps."})
    assert text == "remedy\n    It helps.\n    + x()."


def test_a_narrow_table_goes_on_below() -> None:
    lines = table([compared(("case", [BEFORE]), ("remedy", [fin()]))], width=60).splitlines()
    assert (max(map(len, lines)) <= 60, sum(line.startswith("remedy ") for line in lines)) == (True, 4)
