"""A verdict held against an expectation: as expected, different, or inconclusive.

A boolean would hide the third: an inconclusive verdict is never a pass, and never a difference either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_DIFFERS, EXIT_INCONCLUSIVE
from rst_or_fin.evidence.records import Replay, Testimony
from rst_or_fin.scenario.model import Expectation
from rst_or_fin.verdict.judge import Verdict


class Outcome(StrEnum):
    """What came of holding a verdict against its expectation."""

    AS_EXPECTED = "as expected"
    DIFFERS = "differs"
    INCONCLUSIVE = "inconclusive"
    RACE = "race"
    MEASURED = "measured"

    @property
    def exit_code(self) -> int:
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Outcome.AS_EXPECTED: EXIT_AS_EXPECTED,
    Outcome.DIFFERS: EXIT_DIFFERS,
    Outcome.INCONCLUSIVE: EXIT_INCONCLUSIVE,
    Outcome.RACE: EXIT_AS_EXPECTED,
    Outcome.MEASURED: EXIT_AS_EXPECTED,
}

# What was not heard of differs from nothing: it is a doubt, which the judging of the replay adds.
_OF_PEER = "peer's application"

# A number that is the kernel's business (a buffer's size) is expected as a bound.
_BOUND = re.compile(r"fewer than (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One point of an expectation beside what the verdict says of it."""

    what: str
    expected: str
    actual: str

    @property
    def same(self) -> bool:
        bound = _BOUND.fullmatch(self.expected)
        if bound is None:
            return self.expected == self.actual
        return self.actual.isdigit() and int(self.actual) < int(bound.group(1))


def compare(
    expect: Expectation, verdict: Verdict, replay: Replay | None, testimony: Testimony | None
) -> tuple[Comparison, ...]:
    """Every point that the expectation names, beside the verdict's own."""
    closed = replay is not None and replay.close_returned
    returned = replay.calls[replay.close_line - 1].result if replay and closed else "did not return"
    points = (
        ("ending", expect.ending, verdict.ending),
        ("peer's ending", expect.peer_ending, verdict.peer_ending),
        ("cause", expect.cause, verdict.cause),
        ("closing segment", expect.closing_segment, verdict.closing_segment),
        ("peer's application sees", expect.peer_sees, testimony.end if testimony else ""),
        (
            "peer's application read",
            expect.peer_received
            if expect.peer_received_below is None
            else f"fewer than {expect.peer_received_below}",
            testimony.received if testimony else "",
        ),
        ("conn_state", expect.conn_state, verdict.conn_state),
        ("close returns", expect.returns, returned),
    )
    return tuple(
        Comparison(what=what, expected=str(expected), actual=str(actual))
        for what, expected, actual in points
        if expected is not None and (testimony is not None or not what.startswith(_OF_PEER))
    )


def outcome(
    verdict: Verdict, comparisons: Iterable[Comparison], *, race: bool = False, varied: bool = False
) -> Outcome:
    """The outcome of one replay. A race's is neither pass nor fail: only many of them say much.

    Nor is that of a scenario whose parameters were `varied`: it says what is, and nothing was expected.
    """
    if verdict.doubts:
        return Outcome.INCONCLUSIVE
    if race:
        return Outcome.RACE
    if varied:
        return Outcome.MEASURED
    return Outcome.AS_EXPECTED if all(c.same for c in comparisons) else Outcome.DIFFERS


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of many: a difference outweighs a doubt, a doubt outweighs any number of passes."""
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
