"""`list` and `explain`: what the scenarios claim, where that comes from, and what to expect."""

from __future__ import annotations

import argparse
import textwrap

from harness import catalogue
from harness.commands.console import palette, print_json
from harness.errors import UsageError
from harness.report import terminal
from harness.scenario import Scenario


def list_scenarios(options: argparse.Namespace) -> int:
    scenarios = [catalogue.find(name).scenario for name in catalogue.names()]
    words = [word.lower() for word in options.words]
    chosen = [s for s in scenarios if all(word in f"{s.name} {s.claim}".lower() for word in words)]
    if not chosen:
        raise UsageError(f"no scenario has {' and '.join(options.words)}", "`rst-or-fin list` names them all")
    if options.json:
        print_json([{"name": s.name, "claim": _flat(s.claim), "ending": s.expect.ending} for s in chosen])
        return 0
    for scenario in chosen:
        print(f"{scenario.name}  [{scenario.expect.ending}]")
        print(textwrap.fill(_flat(scenario.claim), 96, initial_indent="    ", subsequent_indent="    "))
    return 0


def explain(options: argparse.Namespace) -> int:
    scenario = catalogue.find(options.scenario).scenario
    print(terminal.heading(scenario, palette()))
    for title, lines in (
        ("Sources", list(scenario.sources)),
        ("Session", scenario.session.strip().splitlines()),
        ("Server", [f"{scenario.server.kind} {_options(scenario)}".strip()]),
        ("Right before the close", _gate(scenario)),
        ("Expect", _expectation(scenario)),
    ):
        print(f"\n  {title}")
        for line in lines:
            print(f"    {line}")
    return 0


def _flat(text: str) -> str:
    return " ".join(text.split())


def _options(scenario: Scenario) -> str:
    return ", ".join(f"{name} = {value}" for name, value in scenario.server.options.items())


def _gate(scenario: Scenario) -> list[str]:
    points = {"unread": scenario.gate.unread, "received": scenario.gate.received}
    known = [f"{value} bytes {what}" for what, value in points.items() if value is not None]
    return known or ["nothing is demanded of the receive buffer"]


def _expectation(scenario: Scenario) -> list[str]:
    points = {name: getattr(scenario.expect, name) for name in scenario.expect.__struct_fields__}
    return [f"{name.replace('_', ' ')}: {value}" for name, value in points.items() if value is not None]
