"""Many replays in one block of text: what is counted, and what a race is never called."""

from __future__ import annotations

from rst_or_fin.evidence.records import CaptureFacts
from rst_or_fin.report.terminal import Tally
from rst_or_fin.scenario.model import Expectation, Scenario
from rst_or_fin.tcp.ending import Ending
from rst_or_fin.tcp.precondition import Precondition
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Outcome

from tests.support.cases import ABORT, ABORT_ON_CLOSE, CLOSE, heard, judge_one, replay
from tests.support.segments import connection

FENCED, UNFENCED = CaptureFacts(dropped=0, fenced=True), CaptureFacts(dropped=0, fenced=False)


def scenario(*, race: bool) -> Scenario:
    return Scenario(
        claim="c",
        sources=("s",),
        session="x.",
        expect=Expectation(ending=Ending.FIN),
        precondition=Precondition(received=485),
        race=race,
    )


def fin(*, race: bool = False, capture: CaptureFacts = FENCED) -> Assessment:
    told = replay(unread=0)
    return judge_one(scenario(race=race), connection(CLOSE), capture, told, heard("end of file"))


def rst(*, race: bool = False) -> Assessment:
    told = replay(raised=ABORT_ON_CLOSE)
    return judge_one(scenario(race=race), connection(ABORT), FENCED, told, heard("ECONNRESET"))


def tally(*judgements: Assessment) -> Tally:
    counted = Tally()
    for judged in judgements:
        counted.add(judged)
    return counted


def test_every_share_has_its_interval() -> None:
    lines = tally(*[fin()] * 9, rst()).line().splitlines()
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "FIN 9 90.0% [59.6% to 98.2%]",
        "RST 1 10.0% [1.8% to 40.4%]",
        "as expected 9 90.0% [59.6% to 98.2%]",
        "differs 1 10.0% [1.8% to 40.4%]",
    ]


def test_a_race_is_shown_as_a_distribution_alone() -> None:
    text = tally(*[fin(race=True)] * 9, rst(race=True)).line()
    assert [line.split("  ")[2] for line in text.splitlines()[1:]] == [
        "FIN",
        "RST",
        "the peer sees end of file",
        "the peer sees ECONNRESET",
    ]


def test_a_race_keeps_nothing_as_odd() -> None:
    assert tally(fin(race=True), rst(race=True)).examples == []


def test_a_race_is_no_pass_and_no_failure() -> None:
    assert tally(fin(race=True), rst(race=True)).outcome is Outcome.RACE


def test_an_inconclusive_ending_is_left_out_of_the_distribution() -> None:
    counted = tally(fin(), fin(capture=UNFENCED))
    assert (counted.conclusive["FIN"], counted.outcome) == (1, Outcome.INCONCLUSIVE)


def test_what_was_left_out_is_said() -> None:
    text = tally(fin(), fin(capture=UNFENCED)).line()
    assert "1 inconclusive, their endings left out" in text


def test_an_interrupted_run_says_so_with_what_there_was_to_be() -> None:
    lines = [tally(fin()).line(interrupted_of=asked).partition(" (")[0] for asked in (1000, 0, 1)]
    assert lines == ["1 of 1,000 replays: interrupted", "1 replay: interrupted", "1 replay"]
