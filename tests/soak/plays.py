"""What a soak plays: the scenario and the faults of every number, from the campaign's seed alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rst_or_fin.scenario.model import Scenario
from rst_or_fin.scenario.wire import RandomFaults
from rst_or_fin.storage import scenario_files
from rst_or_fin.storage.scenario_files import Entry
from rst_or_fin.verdict import node_end

BLOCK = 50  # plays of one scenario in a row: they share a testbed
_KINDS = ("origin", "client")
_SELDOM = 4  # so many times as often come those that do not end their node, which takes another one then


@dataclass(frozen=True, slots=True, kw_only=True)
class Plays:
    """Plays without end: the same for the same seed and the same scenarios."""

    entries: Sequence[Entry]
    seed: int

    def entry(self, number: int) -> Entry:
        """The scenario of that play, before its faults."""
        return random.Random(f"{self.seed} {number // BLOCK}").choice(self.entries)

    def faults(self, number: int) -> RandomFaults:
        """The faults of that play."""
        dice = random.Random(f"{self.seed} {number} faults")
        return RandomFaults(
            loss=dice.choice((0.0, 0.02, 0.05, 0.1, 0.2)),
            duplicate=dice.choice((0.0, 0.0, 0.1, 0.3)),
            reorder=dice.choice((0.0, 0.0, 0.1, 0.3)),
            delay_ms=dice.choice((0, 0, 1, 5)),
            jitter_ms=dice.choice((0, 0, 2, 10)),
            seed=dice.randrange(1 << 31),
        )


def suitable(lacks: Callable[[Scenario], str]) -> list[Entry]:
    """The scenarios that can be soaked, each as often as its share; `lacks` tells what is missing here."""
    found = (scenario_files.find(name) for name in scenario_files.names())
    entries = [e for e in found if _is_plain(e.scenario) and not lacks(e.scenario)]
    return [e for e in entries for _ in range(1 if node_end.is_evident(e.scenario.session) else _SELDOM)]


def _is_plain(scenario: Scenario) -> bool:
    """Whether its peer tells what it saw, nothing else breaks its wire, and it is no race."""
    is_special = scenario.race or scenario.rules or scenario.node.applications or scenario.excluded
    return scenario.server.kind in _KINDS and not is_special and not scenario.ends_node
