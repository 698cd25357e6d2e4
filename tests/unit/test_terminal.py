"""What a person reads: the session as a shell shows it, the wire as tcpdump does, and why to believe it."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.evidence.records import Call
from rst_or_fin.report import terminal
from rst_or_fin.report.palette import COLOURS, PLAIN, Palette
from rst_or_fin.report.terminal import Tally
from rst_or_fin.scenario.model import Expectation, Scenario
from rst_or_fin.tcp import connection as trace
from rst_or_fin.tcp.ending import Cause, Ending
from rst_or_fin.verdict import judge
from rst_or_fin.verdict.assess import assess_run
from rst_or_fin.verdict.assessment import AssessedConnection, Assessment
from rst_or_fin.verdict.outcome import Outcome

from tests.support.cases import ABORT, ABORT_ON_CLOSE, CASES, LATE_DATA, WHOLE, heard, judge_one, replay
from tests.support.report_runs import CONNECT, aborted, crashed, long_transfer, played, run
from tests.support.segments import A, connection, segments

SCENARIO = Scenario(
    name="close-with-unread-response",
    claim="gen_tcp:close/1 sends a RST.",
    sources=("RFC 2525",),
    session="gen_tcp:close(Sock).",
    published="R 19:19(0) ack 486",
    expect=Expectation(ending=Ending.RST, cause=Cause.UNREAD_DATA),
)
SGR = re.compile("\x1b\\[[0-9;]*m")


def judged(wire: str = ABORT, scenario: Scenario = SCENARIO, returned: str = "ok") -> Assessment:
    told = replay(raised=ABORT_ON_CLOSE if wire == ABORT else {}, unread=485, returned=returned)
    return judge_one(scenario, trace.connection(segments(wire)), WHOLE, told, heard("ECONNRESET"))


def test_a_case_in_full() -> None:
    assert (
        terminal.case(SCENARIO, judged())
        == """\
== close-with-unread-response ==
  gen_tcp:close/1 sends a RST.

  Session
    1> {ok, Sock} = gen_tcp:connect(Server, Port, []).
    {ok,#Port<0.3>}
    2> gen_tcp:close(Sock).
    ok

  On the wire
    Erlang node 10.0.0.2:40000 (client), peer 10.0.0.3:80 (server)
       0.000000  node > peer  S 0:0(0) win 502
       0.001000  peer > node  S. 0:0(0) ack 1 win 502
       0.002000  node > peer  . 1:1(0) ack 1 win 502
       0.003000  node > peer  P. 1:19(18) ack 1 win 502
       0.004000  peer > node  . 1:1(0) ack 19 win 502
       0.005000  peer > node  P. 1:179(178) ack 19 win 502
       0.006000  node > peer  . 19:19(0) ack 179 win 502
       0.007000  peer > node  P. 179:486(307) ack 19 win 502
       0.008000  node > peer  . 19:19(0) ack 486 win 502
    >  0.009000  node > peer  R. 19:19(0) ack 486 win 502  <- decides

  Witnesses
    the wire                agrees     the Erlang node sent R. 19:19(0) ack 486
    the kernel's counters   agrees     TCPAbortOnClose +1, OutRsts +1
    the receive buffer      agrees     485 of 485 bytes unread before the close line
    the closing call        says       gen_tcp:close(Sock). -> ok
    the peer's application  agrees     ECONNRESET after 18 bytes read, 485 sent

  Expected and seen
    ending  RST                   same
    cause   unread data at close  same

  Verdict
    RST (unread data at close) by R. 19:19(0) ack 486, conn_state RSTO, conclusive: as expected
    sent 18 bytes, the peer read 18
    published trace: R 19:19(0) ack 486; here: R. 19:19(0) ack 486"""
    )


def test_colour_adds_nothing_but_colour() -> None:
    for case in CASES.values():
        told = case.replay or replay()
        one = judge_one(SCENARIO, connection(case.wire), case.capture, told, case.peer_report)
        assert SGR.sub("", terminal.case(SCENARIO, one, COLOURS)) == terminal.case(SCENARIO, one, PLAIN)


def test_a_witness_that_contradicts_is_shouted() -> None:
    silent = judge_one(SCENARIO, connection(ABORT), WHOLE, replay(), heard("ECONNRESET"))
    assert "the kernel's counters   DISAGREES" in terminal.case(SCENARIO, silent)


def test_every_doubt_is_shown_below_the_verdict() -> None:
    (lost,) = assess_run(SCENARIO, [], WHOLE, [replay()], [()], A.address)
    assert "inconclusive: no segment of the connection was captured" in terminal.case(SCENARIO, lost)


def test_what_differs_is_shown_beside_what_was_expected() -> None:
    expecting = msgspec.structs.replace(SCENARIO, expect=Expectation(ending=Ending.FIN))
    assert "ending  FIN  DIFFERS: RST" in terminal.case(expecting, judged(scenario=expecting))


def test_both_deciding_segments_are_marked_where_a_rst_follows_the_fin() -> None:
    found = connection(LATE_DATA)
    verdict = judge.judge(found, capture=WHOLE)
    marked = [line for line in terminal.wire(found, verdict.deciding).splitlines() if line.startswith(">")]
    assert [line.split("  ")[-2] for line in marked] == ["F. 19:19(0) ack 1 win 502", "R 20:20(0) win 502"]


def test_a_long_run_of_segments_is_told_in_one_line() -> None:
    of = long_transfer(200)
    shown = terminal.case(of.scenario, of.judgements[0])
    assert [line.strip() for line in shown.splitlines() if "…" in line] == [
        "…          194 segments, 19,400 bytes peer > node … (--all shows them)"
    ]


def test_everything_is_shown_where_that_is_wanted() -> None:
    of = long_transfer(200)
    shown = terminal.case(of.scenario, of.judgements[0], everything=True)
    assert shown.count("(100) ack 19") == 200


def test_what_differs_is_the_first_thing_below_the_claim() -> None:
    expecting = msgspec.structs.replace(SCENARIO, expect=Expectation(ending=Ending.FIN))
    shown = terminal.case(expecting, judged(scenario=expecting)).splitlines()
    assert shown[3] == "  DIFFERS: expected FIN, got RST: unread data at close"


def test_every_doubt_is_told_once() -> None:
    of = crashed()
    [doubt, *_] = of.judgements[0].verdict.doubts
    assert terminal.case(of.scenario, of.judgements[0], width=500).count(doubt) == 1


def test_a_line_that_took_long_says_how_long() -> None:
    call = Call(source="gen_tcp:recv(Sock, 0).", result="ok", duration_us=1_203_000)
    assert next(terminal.prompt(2, call)) == "2> gen_tcp:recv(Sock, 0).  % 1.2 s"


def test_a_quick_line_says_nothing_of_time() -> None:
    call = Call(source="gen_tcp:recv(Sock, 0).", result="ok", duration_us=9_999)
    assert next(terminal.prompt(2, call)) == "2> gen_tcp:recv(Sock, 0)."


def test_a_peers_own_rst_is_explained() -> None:
    refused = run("> S 0:0(0)\n< R. 0:0(0) ack 1", played(CONNECT), name="refused")
    shown = terminal.case(refused.scenario, refused.judgements[0])
    assert "the peer sent a RST of its own (closed port): the connection was refused" in shown


def test_of_many_other_connections_the_rest_is_counted() -> None:
    of = aborted().judgements[0]
    assert of.connection is not None
    other = AssessedConnection(
        order=2, name="", connection=of.connection, socket=None, peer_report=None, verdict=of.verdict
    )
    shown = terminal.others(replace(of, others=(other,) * 40)).splitlines()
    assert (len(shown), shown[-1]) == (13, "… 28 more: 28 RST")


def test_a_long_result_keeps_its_beginning_and_its_end() -> None:
    call = Call(source="lists:seq(1, 40).", result="\n".join(map(str, range(40))), duration_us=1)
    assert list(terminal.prompt(1, call))[-4:] == ["8", "... (29 lines)", "38", "39"]


@given(st.integers(1, 60))
def test_left_out_lines_are_counted_right(count: int) -> None:
    call = Call(source="x.", result="\n".join(["line"] * count), duration_us=1)
    shown = list(terminal.prompt(1, call))[1:]
    left_out = [int(found[1]) for line in shown if (found := re.search(r"\((\d+) lines\)", line))]
    assert shown.count("line") + sum(left_out) == count


def test_a_source_of_several_lines_is_indented_below_its_prompt() -> None:
    call = Call(source="case x of\n  x -> y\nend.", result="y", duration_us=1)
    assert list(terminal.prompt(3, call)) == ["3> case x of", "     x -> y", "   end.", "y"]


def test_a_call_without_a_result_still_has_its_line() -> None:
    assert list(terminal.prompt(1, Call(source="x.", result="", duration_us=1))) == ["1> x.", ""]


@pytest.mark.parametrize("palette", [PLAIN, COLOURS])
def test_every_outcome_has_its_word(palette: Palette) -> None:
    words = [SGR.sub("", terminal.outcome_word(outcome, palette)) for outcome in Outcome]
    assert words == [str(outcome) for outcome in Outcome]


def test_a_tally_counts_outcomes() -> None:
    tally = Tally()
    for one in [judged()] * 3 + [replace(judged(), outcome=Outcome.INCONCLUSIVE)]:
        tally.add(one)
    assert (tally.total, tally.outcome, dict(tally.outcomes)) == (
        4,
        Outcome.INCONCLUSIVE,
        {Outcome.AS_EXPECTED: 3, Outcome.INCONCLUSIVE: 1},
    )


def test_a_tally_of_nothing_is_no_pass() -> None:
    assert Tally().outcome is Outcome.INCONCLUSIVE


def test_a_tally_keeps_a_few_odd_ones_and_none_that_passed() -> None:
    tally = Tally()
    for index in range(50):
        odd = replace(judged(), outcome=Outcome.DIFFERS) if index % 2 else judged()
        tally.add(odd)
    assert (0 < len(tally.examples) < 10, {one.outcome for one in tally.examples}) == (
        True,
        {Outcome.DIFFERS},
    )


# What once went wrong


@pytest.mark.parametrize("place", ["claim", "result"])
def test_control_characters_of_others_never_reach_the_terminal(place: str) -> None:
    hostile = "\x1b]0;title\x07\x1b[2J"
    scenario = msgspec.structs.replace(SCENARIO, claim=hostile) if place == "claim" else SCENARIO
    shown = terminal.case(scenario, judged(returned=hostile if place == "result" else "ok"))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", shown)
