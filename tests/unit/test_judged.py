"""Every replay is judged from its own connection, live or from what was saved of the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.evidence.records import BoundSocket, Call, PeerReport, Replay, SessionEnd, Watch
from rst_or_fin.scenario.model import ConnectionExpectation, Expectation, Scenario, Server
from rst_or_fin.tcp import connection, tracker
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Cause, Ending, Role
from rst_or_fin.tcp.precondition import Precondition
from rst_or_fin.tcp.segment import Endpoint, Segment
from rst_or_fin.verdict.assess import assess_run, judge_replay
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Outcome
from rst_or_fin.verdict.replay_tracker import ReplayTracker

from tests.support.cases import ABORT, ABORT_ON_CLOSE, CLOSE, WHOLE, heard, replay
from tests.support.segments import EXCHANGE, HANDSHAKE, A, B, frame, notes, segments

SCENARIO = Scenario(
    name="x",
    claim="closing resets",
    sources=("RFC 2525",),
    session="gen_tcp:close(Sock).",
    precondition=Precondition(unread=485),
    expect=Expectation(ending=Ending.RST, cause=Cause.UNREAD_DATA),
)


def port(number: int) -> Endpoint:
    return Endpoint(A.address, 40000 + number)


def aborted(index: int, at: Endpoint = A) -> Replay:
    return replay(index=index, local=at, raised=ABORT_ON_CLOSE)


def crashed(index: int) -> Replay:
    return replace(aborted(index), end=SessionEnd.CRASHED, sockets=(), readings=())


def judge_run(
    wire: Sequence[Segment], replays: Sequence[Replay], scenario: Scenario = SCENARIO
) -> list[Assessment]:
    return assess_run(scenario, map(frame, wire), WHOLE, replays, [()] * len(replays), A.address)


def seen_by(of: Assessment) -> list[str]:
    return notes(of.connection) if isinstance(of.connection, Connection) else []


def test_a_replay_is_judged_from_its_own_connection() -> None:
    wire = segments(CLOSE, a=port(1)) + segments(ABORT, a=port(2))
    (judged,) = judge_run(wire, [aborted(0, port(2))])
    assert (judged.verdict.ending, judged.outcome) == (Ending.RST, Outcome.AS_EXPECTED)


@given(st.permutations(range(4)))
def test_the_order_on_the_wire_does_not_matter(order: Sequence[int]) -> None:
    wire = [s for number in order for s in segments(ABORT, a=port(number), a_isn=number * 9999)]
    judged = judge_run(wire, [aborted(n, port(n)) for n in range(4)])
    assert [one.outcome for one in judged] == [Outcome.AS_EXPECTED] * 4


def test_a_port_used_twice_gives_each_replay_its_own_connection() -> None:
    wire = segments(ABORT, a_isn=1) + segments(CLOSE, a_isn=50_000)
    judged = judge_run(wire, [aborted(0), replay(index=1, unread=0)])
    assert [one.verdict.ending for one in judged] == [Ending.RST, Ending.FIN]


def test_no_two_replays_share_a_connection() -> None:
    judged = judge_run(segments(ABORT), [aborted(0), aborted(1)])
    assert [one.outcome for one in judged] == [Outcome.AS_EXPECTED, Outcome.INCONCLUSIVE]


def test_a_replay_of_which_nothing_was_captured_is_inconclusive() -> None:
    (judged,) = judge_run([], [aborted(0)])
    assert (judged.connection, judged.outcome) == (None, Outcome.INCONCLUSIVE)


def test_a_session_that_crashed_early_is_shown_the_only_connection_there_is() -> None:
    (judged,) = judge_run(segments(HANDSHAKE), [crashed(0)])
    assert (len(seen_by(judged)), judged.outcome) == (3, Outcome.INCONCLUSIVE)


def test_the_gate_of_the_scenario_applies() -> None:
    (judged,) = judge_run(segments(ABORT), [replay(unread=178, raised=ABORT_ON_CLOSE)])
    assert judged.outcome is Outcome.INCONCLUSIVE


def test_a_difference_is_a_difference() -> None:
    expecting_fin = msgspec.structs.replace(SCENARIO, expect=Expectation(ending=Ending.FIN))
    (judged,) = judge_run(segments(ABORT), [aborted(0)], expecting_fin)
    assert judged.outcome is Outcome.DIFFERS


def test_a_race_is_compared_with_nothing() -> None:
    race = msgspec.structs.replace(SCENARIO, race=True, expect=Expectation(ending=Ending.FIN))
    (judged,) = judge_run(segments(ABORT), [aborted(0)], race)
    assert (judged.comparisons, judged.outcome) == ((), Outcome.RACE)


def test_a_server_that_must_report_and_did_not_forbids_any_conclusion() -> None:
    scripted = msgspec.structs.replace(SCENARIO, server=Server(kind="scripted"))
    (judged,) = judge_run(segments(ABORT), [aborted(0)], scripted)
    assert judged.outcome is Outcome.INCONCLUSIVE


def test_replays_and_reports_belong_together_one_to_one() -> None:
    with pytest.raises(ValueError, match="shorter"):
        assess_run(SCENARIO, map(frame, segments(ABORT)), WHOLE, [aborted(0)], [], A.address)


def record() -> dict[str, Any]:
    peer_report: PeerReport = heard("ECONNRESET")
    found = [connection.connection(segments(ABORT))]
    judged = judge_replay(SCENARIO, found, WHOLE, aborted(0), [peer_report], A.address)
    written: dict[str, Any] = json.loads(msgspec.json.encode(judged.record()))
    return written


def test_a_record_has_these_names() -> None:
    assert list(record()) == [
        "index",
        "outcome",
        "validity",
        "doubts",
        "ending",
        "peer_ending",
        "subject",
        "active_closer",
        "closed_first",
        "cause",
        "cause_candidates",
        "told_apart_by",
        "peer_cause",
        "closing_segment",
        "deciding",
        "conn_state",
        "delivery",
        "remarks",
        "witnesses",
        "connections",
        "comparisons",
    ]


def test_a_record_names_the_deciding_segment_by_place_and_notation() -> None:
    assert record()["deciding"] == [{"index": 9, "notation": "R. 19:19(0) ack 486"}]


def test_a_record_holds_every_comparison() -> None:
    assert record()["comparisons"] == [
        {"what": "ending", "expected": "RST", "actual": "RST", "same": True},
        {
            "what": "cause",
            "expected": "unread data at close",
            "actual": "unread data at close",
            "same": True,
        },
    ]


# Which end is under test, and which connection


def served(index: int = 0, **changed: Any) -> Replay:
    """The Erlang node is the server, B, and aborts with the request unread."""
    found = replay(index=index, local=B, remote=A, unread=18, received=18, raised=ABORT_ON_CLOSE)
    return replace(found, **changed)


SERVER_ABORTS = EXCHANGE + "< R. 486:486(0) ack 19"


def of_node(node: Endpoint, wire: str, *told: Replay, scenario: Scenario = SCENARIO) -> Assessment:
    found = tracker.connections(segments(wire))
    return judge_replay(scenario, found, WHOLE, told[0], [], node.address)


def test_the_end_under_test_is_the_one_with_the_nodes_address() -> None:
    judged = of_node(B, SERVER_ABORTS, served())
    assert (judged.verdict.subject, judged.verdict.ending) == (Role.SERVER, Ending.RST)


def test_a_server_whose_socket_was_closed_before_the_close_line_is_still_the_end_under_test() -> None:
    assert of_node(B, SERVER_ABORTS, served(sockets=())).verdict.ending is Ending.RST


def timed(of: Replay, *bound: BoundSocket, ends_ns: Sequence[int]) -> Replay:
    """The replay with lines that returned at these times, and what they bound."""
    calls = tuple(Call(source="x.", result="ok", duration_us=0, t_ns=at) for at in ends_ns)
    return replace(of, calls=calls, close_line=len(calls), bound=bound, sockets=())


def bound(name: str, line: int) -> BoundSocket:
    return BoundSocket(name=name, local=A, remote=B, line=line)


TWICE = segments(CLOSE, a_isn=1) + segments(ABORT, a_isn=50_000, start_ns=2 * 10**18)
ONE_PORT_TWICE = timed(
    aborted(0), bound("Sock", 1), bound("Again", 2), ends_ns=[10**18 * 19 // 10, 3 * 10**18]
)


def test_a_port_used_twice_is_two_connections_each_with_its_own_variable() -> None:
    judged = judge_replay(SCENARIO, tracker.connections(TWICE), WHOLE, ONE_PORT_TWICE, [], A.address)
    assert [(c.name, c.verdict.ending) for c in judged.others] == [("Again", Ending.RST)]


def test_the_connection_bound_to_sock_is_under_test_whichever_came_last() -> None:
    judged = judge_replay(SCENARIO, tracker.connections(TWICE), WHOLE, ONE_PORT_TWICE, [], A.address)
    assert judged.verdict.ending is Ending.FIN


def test_a_report_without_a_port_goes_with_the_connection_under_test() -> None:
    found = [
        connection.connection(segments(CLOSE, a=port(1))),
        connection.connection(segments(ABORT, a=port(2))),
    ]
    behind = heard("502", peer=Endpoint(A.address, 0))
    judged = judge_replay(SCENARIO, found, WHOLE, aborted(0, port(2)), [behind], A.address)
    assert (judged.peer_report, [other.peer_report for other in judged.others]) == (behind, [None])


@pytest.mark.parametrize(
    ("named", "outcome"),
    [
        ({"variable": "Again", "expect": Expectation(ending=Ending.RST)}, Outcome.AS_EXPECTED),
        ({"order": 2, "expect": Expectation(ending=Ending.RST)}, Outcome.AS_EXPECTED),
        ({"order": 1, "expect": Expectation(ending=Ending.RST)}, Outcome.DIFFERS),
        ({"variable": "Nobody", "expect": Expectation(ending=Ending.RST)}, Outcome.DIFFERS),
        ({"order": 3, "expect": Expectation(ending=Ending.RST)}, Outcome.DIFFERS),
    ],
)
def test_another_connection_is_expected_by_its_variable_or_its_order(
    named: dict[str, Any], outcome: Outcome
) -> None:
    scenario = msgspec.structs.replace(
        SCENARIO,
        precondition=Precondition(),
        expect=Expectation(ending=Ending.FIN),
        connection=(ConnectionExpectation(**named),),
    )
    judged = judge_replay(scenario, tracker.connections(TWICE), WHOLE, ONE_PORT_TWICE, [], A.address)
    assert judged.outcome is outcome


def test_sock_without_a_connection_in_the_capture_is_judged_by_no_other() -> None:
    elsewhere = BoundSocket(name="Sock", local=Endpoint(A.address, 1), remote=B, line=1)
    told = timed(aborted(0), elsewhere, ends_ns=[10**19])
    judged = judge_replay(SCENARIO, tracker.connections(segments(ABORT)), WHOLE, told, [], A.address)
    assert (judged.connection, judged.outcome, len(judged.others)) == (None, Outcome.INCONCLUSIVE, 1)


def test_a_peer_that_was_not_heard_is_a_doubt_not_a_difference() -> None:
    scenario = msgspec.structs.replace(
        SCENARIO, expect=Expectation(ending=Ending.RST, peer_sees="ECONNRESET")
    )
    (judged,) = judge_run(segments(ABORT), [aborted(0)], scenario)
    assert judged.outcome is Outcome.INCONCLUSIVE


# The wire while the run goes on


def test_what_was_seen_so_far_is_there_to_be_looked_at() -> None:
    wire = ReplayTracker()
    wire.see(map(frame, segments(ABORT)))
    assert wire.ends() == [((A, B), True)] == wire.ends()


def test_a_connection_is_not_over_before_its_end_was_seen() -> None:
    wire = ReplayTracker()
    wire.see(map(frame, segments(ABORT)[:5]))
    assert wire.ends() == [((A, B), False)]


def test_a_taken_connection_is_gone() -> None:
    wire = ReplayTracker()
    wire.see(map(frame, segments(ABORT)))
    wire.take()
    assert wire.ends() == []


def watched(of: Replay, first: int, last: int) -> Replay:
    return replace(of, watch=Watch(first_frame=first, last_frame=last, until_ns=0))


@given(cut=st.integers(0, 40))
def test_live_and_from_the_saved_wire_a_run_is_judged_alike(cut: int) -> None:
    """Each replay has the frames that passed in its time, however late some of them are."""
    seen = [s for n in range(3) for s in segments(ABORT, a=port(n))]
    frames, live, replays = list(map(frame, seen)), [], []
    wire = ReplayTracker()
    for number, end in enumerate(sorted((min(cut, 10), min(cut + 10, 20), 30))):
        first = wire.frames + 1
        wire.see(frames[wire.frames : end])
        told = watched(aborted(number, port(number)), first, end)
        replays.append(told)
        live.append(judge_replay(SCENARIO, wire.take(), WHOLE, told, [], A.address).record())
    again = assess_run(SCENARIO, frames, WHOLE, replays, [()] * 3, A.address)
    assert [one.record() for one in again] == live


# What once went wrong


def test_a_late_segment_of_a_judged_connection_does_not_stand_in_for_the_next() -> None:
    wire = ReplayTracker()
    first, second = segments(ABORT, a_isn=1), segments(ABORT, a_isn=50_000)
    wire.see(map(frame, first))
    wire.take()
    wire.see(map(frame, [first[-2], *second]))  # the same port again
    assert [notes(found) for found in wire.take()] == [notes(connection.connection(second))]


def test_a_session_that_never_connected_takes_no_connection_from_another() -> None:
    judged = judge_run(segments(ABORT), [crashed(0), aborted(1)])
    assert judged[1].outcome is Outcome.AS_EXPECTED
