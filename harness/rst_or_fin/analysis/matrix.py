"""Scenarios by axes: which cells there are, which of them can share a testbed, and their results.

Pure: it plays nothing and writes nothing. A cell is a scenario at one combination of the axes.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

import msgspec
from msgspec.structs import replace

from rst_or_fin.analysis.compare import ComparedRun
from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_DIFFERS, EXIT_ENVIRONMENT, EXIT_INCONCLUSIVE, UsageError
from rst_or_fin.escaping import on_one_line
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.axes import Axes, version
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.verdict.outcome import Outcome, worst

FORMAT = 1

_UNSAFE = re.compile(r"[^A-Za-z0-9.+]+")


class Combination(msgspec.Struct, frozen=True, kw_only=True):
    """The requested value on every axis; "" for the runtime's own (for `kernel`, the host's)."""

    runtime: str = "docker"
    otp: str = ""
    backend: str = "inet"
    family: int = 4
    kernel: str = ""

    @property
    def axes(self) -> Axes:
        """The requested axes; "" if the runtime's own value is not known yet."""
        return Axes(**msgspec.structs.asdict(self))

    @property
    def words(self) -> tuple[str, ...]:
        """The requested axes in words, without those left to the runtime."""
        return (
            *((f"kernel {self.kernel}",) if self.kernel else ()),
            *((f"OTP {self.otp}",) if self.otp else ()),
            self.backend,
            f"IPv{self.family}",
        )

    @property
    def folder(self) -> str:
        """A unique folder name, also if the kernel is given as a path."""
        plain = f"otp{self.otp}-{self.backend}-ipv{self.family}-{self.runtime}"
        return f"{plain}-{_safe(self.kernel)}" if self.kernel else plain

    @property
    def order(self) -> tuple[object, ...]:
        """A sort key: releases by their numbers, so that 6.9 comes before 6.12."""
        return (
            (version(self.kernel), self.kernel),
            (version(self.otp), self.otp),
            self.backend,
            self.family,
            self.runtime,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One scenario (with its file's own text) at one combination, to be played `repeat` times.

    `kernel_digest` identifies a user's own kernel, whose file may be replaced later.
    """

    scenario: Scenario
    text: str
    combination: Combination
    repeat: int = 1
    kernel_digest: str = ""

    @property
    def inputs(self) -> str:
        """A digest of what the cell's evidence is made from; evidence may be kept while it is the same."""
        chance = (self.scenario.chance.told,) if self.scenario.chance is not None else ()
        parts = (self.scenario.name, self.text, self.combination, self.repeat, self.kernel_digest, *chance)
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()

    def __str__(self) -> str:
        return f"{self.scenario.name} at {', '.join(self.combination.words)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellGroup:
    """Cells that one testbed can serve, one after another: same combination, same hosts.

    The peer may be told to take other options in between (`peers.can_reconfigure`).
    """

    combination: Combination
    cells: tuple[Cell, ...]


class Mark(StrEnum):
    """What a cell resulted in; the first five are outcomes of its replays."""

    AS_EXPECTED = "as expected"
    DIFFERS = "differs"
    INCONCLUSIVE = "inconclusive"
    RACE = "race"
    MEASURED = "measured"
    ERROR = "trouble"  # its name in JSON
    EXCLUDED = "excluded"

    @property
    def word(self) -> str:
        """The word for people, who are not told of "trouble"."""
        return "error" if self is Mark.ERROR else str(self)

    @property
    def exit_code(self) -> int:
        """The exit code of a matrix whose worst mark this is."""
        return _EXIT_CODES.get(self, EXIT_AS_EXPECTED)


_EXIT_CODES = {
    Mark.DIFFERS: EXIT_DIFFERS,
    Mark.ERROR: EXIT_ENVIRONMENT,
    Mark.INCONCLUSIVE: EXIT_INCONCLUSIVE,
}
_WORST_FIRST = (
    Mark.DIFFERS,
    Mark.ERROR,
    Mark.INCONCLUSIVE,
    Mark.AS_EXPECTED,
    Mark.RACE,
    Mark.MEASURED,
    Mark.EXCLUDED,
)


class CellRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What matrix.json holds of one cell.

    `endings` are those of the end under test, several where replays disagree, and `counts` how many replays
    ended in each (left out by older programs). `why` explains every mark but
    "as expected"; `evidence` is relative to matrix.json's folder, empty if there is none; `kernel_release`
    is the closing host's release. `reused`: an earlier run had left the evidence.
    """

    scenario: str
    combination: Combination
    mark: Mark
    endings: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    cause: str = ""
    closing_segment: str = ""
    why: str = ""
    hint: str = msgspec.field(default="", name="remedy")  # its name in matrix.json
    kernel_release: str = ""
    evidence: str = ""
    reused: bool = False
    duration_s: float = 0.0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """matrix.json: the whole table. `finished` is None while cells are still to come."""

    format: int
    program: str
    command_line: tuple[str, ...]
    started: str
    finished: str | None
    mark: Mark
    cells: tuple[CellRecord, ...]


def plan(cells: Sequence[Cell], parallelism: int = 1) -> list[CellGroup]:
    """Group the cells by the testbed that they can share, the largest groups first: they take longest.

    No group is larger than its share of the cells if `parallelism` groups are played at a time.
    """
    shared: dict[tuple[Combination, bytes], list[Cell]] = {}
    for cell in cells:
        hosts = cell.scenario.hosts
        key = (cell.combination, msgspec.json.encode(replace(hosts, server=peers.adjustable(hosts.server))))
        shared.setdefault(key, []).append(cell)
    most = ceil(len(cells) / parallelism)
    groups = []
    for (combination, _), alike in shared.items():
        number = ceil(len(alike) / most)
        groups += [CellGroup(combination=combination, cells=tuple(alike[i::number])) for i in range(number)]
    return sorted(groups, key=lambda group: -len(group.cells))


def check_names(scenarios: Sequence[Scenario]) -> None:
    """Raise UsageError if two scenarios would share a row (and a folder)."""
    seen: set[str] = set()
    for scenario in scenarios:
        if scenario.name in seen:
            raise UsageError(
                f"two scenarios are called {scenario.name!r}", "name each once; rename one of two files"
            )
        seen.add(scenario.name)


def same_kernel(asked: str, running: str, host: str = "") -> bool:
    """Return whether a verdict from a `running` kernel may stand under the name that was `asked` for.

    "" asks for the kernel of the `host` (itself "" if that is unknown); a user's own kernel, named by its
    path, may call itself anything.
    """
    if not asked:
        return host in ("", running)
    return "/" in asked or version(running)[: len(version(asked))] == version(asked)


def excluded_beforehand(cell: Cell) -> str:
    """Return why the cell cannot be played, as far as that is known without a testbed, or ""."""
    return cell.scenario.excluded_at(replace(cell.combination, kernel="").axes)


def excluded(cell: Cell, why: str) -> CellRecord:
    """Make the record of a cell that cannot be played."""
    return CellRecord(
        scenario=cell.scenario.name, combination=cell.combination, mark=Mark.EXCLUDED, why=on_one_line(why)
    )


def error(cell: Cell, why: str, hint: str = "", evidence: str = "", duration_s: float = 0.0) -> CellRecord:
    """Make the record of a cell that could not be played through."""
    return CellRecord(
        scenario=cell.scenario.name,
        combination=cell.combination,
        mark=Mark.ERROR,
        why=on_one_line(why),
        hint=on_one_line(hint),
        evidence=evidence,
        duration_s=duration_s,
    )


def played(
    cell: Cell, run: ComparedRun, *, evidence: str, reused: bool, duration_s: float = 0.0
) -> CellRecord:
    """Make the record of a cell that has replays."""
    outcome = worst(judged.outcome for judged in run.judgements)
    telling = next(judged for judged in run.judgements if judged.outcome is outcome)
    verdict = telling.verdict
    if outcome is Outcome.INCONCLUSIVE:
        why = "; ".join(verdict.doubts)
    else:
        why = "; ".join(
            f"{point.what}: {point.actual}, expected {point.expected}"
            for point in telling.comparisons
            if not point.same
        )
    endings = Counter(str(judged.verdict.ending) for judged in run.judgements)
    return CellRecord(
        scenario=cell.scenario.name,
        combination=cell.combination,
        mark=Mark(outcome.value),
        endings=tuple(endings),
        counts=tuple(endings.values()),
        cause=str(verdict.cause or ""),
        closing_segment=verdict.closing_segment,
        why=why,
        kernel_release=run.axes.kernel,
        evidence=evidence,
        reused=reused,
        duration_s=duration_s,
    )


def worst_mark(records: Iterable[CellRecord]) -> Mark:
    """Return the worst mark: a difference outweighs an error, an error outweighs a doubt."""
    seen = {record.mark for record in records}
    return next((mark for mark in _WORST_FIRST if mark in seen), Mark.ERROR)


def exit_code(records: Sequence[CellRecord]) -> int:
    """Return the exit code of the worst mark, but an error's where nothing was played."""
    if all(record.mark is Mark.EXCLUDED for record in records):
        return Mark.ERROR.exit_code
    return worst_mark(records).exit_code


def _safe(name: str) -> str:
    plain = _UNSAFE.sub("_", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
