"""Finds scenarios: those that travel with the program by name, a user's own by path."""

from __future__ import annotations

import difflib
import glob
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec

from rst_or_fin import data_files
from rst_or_fin.errors import OldNameWarning, UnparsableError, UsageError
from rst_or_fin.escaping import clipped, visible
from rst_or_fin.scenario import check
from rst_or_fin.scenario.check import Problem
from rst_or_fin.scenario.model import SUFFIX, Scenario, parse
from rst_or_fin.scenario.renamed import NEW_NAMES
from rst_or_fin.scenario.toml_places import places
from rst_or_fin.scenario.wire import RandomFaults
from rst_or_fin.scenario.wording import shown
from rst_or_fin.storage import scenario_text

_LONGEST_NAME = 200

# The published case: connect/send/close and connect/send/recv/close.
PUBLISHED_PAIR = ("close-with-unread-response", "recv-then-close")

# The catalogue's themes in the order in which a reader meets them.
THEMES = (
    "the published pair",
    "how much was read",
    "mode",
    "remedies",
    "linger",
    "shutdown",
    "order",
    "ways to die",
    "what is lost",
    "server",
    "what clients do",
    "hidden data",
    "scripted peer",
    "the wire",
    "races",
    "TLS",
    "behind a proxy",
    "elixir",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A scenario with the file it came from, word for word."""

    scenario: Scenario
    text: str
    path: Path

    @property
    def where(self) -> str:
        """The path as errors name it, on one line whatever it contains."""
        return _called(self.path)

    def under(self, chance: RandomFaults | None) -> Entry:
        """Return the same with these random faults on the wire instead of its own; None changes nothing."""
        if chance is None:
            return self
        return replace(self, scenario=msgspec.structs.replace(self.scenario, chance=chance))

    def given(self, values: Mapping[str, int]) -> Entry:
        """Return the same with other values for its parameters.

        Raises ScenarioError if they do not fit.
        """
        found = replace(self, scenario=_checked(self.path, self.text, values))
        return found.under(self.scenario.chance)


def names() -> list[str]:
    """Return the names of the scenarios that travel with the program, in alphabetical order."""
    return list(_shipped())


@cache  # asked for with every scenario that is looked for, and the same as long as the program runs
def _shipped() -> tuple[str, ...]:
    return tuple(sorted(_names_in(data_files.path("scenarios"))))


def _names_in(folder: Path) -> list[str]:
    return [file.name.removesuffix(SUFFIX) for file in folder.glob(f"*{SUFFIX}")]


@contextmanager
def naming(where: str, text: str) -> Iterator[None]:
    """Turn a node's UnparsableError within the block into an error with the file and the line in it."""
    try:
        yield
    except UnparsableError as error:
        raise check.unparsable(error, text, where) from error


def not_shipped(entries: Sequence[Entry]) -> list[str]:
    """Return how errors name those of the scenarios that did not come with the program."""
    shipped = data_files.path("scenarios")
    return [entry.where for entry in entries if entry.path.resolve().parent != shipped]


class ScenarioError(UsageError):
    """A file that is not a valid scenario: `problems` are all its faults, `where` is how errors name it."""

    def __init__(self, where: str, problems: Sequence[Problem]) -> None:
        first, *more = problems
        others = f" (and {len(more)} more: `rst-or-fin check {where}` lists them)" if more else ""
        super().__init__(first.told(where) + others)
        self.lines = [problem.told(where) for problem in problems]


def find(name_or_path: str) -> Entry:
    """Load a shipped scenario by its name, or any scenario file by its path.

    Raises UsageError if there is none (with the nearest names), ScenarioError if the file is not valid.
    """
    if name_or_path in names():
        return load(data_files.path("scenarios") / f"{name_or_path}{SUFFIX}")
    if name_or_path.endswith(".toml") or "/" in name_or_path or _exists(name_or_path):
        return load(Path(name_or_path))
    if _exists(name_or_path + SUFFIX):
        raise UsageError(
            f"no scenario is called {clipped(name_or_path, _LONGEST_NAME)!r}",
            f"there is a file {_called(Path(name_or_path + SUFFIX))}: give its name",
        )
    near = difflib.get_close_matches(name_or_path[:_LONGEST_NAME], names(), n=3, cutoff=0.4)
    raise UsageError(
        f"no scenario is called {clipped(name_or_path, _LONGEST_NAME)!r}",
        f"did you mean {' or '.join(near)}? " * bool(near) + "`rst-or-fin list` names them all",
    )


def load(path: Path) -> Entry:
    """Load the scenario in a file.

    Raises UsageError if it cannot be read, ScenarioError with all its faults.
    """
    text = scenario_text.read(path, _called(path))
    return Entry(scenario=_checked(path, text), text=text, path=path)


def _checked(path: Path, text: str, given: Mapping[str, int] | None = None) -> Scenario:
    """Check and parse a scenario; nothing is started for one before. Raises ScenarioError."""
    where = _called(path)
    problems = check.problems(text, where, given=given, cases=_cases(path))
    if problems:
        raise ScenarioError(where, problems)
    for line, old in check.old_names(text):
        warnings.warn(OldNameWarning(old, NEW_NAMES[old], f"{where}:{line}"), stacklevel=2)
    return _with_code(parse(text, where, given), text, path)


def _with_code(scenario: Scenario, text: str, path: Path) -> Scenario:
    """Add the folders of `[node] code` to the scenario. Raises ScenarioError if one has no module."""
    folders: list[str] = []
    for index, pattern in enumerate(scenario.node.code):
        found = sorted(glob.glob(str(path.parent / pattern)))
        with_modules = [each for each in found if any(Path(each).glob("*.beam"))]
        if not with_modules:
            why = f"node.code[{index}]: {shown(pattern)} names no folder with a compiled module (*.beam)"
            line = places(text).line(("node", "code", index))
            raise ScenarioError(_called(path), [Problem(line=line, why=f"{why}: build it first")])
        folders += [str(Path(each).resolve()) for each in with_modules]
    if not folders:
        return scenario
    node = msgspec.structs.replace(scenario.node, code=tuple(folders))
    return msgspec.structs.replace(scenario, node=node)


def _cases(path: Path) -> list[str]:
    """Return the scenarios that a remedy can be for: the shipped ones, and those beside it."""
    is_shipped = path.parent == data_files.path("scenarios")
    return names() if is_shipped else [*names(), *_names_in(path.parent)]


def _called(path: Path) -> str:
    return visible(str(path))


def _exists(name: str) -> bool:
    try:
        return bool(name) and Path(name).exists()
    except (OSError, ValueError):  # no permission on the way, too long, a NUL in it
        return False
