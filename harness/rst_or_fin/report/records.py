"""One judged run, as every report needs it; and the JSON of many. No files, no folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rst_or_fin.scenario.axes import Axes
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Outcome, worst


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayGroup:
    """The replays of one run that went the same way; `first` stands for them all."""

    first: Assessment
    members: tuple[Assessment, ...]

    @property
    def count(self) -> int:
        """How many replays went this way."""
        return len(self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One evidence folder, judged. `scenario` is as it stands at the run's axes; `folder` is for people."""

    folder: str
    program: str
    command_line: tuple[str, ...]
    started: str
    axes: Axes
    facts: Mapping[str, Any]
    capture: bytes
    scenario: Scenario
    judgements: tuple[Assessment, ...]
    secrets: bytes = b""  # of TLS, in NSS's key log format

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of its replays."""
        return worst(judged.outcome for judged in self.judgements)

    @property
    def endings(self) -> str:
        """Return `RST`, or where replays differ, and of a race, each with its count: `4 RST, 1 FIN`."""
        counted = Counter(str(judged.verdict.ending) for judged in self.judgements).most_common()
        if len(counted) == 1 and not (self.scenario.race and len(self.judgements) > 1):
            return counted[0][0]
        return ", ".join(f"{count} {ending}" for ending, count in counted)

    @property
    def causes(self) -> str:
        """The causes of its replays, each once."""
        return ", ".join(dict.fromkeys(str(j.verdict.cause) for j in self.judgements if j.verdict.cause))

    def groups(self) -> list[ReplayGroup]:
        """Group the replays that went the same way, those that need a look first."""
        groups: dict[tuple[object, ...], list[Assessment]] = {}
        for judged in self.judgements:
            verdict = judged.verdict
            seen = judged.peer_report.end if judged.peer_report else None
            way = (judged.outcome, verdict.client, verdict.server, verdict.cause, verdict.conn_state, seen)
            groups.setdefault(way, []).append(judged)
        found = [ReplayGroup(first=members[0], members=tuple(members)) for members in groups.values()]
        rank = {Outcome.DIFFERS: 0, Outcome.INCONCLUSIVE: 1}
        return sorted(found, key=lambda alike: (rank.get(alike.first.outcome, 2), -alike.count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplayed:
    """A cell of a matrix that left no evidence: it could not be played, or is excluded there; and why."""

    scenario: str
    axes: Axes
    is_error: bool
    why: str
    hint: str = ""

    @property
    def mark(self) -> str:
        """The word for such a cell."""
        return "error" if self.is_error else "excluded"


def title(run: Run) -> str:
    """Return the scenario's name with the values that a sweep gave it: `recv-10-of-485, Read=9`."""
    given = (f"{name}={value}" for name, value in run.scenario.given.items())
    return ", ".join((run.scenario.name, *given))


def documents(runs: Sequence[Run], unplayed: Sequence[Unplayed] = ()) -> dict[str, Any]:
    """Return what `report --format json` prints: for each run the same records as `judge --json`."""
    return {
        "format": 1,
        "outcome": worst(run.outcome for run in runs),
        "runs": [
            {
                "evidence": run.folder,
                "scenario": run.scenario.name,
                "axes": run.axes,
                "outcome": run.outcome,
                "replays": [judged.record() for judged in run.judgements],
            }
            for run in runs
        ],
        **({"unplayed": [_unplayed(cell) for cell in unplayed]} if unplayed else {}),
    }


def _unplayed(cell: Unplayed) -> dict[str, Any]:
    return {
        "scenario": cell.scenario,
        "axes": cell.axes,
        "mark": "trouble" if cell.is_error else cell.mark,  # its name in JSON
        "why": cell.why,
        "remedy": cell.hint,
    }


def tally(outcomes: Iterable[Outcome]) -> list[tuple[Outcome, int]]:
    """Count the outcomes that occurred, those that need a look first."""
    counted = Counter(outcomes)
    order = (Outcome.DIFFERS, Outcome.INCONCLUSIVE, Outcome.AS_EXPECTED, Outcome.RACE, Outcome.MEASURED)
    return [(outcome, counted[outcome]) for outcome in order if counted[outcome]]
