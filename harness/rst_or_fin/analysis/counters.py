"""Finds the kernel's counters that move in one place and not in another, besides those compared. Pure.

A counter that moves in some replays of one place and not in others depends on timing, and is noise; others
are noise by what they count (`evidence.counters`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rst_or_fin.analysis.compare import AXES, ComparedRun, identity, places, telling_apart, varying
from rst_or_fin.evidence.counters import MUST_BE_EQUAL, is_noise
from rst_or_fin.scenario.axes import Axes

_Changes = Sequence[Mapping[str, int]]  # of the replays of one place


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterDifference:
    """Where a counter moves and by how much, and where it does not, in words and with how many replays."""

    counter: str
    by: str
    where: str
    replays: int
    not_where: str
    still: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterDifferences:
    """How a scenario's counters differ between places. `unsteady` names those that vary within one place.

    `noise` names those that differ and are noise by what they count; `unrecorded` counts the runs whose
    evidence has no counters but those that must be equal.
    """

    scenario: str
    moves: tuple[CounterDifference, ...]
    unsteady: tuple[str, ...]
    noise: tuple[str, ...]
    unrecorded: int


def moves(runs: Iterable[ComparedRun]) -> list[CounterDifferences]:
    """Return the counter differences of every scenario that was played in more than one place."""
    by_scenario: dict[object, list[ComparedRun]] = {}
    for run in runs:
        if run.judgements:
            by_scenario.setdefault(identity(run.scenario), []).append(run)
    found = (_moves(members) for members in by_scenario.values() if len({run.axes for run in members}) > 1)
    return sorted(found, key=lambda each: each.scenario)


def _moves(members: Sequence[ComparedRun]) -> CounterDifferences:
    recorded: dict[Axes, list[Mapping[str, int]]] = {}
    for run in members:
        told = [j.replay.changed for j in run.conclusive if j.replay.changed is not None]
        if told:
            recorded.setdefault(run.axes, []).extend(told)
    names = sorted({name for changes in recorded.values() for change in changes for name in change})
    found: list[CounterDifference] = []
    unsteady, noise = [], []
    for name in names:
        moving = {axes: sum(name in change for change in changes) for axes, changes in recorded.items()}
        if name in MUST_BE_EQUAL or all(moving[axes] == len(recorded[axes]) for axes in recorded):
            continue
        if is_noise(name):
            noise.append(name)
        elif any(0 < moving[axes] < len(recorded[axes]) for axes in recorded):
            unsteady.append(name)
        else:
            found.append(_move(name, recorded, moving))
    return CounterDifferences(
        scenario=members[0].scenario.name,
        moves=tuple(found),
        unsteady=tuple(unsteady),
        noise=tuple(noise),
        unrecorded=sum(all(j.replay.changed is None for j in run.judgements) for run in members),
    )


def _move(name: str, recorded: Mapping[Axes, _Changes], moving: Mapping[Axes, int]) -> CounterDifference:
    there, elsewhere = ([axes for axes in recorded if bool(moving[axes]) is moved] for moved in (True, False))
    axes = telling_apart([there, elsewhere]) or varying([*there, *elsewhere]) or AXES
    amounts = sorted({change[name] for place in there for change in recorded[place]})
    return CounterDifference(
        counter=name,
        by=f"{amounts[0]:+}" if len(amounts) == 1 else f"{amounts[0]:+} to {amounts[-1]:+}",
        where=places(there, axes),
        replays=sum(moving[place] for place in there),
        not_where=places(elsewhere, axes),
        still=sum(len(recorded[place]) for place in elsewhere),
    )
