"""`list` and `explain`: what the scenarios claim, where that comes from, and what to expect."""

from __future__ import annotations

import argparse
import json
import textwrap
import warnings
from collections.abc import Iterator
from typing import Any

from rst_or_fin.commands.console import columns, palette, print_json, show
from rst_or_fin.errors import OldNameWarning, UsageError
from rst_or_fin.escaping import on_one_line
from rst_or_fin.report import terminal
from rst_or_fin.report.fitting import WIDTH
from rst_or_fin.scenario.axes import When
from rst_or_fin.scenario.model import Expectation, Scenario, Server, Variant
from rst_or_fin.storage import scenario_files
from rst_or_fin.tcp.ending import Ending
from rst_or_fin.tcp.precondition import Precondition


def list_scenarios_options(parser: argparse.ArgumentParser) -> None:
    """Add what `list` takes."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="only those whose name or claim contains it")
    parser.add_argument("--theme", metavar="THEME", help="only those of one theme (`list` shows them)")
    parser.add_argument(
        "--ending",
        metavar="ENDING",
        help="only those with this ending, by default or in a variant: RST, FIN, 'FIN then RST', none",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def list_scenarios(options: argparse.Namespace) -> int:
    """Print the scenarios of the catalogue that pass every filter, by theme."""
    scenarios = [scenario_files.find(name).scenario for name in scenario_files.names()]
    themes = scenario_files.THEMES
    wanted = None if options.theme is None else options.theme.lower()
    if wanted == "cures":
        warnings.warn(OldNameWarning("cures", "remedies"), stacklevel=1)
        wanted = "remedies"
    if wanted is not None and wanted not in (theme.lower() for theme in themes):
        raise UsageError(f"no scenario has the theme {options.theme!r}", f"one of: {', '.join(themes)}")
    ending = None if options.ending is None else _ending(options.ending)
    words = [word.lower() for word in options.words]
    chosen = [
        scenario
        for scenario in scenarios
        if all(word in f"{scenario.name} {scenario.claim}".lower() for word in words)
        and wanted in (None, scenario.theme.lower())
        and (ending is None or ending in _endings(scenario))
    ]
    if not chosen:
        raise UsageError("no scenario matches all of that", "`rst-or-fin list` names them all")
    if options.json:
        print_json([_record(scenario) for scenario in chosen])
        return 0
    colours = palette()
    blocks = []
    for theme in themes:
        members = [scenario for scenario in chosen if scenario.theme == theme]
        if members:
            lines = [f"{colours.bold}{theme}{colours.plain} ({len(members)})"]
            lines += [line for scenario in members for line in _listed(scenario)]
            blocks.append("\n".join(lines))
    show("\n\n".join(blocks))
    return 0


def explain_options(parser: argparse.ArgumentParser) -> None:
    """Add what `explain` takes."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a name (see `list`) or a .toml file")


def explain(options: argparse.Namespace) -> int:
    """Print everything that a scenario file says, in the order of a reader's questions."""
    scenario = scenario_files.find(options.scenario).scenario
    show(terminal.heading(scenario, palette(), width=columns()))
    for title, lines in (
        ("Sources", list(scenario.sources)),
        ("A remedy for", [scenario.remedy_for] if scenario.remedy_for else []),
        ("Parameters", [f"{name} = {value}" for name, value in scenario.parameters.items()]),
        ("Session", scenario.session.strip().splitlines()),
        ("Server", _server(scenario.server)),
        ("Right before the close", _precondition(scenario.precondition)),
        ("Expect" + _race(scenario), _expectation(scenario.expect)),
        *(_variant(variant) for variant in reversed(scenario.variants)),
        ("Not played", [f"{_when(x.when)}: {x.reason}" for x in scenario.excluded]),
    ):
        if lines:
            show("\n".join([f"\n  {title}", *(f"    {line}" for line in lines)]))
    return 0


def _ending(text: str) -> Ending:
    """Parse an ending as typed: `fin then rst`, `fin-then-rst`. Raises UsageError."""
    for ending in Ending:
        if ending.lower() == text.lower().replace("-", " "):
            return ending
    raise UsageError(f"there is no ending {text!r}", f"one of: {', '.join(Ending)}")


def _endings(scenario: Scenario) -> list[Ending]:
    """Return the default ending, then those of its variants, each once."""
    expected = [scenario.expect.ending, *(variant.expect.ending for variant in scenario.variants)]
    return list(dict.fromkeys(expected))


def _listed(scenario: Scenario) -> Iterator[str]:
    first, *others = _endings(scenario)
    tag = "a race" if scenario.race else f"{first}" + "".join(f"; {ending} on some axes" for ending in others)
    yield f"  {scenario.name}  [{tag}]"
    width = min(columns(), WIDTH) - 4
    yield textwrap.fill(
        on_one_line(scenario.claim), width, initial_indent="      ", subsequent_indent="      "
    )


def _record(scenario: Scenario) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "theme": scenario.theme,
        "claim": on_one_line(scenario.claim),
        "ending": scenario.expect.ending,
        "endings": _endings(scenario),
        "race": scenario.race,
        "remedy_for": scenario.remedy_for,
        "before": scenario.remedy_for,  # its name until 1.0
        "parameters": scenario.parameters,
    }


def _variant(variant: Variant) -> tuple[str, list[str]]:
    lines = _expectation(variant.expect)
    if variant.precondition is not None:
        lines += [f"right before the close: {line}" for line in _precondition(variant.precondition)]
    return f"Expect instead, {_when(variant.when)}", [*lines, f"({variant.reference})"]


def _when(when: When) -> str:
    """Write the condition in words: `with OTP >=29 and backend socket`."""
    axes = (
        ("OTP", when.otp),
        ("backend", when.backend),
        ("kernel", when.kernel),
        ("IPv", when.family),
        ("runtime", when.runtime),
    )
    named = [f"{name} {' or '.join(map(str, values))}" for name, values in axes if values]
    return "with " + " and ".join(named) if named else "everywhere"


def _race(scenario: Scenario) -> str:
    return " (mostly: it is a race, shown as a distribution)" if scenario.race else ""


def _server(server: Server) -> list[str]:
    options = dict(server.options)
    script = str(options.pop("script", "") or options.pop("steps", ""))
    told = ", ".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    return [f"{server.kind} {told}".strip(), *(f"  {line}" for line in script.splitlines())]


def _precondition(precondition: Precondition) -> list[str]:
    points = {"unread": precondition.unread, "received": precondition.received}
    known = [f"{value} bytes {what}" for what, value in points.items() if value is not None]
    return known or ["nothing is demanded of the receive buffer"]


def _expectation(expect: Expectation) -> list[str]:
    points = {name: getattr(expect, name) for name in expect.__struct_fields__}
    return [f"{name.replace('_', ' ')}: {value}" for name, value in points.items() if value is not None]
