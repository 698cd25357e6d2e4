"""Finds everything that is wrong with a scenario file, with its lines, before anything starts. Pure.

`scenario.parse` reads a file, and stops at the first thing that keeps it from being a scenario. Evidence is
read with that alone: what was played once stays readable, whatever is checked today.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from rst_or_fin.errors import UnparsableError, UsageError
from rst_or_fin.scenario import parameters
from rst_or_fin.scenario.fields import FIELDS
from rst_or_fin.scenario.misfits import Misfit, Walk
from rst_or_fin.scenario.model import Scenario, parse
from rst_or_fin.scenario.renamed import is_old, new_path, with_new_names
from rst_or_fin.scenario.rules import name_problem, rules
from rst_or_fin.scenario.toml_places import Places, TooDeepError, places

MOST_PROBLEMS = 20  # a file with more of them is no scenario at all

_PLACE_OF_ERROR = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing that is wrong, told on one line. `line` is the file's, from 1; 0: the file as a whole."""

    line: int
    why: str

    def told(self, where: str) -> str:
        """Return the sentence after its place, as compilers write it: `my.scenario.toml:12: ...`."""
        return f"{where}:{self.line}: {self.why}" if self.line else f"{where}: {self.why}"


def problems(
    text: str, where: str, *, given: Mapping[str, int] | None = None, cases: Collection[str] = ()
) -> list[Problem]:
    """Return what is wrong with a scenario file, by lines, at most MOST_PROBLEMS.

    `where` is the file, which names the scenario. `given` are values in place of its parameters' own. `cases`
    are the names that `remedy_for` may have.
    """
    try:
        found = places(text)
        found.lines = {new_path(path): line for path, line in found.lines.items()}
        document = with_new_names(tomllib.loads(text))
    except TooDeepError as error:
        return [Problem(line=error.line, why=error.why)]
    except tomllib.TOMLDecodeError as error:
        return [_no_toml(str(error), text)]
    except (ValueError, RecursionError):  # Python reads no number of more than 4300 digits
        return [
            Problem(line=0, why="not valid TOML: a number with too many digits, or values nested too deeply")
        ]
    wrong = list(islice(_misfits(document, given or {}, cases), MOST_PROBLEMS))
    return sorted({_placed(each, found) for each in wrong}) or _what_is_left(text, where, given or {})


def old_names(text: str) -> list[tuple[int, str]]:
    """Return the fields of a valid scenario file that have another name now, each with its line."""
    return [(line, str(path[-1])) for path, line in places(text).lines.items() if is_old(path)]


def unparsable(error: UnparsableError, text: str, where: str) -> UsageError:
    """Make the error for a session that a node could not parse, with the file and the line in it."""
    line = places(text).line_within(("session",), error.line)
    return UsageError(Problem(line=line, why=str(error)).told(where), error.hint)


# How tomllib says that a string is not closed, or goes on where its line ends.
_OPEN_STRINGS = ("Illegal character '\\n'", 'Expected "\'"', "Unterminated string")
_NO_QUOTE = ": a closing quote is missing"


def _no_toml(why: str, text: str) -> Problem:
    place = _PLACE_OF_ERROR.search(why)
    line = int(place.group(1) or text.count("\n") + 1) if place else 0
    hint = _NO_QUOTE if why.startswith(_OPEN_STRINGS) else ""
    return Problem(line=line, why=f"not valid TOML: {_PLACE_OF_ERROR.sub('', why)}{hint}")


def _misfits(document: dict[str, Any], given: Mapping[str, int], cases: Collection[str]) -> Iterator[Misfit]:
    wrong = [Misfit(path=path, why=why) for path, why in islice(parameters.problems(document), MOST_PROBLEMS)]
    if wrong:
        bound = parameters.without_references(document)
    else:
        try:
            bound = parameters.bind(document, given)
        except parameters.ParameterError as error:  # of those that are given
            return iter([Misfit(path=(), why=str(error))])
    server = document.get("server", {})
    kind = server.get("kind", "origin") if isinstance(server, dict) else "origin"
    known = rules(kind if isinstance(kind, str) else "origin", cases, str(document.get("session", "")))
    walk = Walk(rules=known, meanings=FIELDS, hidden=("given", "chance"))
    bound.pop("given", None)  # told already
    return chain(wrong, walk.misfits(bound, Scenario))


def _placed(misfit: Misfit, found: Places) -> Problem:
    line = found.line_within(misfit.path, misfit.line) if misfit.line else found.line(misfit.path)
    return Problem(line=line, why=misfit.why)


def _what_is_left(text: str, where: str, given: Mapping[str, int]) -> list[Problem]:
    """Return what only the model itself rejects, and a name that the file's own makes impossible."""
    try:
        name = parse(text, where, given).name
    except UsageError as error:
        return [Problem(line=0, why=str(error).removeprefix(f"{where}: "))]
    why = name_problem(name)
    return [Problem(line=0, why=f"{why}: rename the file, or give it a `name`")] if why else []
