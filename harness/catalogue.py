"""Where scenarios are found: the ones that travel with the program, by name, and a user's own, by path."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness import resources, servers
from harness.errors import UsageError
from harness.scenario import SUFFIX, Scenario, parse

# The published case: connect/send/close and connect/send/recv/close.
PUBLISHED_PAIR = ("close-with-unread-response", "recv-then-close")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A scenario with the file it came from, word for word."""

    scenario: Scenario
    text: str
    path: Path

    def given(self, values: Mapping[str, int]) -> Entry:
        """The same with other values for its parameters. Raises UsageError where one is not its own."""
        return replace(self, scenario=parse(self.text, str(self.path), values))


def names() -> list[str]:
    """The names of the scenarios that travel with the program, in alphabetical order."""
    return sorted(path.name.removesuffix(SUFFIX) for path in resources.path("scenarios").glob(f"*{SUFFIX}"))


def find(name_or_path: str) -> Entry:
    """A shipped scenario by its name, or any scenario file by its path.

    Raises UsageError where there is none (with the nearest names) or where the file is malformed.
    """
    if name_or_path in names():
        return load(resources.path("scenarios") / f"{name_or_path}{SUFFIX}")
    path = Path(name_or_path)
    if path.is_file():
        return load(path)
    if path.suffix == ".toml" or "/" in name_or_path:
        raise UsageError(f"no scenario file {name_or_path}", "check the path")
    near = difflib.get_close_matches(name_or_path, names(), n=3, cutoff=0.4)
    raise UsageError(
        f"no scenario is called {name_or_path!r}",
        f"did you mean {' or '.join(near)}? " * bool(near) + "`rst-or-fin list` names them all",
    )


def load(path: Path) -> Entry:
    """The scenario in that file. Raises UsageError with file, place and reason."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", "give a TOML file in UTF-8") from error
    scenario = parse(text, str(path))
    servers.check(scenario.server, str(path))
    return Entry(scenario=scenario, text=text, path=path)
