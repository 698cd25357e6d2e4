"""What all blocks of our own pages share: the scenarios, links to them and to their sources, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from rst_or_fin.report.markdown import escaped
from rst_or_fin.scenario.axes import When
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.storage import scenario_files

PUBLISHED = "the published pair"

_LINKS = (
    (re.compile(r"RFC (\d+) section ([\d.]*\d)"), r"https://www.rfc-editor.org/rfc/rfc\1#section-\2"),
    (re.compile(r"RFC (\d+)"), r"https://www.rfc-editor.org/rfc/rfc\1"),
    (re.compile(r"Linux (?:before )?commit ([0-9a-f]{12})"), r"https://git.kernel.org/linus/\1"),
    (re.compile(r"OTP commit ([0-9a-f]{12})"), r"https://github.com/erlang/otp/commit/\1"),
)


@cache
def scenarios() -> tuple[Scenario, ...]:
    """Return the catalogue, in alphabetical order."""
    return tuple(scenario_files.find(name).scenario for name in scenario_files.names())


def theme_of(scenario: Scenario) -> str:
    """Return the theme under which the pages show a scenario."""
    return PUBLISHED if scenario.name in scenario_files.PUBLISHED_PAIR else scenario.theme


def slug(words: str) -> str:
    """Return the name of a theme's file."""
    return words.replace(" ", "-").lower()


def to(scenario: Scenario, up: str = "catalogue/") -> str:
    """Link to the scenario's section; `up` is the way from the page to the catalogue's folder."""
    return f"[{scenario.name}]({up}{slug(theme_of(scenario))}.md#{scenario.name})"


def when(condition: When) -> str:
    """Write the condition in words: `with OTP >=29 and the backend socket`."""
    axes = (
        ("OTP", condition.otp),
        ("the backend", condition.backend),
        ("kernel", condition.kernel),
        ("runtime", condition.runtime),
    )
    named = [f"{name} {escaped(' or '.join(map(str, values)))}" for name, values in axes if values]
    named += [f"IPv{family}" for family in condition.family]
    return "with " + " and ".join(named) if named else "everywhere"


def linked(source: str) -> str:
    """Write a source with its standard or its commit as a link."""
    for pattern, target in _LINKS:
        found = pattern.search(source)
        if found:
            link = f"[{escaped(found.group())}]({found.expand(target)})"
            return escaped(source).replace(escaped(found.group()), link, 1)
    return escaped(source)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; cells must be escaped already."""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
