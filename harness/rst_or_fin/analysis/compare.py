"""Compares many judged runs: what differs between them, by scenario, and the axes that tell it apart.

Pure. What a verdict must not depend on (addresses, ports, times, raw sequence numbers, windows) is not among
the points compared. An inconclusive replay is no evidence of anything, and a race's outcome is timing: both
are set aside and named.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_DIFFERS, EXIT_INCONCLUSIVE, EXIT_USAGE
from rst_or_fin.evidence.counters import MUST_BE_EQUAL
from rst_or_fin.evidence.records import Moment
from rst_or_fin.scenario.axes import Axes, version
from rst_or_fin.scenario.model import Expectation, Scenario, Variant
from rst_or_fin.tcp.ending import Cause, Validity
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Outcome, PointName
from rst_or_fin.verdict.verdict import NODE, PEER

# The axes in the order in which they are blamed: where several tell two behaviours apart, the first does.
AXES = ("kernel", "otp", "backend", "family", "runtime")

OUTCOME = "outcome"
DECIDED_BY = "decided by"
COUNTERS = "counters at the close"

# What the shell prints of ports, processes and references has another number every time.
_IDENTITY = re.compile(r"#(?:Port|Ref|Fun)<[^>]*>|<\d+\.\d+\.\d+>")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """One judged run. `scenario` is as its file has it, with all variants; `source` names the evidence."""

    source: str
    axes: Axes
    scenario: Scenario
    judgements: tuple[Assessment, ...]

    @property
    def conclusive(self) -> list[Assessment]:
        """The replays whose verdicts can be relied on."""
        return [j for j in self.judgements if j.verdict.validity is Validity.CONCLUSIVE]

    @property
    def variant(self) -> Variant | None:
        """The known difference that applies to this run's axes: the last one that holds."""
        return next((v for v in reversed(self.scenario.variants) if v.when.holds(self.axes)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Runs that went the same way on every point. `where` describes them by the axes that tell them apart.

    `reference` says why this differs from the first behaviour, if that is known; empty: unexplained (or
    this is the first one).
    """

    points: Mapping[str, str]
    runs: tuple[ComparedRun, ...]
    where: str
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One scenario that went several ways: the points that differ, and who behaves how.

    `axes` are the fewest axes that tell the behaviours apart; None if the same place gave two of them.
    """

    scenario: Scenario
    points: tuple[str, ...]
    axes: tuple[str, ...] | None
    behaviours: tuple[Behaviour, ...]

    @property
    def unexplained(self) -> bool:
        """Whether one of its behaviours has no known explanation."""
        return any(not behaviour.reference for behaviour in self.behaviours[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A run that is not compared, or only in part, and why."""

    run: ComparedRun
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A place where a scenario should have been played and showed nothing, and why."""

    scenario: str
    where: str
    why: str
    is_error: bool = False  # it was to be played, and could not be


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenInPart:
    """A scenario that went one way in several runs, and showed nothing in other places."""

    scenario: Scenario
    seen: int
    unseen: tuple[Unseen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What came of comparing. `same` are the scenarios that went one way in two runs or more, in every place.

    `in_part` did so too, but some places showed nothing. `span` says what values all runs together have on
    the axes that vary.
    """

    differences: tuple[Difference, ...]
    same: tuple[Scenario, ...]
    in_part: tuple[SeenInPart, ...]
    alone: tuple[Scenario, ...]
    set_aside: tuple[SetAside, ...]
    span: str

    @property
    def unexplained(self) -> bool:
        """Whether one of the differences is unexplained."""
        return any(difference.unexplained for difference in self.differences)


def compare(runs: Iterable[ComparedRun], unplayed: Iterable[Unseen] = ()) -> Findings:
    """Compare runs of the same scenario: the same name, session, close line, parameters and peer.

    `unplayed` are the places of a matrix that left no evidence.
    """
    everything = list(runs)
    silent = [*(_unseen(run) for run in everything if _is_silent(run)), *unplayed]
    set_aside: list[SetAside] = []
    by_scenario: dict[object, list[ComparedRun]] = {}
    for run in everything:
        why = _reason_to_set_aside(run)
        if why:
            set_aside.append(SetAside(run=run, why=why))
        if run.conclusive and not run.scenario.race:
            by_scenario.setdefault(identity(run.scenario), []).append(run)
    differences, same, in_part, alone = [], [], [], []
    for members in by_scenario.values():
        groups = _by_behaviour(members)
        if len(groups) > 1:
            differences.append(_difference(groups))
        elif unseen := tuple(place for place in silent if place.scenario == members[0].scenario.name):
            in_part.append(SeenInPart(scenario=members[0].scenario, seen=len(members), unseen=unseen))
        elif len(members) > 1:
            same.append(members[0].scenario)
        else:
            alone.append(members[0].scenario)
    return Findings(
        differences=tuple(sorted(differences, key=lambda d: (not d.unexplained, d.scenario.name))),
        same=tuple(sorted(same, key=lambda s: s.name)),
        in_part=tuple(sorted(in_part, key=lambda part: part.scenario.name)),
        alone=tuple(sorted(alone, key=lambda s: s.name)),
        set_aside=tuple(set_aside),
        span=span([run.axes for run in everything], varying([run.axes for run in everything])),
    )


def observe(run: ComparedRun) -> dict[str, str]:
    """Return what a run showed, point by point, whatever was expected; empty if nothing is conclusive.

    How the end under test closed, and why, always counts. Anything else may be a matter of timing (how much
    had come by then, what the peer saw of it), so it counts only if the scenario expects something of it.
    """
    scenario = run.scenario
    stated = [scenario.expect, *(variant.expect for variant in scenario.variants)]
    preconditions = [
        scenario.precondition,
        *(variant.precondition for variant in scenario.variants if variant.precondition),
    ]
    exactly = _any_states(stated, "closing_segment")
    points: dict[str, Callable[[Assessment], str]] = {
        PointName.ENDING: lambda j: str(j.verdict.ending),
        PointName.CAUSE: lambda j: str(j.verdict.cause or "none"),
        PointName.CLOSING_SEGMENT: _closing_segment if exactly else _closing_flags,
        COUNTERS: _counters,
    }
    if exactly:
        points[DECIDED_BY] = _decided_by
    if _any_states(stated, "peer_ending"):
        points[PointName.PEER_ENDING] = lambda j: str(j.verdict.peer_ending)
    if _any_states(stated, "conn_state"):
        points[PointName.CONN_STATE] = lambda j: j.verdict.conn_state
    if any(isinstance(precondition.unread, int) for precondition in preconditions):
        points["unread at the close"] = _unread
    if _any_states(stated, "peer_sees"):
        points[PointName.PEER_SEES] = lambda j: j.peer_report.end if j.peer_report else "no report"
    if _any_states(stated, "returns"):
        points[PointName.RETURNS] = _returned
    seen = run.conclusive
    return {name: " or ".join(sorted({point(j) for j in seen})) for name, point in points.items() if seen}


def places(axes: Sequence[Axes], names: Iterable[str]) -> str:
    """Name these places by those axes: `kernel 6.12.43, 6.12.57; OTP 25, 27; inet`.

    That form stands for all combinations of what it lists; otherwise every place is listed.
    """
    chosen = tuple(names)
    found = sorted({_projected(a, chosen) for a in axes}, key=lambda place: [_ordered(v) for v in place])
    if math.prod(len(set(column)) for column in zip(*found, strict=True)) == len(found):
        return span(axes, chosen)
    return " | ".join(
        " ".join(_worded(name, [value]) for name, value in zip(chosen, place, strict=True)) for place in found
    )


def span(axes: Sequence[Axes], names: Iterable[str]) -> str:
    """List the values on each of those axes, in order."""
    columns = {name: sorted({getattr(a, name) for a in axes}, key=_ordered) for name in names}
    return "; ".join(_worded(name, column) for name, column in columns.items()) or "one configuration"


# What belongs together, and what is left out


def identity(scenario: Scenario) -> object:
    """Return what two runs must share to be compared: name, session, close line, parameters and peer."""
    server = scenario.server
    options = tuple(sorted((name, str(value)) for name, value in server.options.items()))
    given = tuple(sorted(scenario.given.items()))
    return (scenario.name, scenario.session, scenario.close_line, given, server.kind, options)


def _reason_to_set_aside(run: ComparedRun) -> str:
    if not run.judgements:
        return "it holds no replay: the run ended before its first one did"
    if run.scenario.race:
        endings = sorted({str(j.verdict.ending) for j in run.judgements})
        return f"a race, which timing decides: {', '.join(endings)}"
    doubtful = [j for j in run.judgements if j.verdict.validity is not Validity.CONCLUSIVE]
    if not doubtful:
        return ""
    return f"{len(doubtful)} of {len(run.judgements)} inconclusive: {'; '.join(doubtful[0].verdict.doubts)}"


def _is_silent(run: ComparedRun) -> bool:
    return not run.conclusive and not run.scenario.race


def _unseen(run: ComparedRun) -> Unseen:
    where = places([run.axes], AXES)
    return Unseen(scenario=run.scenario.name, where=where, why=_reason_to_set_aside(run) or "no replay")


def is_doubtful(aside: SetAside) -> bool:
    """Return whether it was set aside for want of a conclusion rather than for being a race."""
    return not aside.run.judgements or not aside.run.scenario.race


def exit_code(found: Findings, unplayed: Sequence[Unseen]) -> int:
    """Return 1 if a difference is unexplained, else 3 if a run was inconclusive or a cell failed.

    Else 2 if no two runs were of the same scenario, else 0.
    """
    if found.unexplained:
        return EXIT_DIFFERS
    if any(map(is_doubtful, found.set_aside)) or any(cell.is_error for cell in unplayed):
        return EXIT_INCONCLUSIVE
    compared = found.differences or found.same or any(part.seen > 1 for part in found.in_part)
    return EXIT_AS_EXPECTED if compared else EXIT_USAGE


# Points


def _any_states(stated: Iterable[Expectation], field: str) -> bool:
    return any(getattr(expect, field) is not None for expect in stated)


def _closing_segment(judged: Assessment) -> str:
    return judged.verdict.closing_segment or "none"


def _closing_flags(judged: Assessment) -> str:
    """Return the flags of the first closing segment: its numbers, and whether it has data, are timing."""
    return _closing_segment(judged).partition(" ")[0].replace("P", "")


def _decided_by(judged: Assessment) -> str:
    connection = judged.connection
    if connection is None:
        return "none"
    return ", then ".join(
        f"{_host(judged, i)} {connection.notation(connection.segments[i])}" for i in judged.verdict.deciding
    )


def _host(judged: Assessment, index: int) -> str:
    """Return which host sent that segment."""
    connection = judged.connection
    assert connection is not None
    return NODE if connection.role(connection.segments[index]) is judged.verdict.subject else PEER


def _counters(judged: Assessment) -> str:
    if judged.verdict.cause is Cause.DATA_AFTER_CLOSE:
        return "not compared: its RST may come after they were read"
    readings = [judged.replay.reading(moment) for moment in (Moment.BEFORE, Moment.AFTER)]
    if readings[0] is None or readings[1] is None:
        return "not read"
    before, after = readings[0].counters, readings[1].counters
    raised = (
        f"{name.partition(':')[2]} +{after[name] - before[name]}"
        for name in sorted(after)
        if name in before and after[name] != before[name] and name in MUST_BE_EQUAL
    )
    return ", ".join(raised) or "unchanged"


def _unread(judged: Assessment) -> str:
    state = judged.socket
    return "not read" if state is None else f"{state.unread} of {state.received} bytes"


def _returned(judged: Assessment) -> str:
    replay = judged.replay
    if not 0 < replay.close_line <= len(replay.calls):
        return "did not return"
    return _IDENTITY.sub("#", replay.calls[replay.close_line - 1].result)


# Behaviours


def _by_behaviour(runs: Sequence[ComparedRun]) -> list[tuple[dict[str, str], list[ComparedRun]]]:
    """Group the runs by behaviour, the reference behaviour first.

    That is the one that the scenario expects without a variant, else the commonest.
    """
    groups: dict[tuple[tuple[str, str], ...], list[ComparedRun]] = {}
    for run in runs:
        groups.setdefault(tuple(_with_outcome(run).items()), []).append(run)

    def rank(group: tuple[dict[str, str], list[ComparedRun]]) -> tuple[int, int]:
        expected = any(run.variant is None and _as_expected(run) for run in group[1])
        return (0 if expected else 1, -len(group[1]))

    return sorted(((dict(points), members) for points, members in groups.items()), key=rank)


def _with_outcome(run: ComparedRun) -> dict[str, str]:
    found = " or ".join(sorted({str(j.outcome) for j in run.conclusive}))
    return {OUTCOME: found, **observe(run)}


def _as_expected(run: ComparedRun) -> bool:
    return all(j.outcome is Outcome.AS_EXPECTED for j in run.conclusive)


def _difference(groups: Sequence[tuple[dict[str, str], list[ComparedRun]]]) -> Difference:
    base = groups[0][1]
    axes = telling_apart([[run.axes for run in members] for _, members in groups])
    shown = axes if axes is not None else varying([run.axes for _, members in groups for run in members])
    behaviours = tuple(
        Behaviour(
            points=points,
            runs=tuple(members),
            where=places([run.axes for run in members], shown),
            reference="" if members is base else _reference(base, members),
        )
        for points, members in groups
    )
    names = dict.fromkeys(name for points, _ in groups for name in points)
    differing = [name for name in names if len({points.get(name) for points, _ in groups}) > 1]
    if PointName.CLOSING_SEGMENT in differing and all(_says_the_same(points) for points, _ in groups):
        differing = [name for name in differing if name != DECIDED_BY]
    return Difference(scenario=base[0].scenario, points=tuple(differing), axes=axes, behaviours=behaviours)


def _says_the_same(points: Mapping[str, str]) -> bool:
    return points.get(DECIDED_BY, "").partition(" ")[2] == points.get(PointName.CLOSING_SEGMENT)


def _reference(base: Sequence[ComparedRun], members: Sequence[ComparedRun]) -> str:
    """Return why the members differ from the base, by the scenario's variants; "" if that is unknown.

    A difference is known only if every run did what its scenario expects of it there, and the two sides
    stand under different variants.
    """
    if not all(map(_as_expected, (*base, *members))):
        return ""
    ours, theirs = (
        {run.variant.reference if run.variant else "" for run in runs} for runs in (members, base)
    )
    if ours & theirs:
        return ""
    return "; ".join(sorted((ours | theirs) - {""} if "" in ours else ours))


def telling_apart(groups: Sequence[Sequence[Axes]]) -> tuple[str, ...] | None:
    """Return the smallest set of axes that separates all behaviours, or None."""
    for size in range(1, len(AXES) + 1):
        for names in combinations(AXES, size):
            seen = [{_projected(axes, names) for axes in group} for group in groups]
            if sum(map(len, seen)) == len(set().union(*seen)):
                return names
    return None


def varying(axes: Sequence[Axes]) -> tuple[str, ...]:
    """Return the axes on which these are not all the same."""
    return tuple(name for name in AXES if len({getattr(a, name) for a in axes}) > 1)


def _projected(axes: Axes, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(getattr(axes, name) for name in names)


def _ordered(value: object) -> tuple[tuple[int, ...], str]:
    return version(str(value)), str(value)


def _worded(name: str, values: Sequence[object]) -> str:
    listed = ", ".join(f"IPv{value}" if name == "family" else str(value) for value in values)
    return {"otp": f"OTP {listed}", "kernel": f"kernel {listed}"}.get(name, listed)
