"""A doubt is never a pass, and a difference outweighs everything."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_DIFFERS, EXIT_INCONCLUSIVE
from rst_or_fin.evidence.records import SessionEnd
from rst_or_fin.scenario.model import Expectation, LineExpectation
from rst_or_fin.tcp.ending import Cause, Ending, Validity
from rst_or_fin.verdict import judge
from rst_or_fin.verdict.judge import PeerTraits
from rst_or_fin.verdict.outcome import Comparison, Outcome, compare, lines, outcome, worst
from rst_or_fin.verdict.verdict import Verdict

from tests.support.cases import ABORT, ABORT_ON_CLOSE, ALL_UNREAD, CASES, Case, heard, replay, report, role_in
from tests.support.segments import A, B, connection

SAME = Comparison(what="ending", expected="RST", actual="RST")
OTHER = Comparison(what="ending", expected="RST", actual="FIN")
outcomes = st.lists(st.sampled_from(Outcome))


def verdict_of(case: Case) -> Verdict:
    found = connection(case.wire)
    return judge.judge(
        found,
        capture=case.capture,
        subject=role_in(found, case.replay),
        report=report(found, case.replay),
        peer_report=case.peer_report,
        precondition=case.precondition,
        peer=PeerTraits(must_report=case.requires_peer_report),
    )


ABORTED = verdict_of(CASES["the published abort: closed with everything unread"])


@pytest.mark.parametrize("comparisons", [(), (SAME,), (OTHER,)])
@pytest.mark.parametrize("race", [False, True])
def test_an_outcome_is_inconclusive_exactly_where_its_verdict_is(
    comparisons: tuple[Comparison, ...], race: bool
) -> None:
    verdicts = {name: verdict_of(case) for name, case in CASES.items()}
    doubted = {
        name
        for name, verdict in verdicts.items()
        if outcome(verdict, comparisons, race=race) is Outcome.INCONCLUSIVE
    }
    assert doubted == {name for name, one in verdicts.items() if one.validity is Validity.INCONCLUSIVE}


@pytest.mark.parametrize(
    ("comparisons", "found"),
    [((SAME, SAME), Outcome.AS_EXPECTED), ((SAME, OTHER), Outcome.DIFFERS), ((OTHER,), Outcome.DIFFERS)],
)
def test_one_difference_is_a_difference(comparisons: tuple[Comparison, ...], found: Outcome) -> None:
    assert outcome(ABORTED, comparisons) is found


def test_a_race_neither_passes_nor_differs() -> None:
    assert outcome(ABORTED, (OTHER,), race=True) is Outcome.RACE


@pytest.mark.parametrize(
    ("several", "found"),
    [
        ([Outcome.AS_EXPECTED] * 99 + [Outcome.INCONCLUSIVE], Outcome.INCONCLUSIVE),
        ([Outcome.INCONCLUSIVE] * 99 + [Outcome.DIFFERS], Outcome.DIFFERS),
        ([Outcome.AS_EXPECTED, Outcome.DIFFERS], Outcome.DIFFERS),
        ([Outcome.RACE, Outcome.AS_EXPECTED], Outcome.AS_EXPECTED),
        ([Outcome.RACE, Outcome.INCONCLUSIVE], Outcome.INCONCLUSIVE),
        ([], Outcome.INCONCLUSIVE),
    ],
)
def test_the_worst_of_several(several: list[Outcome], found: Outcome) -> None:
    assert worst(several) is found


@given(outcomes, st.randoms())
def test_the_worst_does_not_depend_on_the_order(several: list[Outcome], chance: Random) -> None:
    shuffled = list(several)
    chance.shuffle(shuffled)
    assert worst(shuffled) is worst(several)


@given(outcomes, outcomes)
def test_the_worst_of_parts_is_the_worst_of_the_whole(one: list[Outcome], other: list[Outcome]) -> None:
    parts = [worst(part) for part in (one, other) if part]
    assert worst(parts) is worst(one + other)


@given(outcomes.filter({Outcome.DIFFERS, Outcome.INCONCLUSIVE}.intersection))
def test_a_difference_or_a_doubt_among_many_never_exits_with_success(several: list[Outcome]) -> None:
    assert worst(several).exit_code != EXIT_AS_EXPECTED


def test_a_difference_and_a_doubt_have_exit_codes_of_their_own() -> None:
    assert {o: o.exit_code for o in Outcome if o.exit_code != EXIT_AS_EXPECTED} == {
        Outcome.DIFFERS: EXIT_DIFFERS,
        Outcome.INCONCLUSIVE: EXIT_INCONCLUSIVE,
    }


def test_only_what_the_scenario_names_is_compared() -> None:
    points = compare(Expectation(ending=Ending.RST), ABORTED, replay(), heard("ECONNRESET"))
    assert [point.what for point in points] == ["ending"]


def test_every_point_of_the_published_abort_is_the_same() -> None:
    expect = Expectation(
        ending=Ending.RST,
        peer_ending=Ending.NONE,
        cause=Cause.UNREAD_DATA,
        closing_segment="R. 19:19(0) ack 486",
        peer_sees="ECONNRESET",
        conn_state="RSTO",
        returns="ok",
    )
    points = compare(expect, ABORTED, replay(), heard("ECONNRESET"))
    assert [point.same for point in points] == [True] * 7


@pytest.mark.parametrize(
    ("expect", "actual"),
    [
        (Expectation(ending=Ending.FIN), "RST"),
        (Expectation(ending=Ending.RST, cause=Cause.ZERO_LINGER), "unread data at close"),
        (Expectation(ending=Ending.RST, closing_segment="F. 19:19(0) ack 486"), "R. 19:19(0) ack 486"),
        (Expectation(ending=Ending.RST, returns="{error,closed}"), "ok"),
    ],
)
def test_a_difference_names_what_was_seen(expect: Expectation, actual: str) -> None:
    points = compare(expect, ABORTED, replay(), None)
    assert [point.actual for point in points if not point.same] == [actual]


def test_what_a_peer_that_was_not_heard_saw_is_compared_with_nothing() -> None:
    expect = Expectation(ending=Ending.RST, peer_sees="ECONNRESET", peer_received=18)
    assert [p.what for p in compare(expect, ABORTED, replay(), None)] == ["ending"]


def test_a_close_that_never_returned_returned_nothing_that_could_be_expected() -> None:
    cut_short = replace(replay(), end=SessionEnd.NODE_GONE, calls=replay().calls[:1])
    expect = Expectation(ending=Ending.RST, returns="ok")
    assert [p.actual for p in compare(expect, ABORTED, cut_short, None)] == ["RST", "did not return"]


def test_a_cause_that_is_expected_of_a_fin_differs() -> None:
    closed = verdict_of(CASES["the published close: everything read first"])
    points = compare(Expectation(ending=Ending.FIN, cause=Cause.UNREAD_DATA), closed, None, None)
    assert [point.same for point in points] == [True, False]


def test_the_comparison_is_with_the_end_under_test_also_where_it_was_called() -> None:
    called = verdict_of(
        Case(
            wire=ABORT.replace("> R. 19:19(0) ack 486", "< R. 486:486(0) ack 19"),
            replay=replay(local=B, remote=A, raised=ABORT_ON_CLOSE),
            precondition=ALL_UNREAD,
            owed=CASES["nobody closes"].owed,
        )
    )
    points = compare(Expectation(ending=Ending.RST, peer_ending=Ending.NONE), called, None, None)
    assert [point.same for point in points] == [True, True]


# How long a line took, and what was lost (the close line of `replay` takes 0.03 ms; the peer read 18 bytes)


@pytest.mark.parametrize(
    ("least", "most", "same"),
    [(None, 1, True), (0, None, True), (1, None, False), (0, 0, False)],
)
def test_a_line_is_held_against_the_time_that_it_may_take(
    least: int | None, most: int | None, same: bool
) -> None:
    [point] = lines([LineExpectation(takes_at_least_ms=least, takes_at_most_ms=most)], replay())
    assert point.same is same


def test_a_line_that_was_never_reached_took_no_time_that_could_be_expected() -> None:
    [point] = lines([LineExpectation(number=3, takes_at_least_ms=0)], replay())
    assert (point.actual, point.same) == ("did not return", False)


def test_a_line_is_held_against_what_it_returned() -> None:
    [point] = lines([LineExpectation(number=2, returns="{error,closed}")], replay())
    assert (point.what, point.actual, point.same) == ("line 2 returns", "ok", False)


@pytest.mark.parametrize(("lost", "same"), [(0, True), (18, False), ("some", False)])
def test_an_expected_loss_is_held_against_what_the_peer_read(lost: int | str, same: bool) -> None:
    verdict = verdict_of(
        replace(CASES["the published close: everything read first"], peer_report=heard("end of file"))
    )
    expect = msgspec.convert({"ending": "FIN", "lost": lost}, Expectation)
    [point] = [p for p in compare(expect, verdict, None, heard("end of file")) if p.what == "bytes lost"]
    assert point.same is same
