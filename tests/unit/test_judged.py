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

from harness import trace
from harness.evidence import Gate, Replay, SessionEnd, Testimony
from harness.judged import Judged, Wire, judge_all, judge_replay
from harness.outcome import Outcome
from harness.scenario import Expectation, Scenario, Server
from harness.tcp import Cause, Ending, Endpoint, Segment
from harness.trace import Connection
from tests.unit.cases import ABORT, ABORT_ON_CLOSE, CLOSE, WHOLE, heard, replay
from tests.unit.segments import HANDSHAKE, A, frame, notes, segments

SCENARIO = Scenario(
    name="x",
    claim="closing resets",
    sources=("RFC 2525",),
    session="gen_tcp:close(Sock).",
    gate=Gate(unread=485),
    expect=Expectation(ending=Ending.RST, cause=Cause.UNREAD_DATA),
)


def port(number: int) -> Endpoint:
    return Endpoint(A.address, 40000 + number)


def aborted(index: int, at: Endpoint = A) -> Replay:
    return replay(index=index, local=at, raised=ABORT_ON_CLOSE)


def crashed(index: int) -> Replay:
    return replace(
        aborted(index), end=SessionEnd.CRASHED, sockets=(), counters_before=None, counters_after=None
    )


def judge_run(
    wire: Sequence[Segment], replays: Sequence[Replay], scenario: Scenario = SCENARIO
) -> list[Judged]:
    return judge_all(scenario, wire, WHOLE, replays, [None] * len(replays))


def seen_by(of: Judged) -> list[str]:
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


def test_a_session_that_crashed_early_is_not_shown_one_of_several_connections() -> None:
    wire = segments(ABORT, a=port(1)) + segments(ABORT, a=port(2))
    (judged,) = judge_run(wire, [crashed(0)])
    assert judged.connection is None


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


def test_a_server_that_must_testify_and_did_not_forbids_any_conclusion() -> None:
    scripted = msgspec.structs.replace(SCENARIO, server=Server(kind="scripted"))
    (judged,) = judge_run(segments(ABORT), [aborted(0)], scripted)
    assert judged.outcome is Outcome.INCONCLUSIVE


def test_replays_and_testimonies_belong_together_one_to_one() -> None:
    with pytest.raises(ValueError, match="shorter"):
        judge_all(SCENARIO, segments(ABORT), WHOLE, [aborted(0)], [])


def record() -> dict[str, Any]:
    testimony: Testimony = heard("ECONNRESET")
    judged = judge_replay(SCENARIO, trace.connection(segments(ABORT)), WHOLE, aborted(0), testimony)
    found: dict[str, Any] = json.loads(msgspec.json.encode(judged.record()))
    return found


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
        "cause",
        "peer_cause",
        "closing_segment",
        "deciding",
        "conn_state",
        "witnesses",
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


# The wire while the run goes on


def test_looking_leaves_a_connection_where_it_is() -> None:
    wire = Wire(one_replay=True)
    wire.see(map(frame, segments(ABORT)))
    assert [wire.look(aborted(0)), wire.look(aborted(0))] == [trace.connection(segments(ABORT))] * 2


def test_a_connection_is_seen_as_far_as_it_has_come() -> None:
    wire = Wire(one_replay=True)
    wire.see(map(frame, segments(ABORT)[:5]))
    found = wire.look(aborted(0))
    assert found is not None
    assert len(found.segments) == 5


def test_a_taken_connection_is_gone() -> None:
    wire = Wire(one_replay=True)
    wire.see(map(frame, segments(ABORT)))
    wire.take(aborted(0))
    assert wire.look(aborted(0)) is None


@given(cut=st.integers(0, 40))
def test_live_and_from_the_saved_wire_a_run_is_judged_alike(cut: int) -> None:
    """Frames arrive in two drains, cut anywhere."""
    seen = [s for n in range(3) for s in segments(ABORT, a=port(n))]
    replays = [aborted(n, port(n)) for n in range(3)]
    wire = Wire(one_replay=True)
    wire.see(map(frame, seen[:cut]))
    wire.see(map(frame, seen[cut:]))
    live = [judge_replay(SCENARIO, wire.take(one), WHOLE, one, None) for one in replays]
    assert [one.record() for one in live] == [one.record() for one in judge_run(seen, replays)]


# What once went wrong


def test_a_late_segment_of_a_judged_connection_does_not_stand_in_for_the_next() -> None:
    wire = Wire(one_replay=True)
    first, second = segments(ABORT, a_isn=1), segments(ABORT, a_isn=50_000)
    wire.see(map(frame, first))
    wire.take(aborted(0))
    wire.see(map(frame, [first[-2], *second]))  # the same port again
    assert wire.look(aborted(1)) == trace.connection(second)


def test_a_session_that_never_connected_takes_no_connection_from_another() -> None:
    judged = judge_run(segments(ABORT), [crashed(0), aborted(1)])
    assert judged[1].outcome is Outcome.AS_EXPECTED
