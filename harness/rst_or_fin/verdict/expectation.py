"""Compares a replay with what its scenario expects, and adds the doubts that come with the expectation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from rst_or_fin.evidence.records import Moment, Replay
from rst_or_fin.scenario.model import ConnectionExpectation, Expectation, Scenario
from rst_or_fin.scenario.wire import Do
from rst_or_fin.verdict import passing
from rst_or_fin.verdict.assessment import AssessedConnection
from rst_or_fin.verdict.outcome import Comparison, compare, lines
from rst_or_fin.verdict.verdict import Verdict


def compare_with_expectation(
    scenario: Scenario,
    main: AssessedConnection | None,
    verdict: Verdict,
    every: Sequence[AssessedConnection],
    replay: Replay,
) -> tuple[Verdict, tuple[Comparison, ...]]:
    """Return the verdict with the doubts that the expectation adds, and every point that it names."""
    verdict = _doubted(verdict, _doubts_of_path(scenario, replay, verdict))
    if scenario.varied:
        verdict = _with_doubts_of_variation(verdict, replay, main)
    if scenario.race or scenario.varied:
        return verdict, ()
    comparisons = list(compare(scenario.expect, verdict, replay, main.peer_report if main else None))
    comparisons += lines(scenario.line, replay)
    doubts = _unheard(scenario.expect, main)
    for wanted in scenario.connection:
        found = _wanted(wanted, every)
        if found is None:
            comparisons.append(Comparison(what=wanted.name, expected="a connection", actual="none"))
            continue
        told = (*_unheard(wanted.expect, found), *(found.verdict.doubts if found is not main else ()))
        doubts += [f"{wanted.name}: {doubt}" for doubt in told]
        comparisons += [
            replace(point, what=f"{wanted.name}: {point.what}")
            for point in compare(wanted.expect, found.verdict, replay, found.peer_report)
        ]
    return _doubted(verdict, (doubt for doubt in doubts if doubt not in verdict.doubts)), tuple(comparisons)


def _doubted(verdict: Verdict, doubts: Iterable[str]) -> Verdict:
    """Return the verdict with more doubts, or itself where there are none, as is the rule."""
    more = tuple(doubts)
    return replace(verdict, doubts=(*verdict.doubts, *more)) if more else verdict


def _doubts_of_path(scenario: Scenario, replay: Replay, verdict: Verdict) -> Iterator[str]:
    """Yield a doubt for each of the scenario's wire rules that was not played."""
    played = replay.wire
    if played is None:
        if scenario.needs_wire:
            yield "no program ran between the hosts to apply the wire's rules"
        return
    yield from passing.doubts(played, verdict.passages)
    done = {(action.rule, action.did) for action in played.actions}
    for number, rule in enumerate(scenario.rules):
        held = (number, "hold") in done
        if (number, "release" if rule.do is Do.HOLD else str(rule.do)) not in done:
            why = "what it held was never released" if held else "it never matched"
            yield f"wire rule {number + 1} ({rule.told}) was not applied: {why}"


def _wanted(wanted: ConnectionExpectation, every: Sequence[AssessedConnection]) -> AssessedConnection | None:
    """Return the connection that an expectation names, or None."""
    by_name = (c for c in every if c.name == wanted.variable if wanted.variable)
    return (
        next(by_name, None) if wanted.variable else next(iter(every[wanted.order - 1 : wanted.order]), None)
    )


def _unheard(expect: Expectation, found: AssessedConnection | None) -> list[str]:
    """Return a doubt if something is expected of the peer's application and it did not report."""
    points = (expect.peer_sees, expect.peer_received, expect.peer_received_below, expect.lost)
    silent = found is not None and found.peer_report is None
    return ["no report from the peer's application"] if silent and any(p is not None for p in points) else []


def _with_doubts_of_variation(verdict: Verdict, replay: Replay, main: AssessedConnection | None) -> Verdict:
    """Add doubts if no unread bytes were demanded and the closing kernel did not report them.

    With a precondition, counters that could not be read do not matter; if a parameter is varied, they
    and the state of the receive buffer are all that ties the ending to what was done.
    """
    doubts = []
    if main is None or main.socket is None:
        doubts.append(
            "the receive buffer was not read before the close, and no precondition checks it instead"
        )
    if replay.reading(Moment.BEFORE) is None or replay.reading(Moment.AFTER) is None:
        doubts.append(
            "the kernel's counters were not read around the close, and no precondition checks them instead"
        )
    return _doubted(verdict, doubts)
