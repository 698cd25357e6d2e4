"""Compares a verdict with an expectation: as expected, different, or inconclusive.

A boolean would hide the third: an inconclusive verdict is never a pass, and never a difference either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_DIFFERS, EXIT_INCONCLUSIVE
from rst_or_fin.evidence.records import PeerReport, Replay
from rst_or_fin.scenario.model import Expectation, LineExpectation
from rst_or_fin.verdict.verdict import Verdict


class Outcome(StrEnum):
    """The result of comparing a verdict with its expectation."""

    AS_EXPECTED = "as expected"
    DIFFERS = "differs"
    INCONCLUSIVE = "inconclusive"
    RACE = "race"
    MEASURED = "measured"

    @property
    def exit_code(self) -> int:
        """The exit code of a command whose worst outcome this is."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Outcome.AS_EXPECTED: EXIT_AS_EXPECTED,
    Outcome.DIFFERS: EXIT_DIFFERS,
    Outcome.INCONCLUSIVE: EXIT_INCONCLUSIVE,
    Outcome.RACE: EXIT_AS_EXPECTED,
    Outcome.MEASURED: EXIT_AS_EXPECTED,
}


class PointName(StrEnum):
    """What an expectation can state of a connection, in the words of reports."""

    ENDING = "ending"
    PEER_ENDING = "peer's ending"
    CAUSE = "cause"
    CLOSING_SEGMENT = "closing segment"
    PEER_SEES = "peer's application sees"
    PEER_READ = "peer's application read"
    SENT = "bytes sent"
    LOST = "bytes lost"
    CONN_STATE = "conn_state"
    RETURNS = "close returns"


# Without the peer's report these differ from nothing: that is a doubt, which `expectation` adds.
_FROM_PEER_REPORT = (PointName.PEER_SEES, PointName.PEER_READ)
_NO_RETURN = "did not return"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One point of an expectation and the actual value of a verdict.

    `holds` is set if the two need not be the same text: a number within bounds.
    """

    what: str
    expected: str
    actual: str
    holds: bool | None = None

    @property
    def same(self) -> bool:
        """Whether the expectation is met."""
        return self.expected == self.actual if self.holds is None else self.holds


def compare(
    expect: Expectation, verdict: Verdict, replay: Replay | None, peer_report: PeerReport | None
) -> tuple[Comparison, ...]:
    """Compare every point that the expectation names with the verdict."""
    found = (
        *_points(expect, verdict, replay, peer_report),
        *_bounds(expect, verdict, peer_report),
    )
    return tuple(c for c in found if peer_report is not None or c.what not in _FROM_PEER_REPORT)


def lines(wanted: Iterable[LineExpectation], replay: Replay) -> Iterator[Comparison]:
    """Compare what is expected of lines with what they returned and how long they took."""
    for line in wanted:
        number = line.number or replay.close_line
        name = f"line {number}" if line.number else "the close line"
        call = replay.calls[number - 1] if 0 < number <= len(replay.calls) else None
        if line.returns is not None:
            yield Comparison(
                what=f"{name} returns", expected=line.returns, actual=call.result if call else _NO_RETURN
            )
        bounds = _bounded(line.takes_at_least_ms, line.takes_at_most_ms)
        if bounds:
            taken_ms = call.duration_us / 1000 if call else None
            yield Comparison(
                what=f"{name} takes",
                expected=f"{bounds} ms",
                actual=_NO_RETURN if taken_ms is None else f"{taken_ms:g} ms",
                holds=taken_ms is not None and _within(taken_ms, line),
            )


def _bounded(least: int | None, most: int | None) -> str:
    """Write the bounds; "" if there are none."""
    said = (("at least", least), ("at most", most))
    return ", ".join(f"{word} {bound}" for word, bound in said if bound is not None)


def _within(taken_ms: float, line: LineExpectation) -> bool:
    least, most = line.takes_at_least_ms, line.takes_at_most_ms
    return (least is None or taken_ms >= least) and (most is None or taken_ms <= most)


def _bounds(expect: Expectation, verdict: Verdict, peer_report: PeerReport | None) -> Iterator[Comparison]:
    """Yield the points of which only a bound is expected: the number depends on the kernel."""
    below = expect.peer_received_below
    if below is not None and peer_report is not None:
        yield Comparison(
            what=PointName.PEER_READ,
            expected=f"fewer than {below}",
            actual=str(peer_report.received),
            holds=peer_report.received < below,
        )
    lost = verdict.delivery.lost if verdict.delivery is not None else None
    if expect.lost is not None and lost is not None:
        some = expect.lost == "some"
        yield Comparison(
            what=PointName.LOST, expected=str(expect.lost), actual=str(lost), holds=lost > 0 if some else None
        )


def _points(
    expect: Expectation, verdict: Verdict, replay: Replay | None, peer_report: PeerReport | None
) -> tuple[Comparison, ...]:
    closed = replay is not None and replay.close_returned
    returned = replay.calls[replay.close_line - 1].result if replay and closed else _NO_RETURN
    points = (
        (PointName.ENDING, expect.ending, verdict.ending),
        (PointName.PEER_ENDING, expect.peer_ending, verdict.peer_ending),
        (PointName.CAUSE, expect.cause, verdict.cause or "none"),
        (PointName.CLOSING_SEGMENT, expect.closing_segment, verdict.closing_segment),
        (PointName.PEER_SEES, expect.peer_sees, peer_report.end if peer_report else ""),
        (PointName.PEER_READ, expect.peer_received, peer_report.received if peer_report else ""),
        (PointName.SENT, expect.sent, verdict.delivery.sent if verdict.delivery else None),
        (PointName.CONN_STATE, expect.conn_state, verdict.conn_state),
        (PointName.RETURNS, expect.returns, returned),
    )
    return tuple(
        Comparison(what=what, expected=str(expected), actual=str(actual))
        for what, expected, actual in points
        if expected is not None
    )


def outcome(
    verdict: Verdict, comparisons: Iterable[Comparison], *, race: bool = False, varied: bool = False
) -> Outcome:
    """Return the outcome of one replay.

    A race neither passes nor fails: only the distribution of many replays says anything. Nor does a scenario
    whose parameters were `varied`: nothing is expected of it.
    """
    if verdict.doubts:
        return Outcome.INCONCLUSIVE
    if race:
        return Outcome.RACE
    if varied:
        return Outcome.MEASURED
    return Outcome.AS_EXPECTED if all(c.same for c in comparisons) else Outcome.DIFFERS


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the outcome of many: a difference outweighs a doubt, a doubt any number of passes."""
    seen = set(outcomes)
    for candidate in (
        Outcome.DIFFERS,
        Outcome.INCONCLUSIVE,
        Outcome.AS_EXPECTED,
        Outcome.RACE,
        Outcome.MEASURED,
    ):
        if candidate in seen:
            return candidate
    return Outcome.INCONCLUSIVE
