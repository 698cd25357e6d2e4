"""Scenarios played one after another into evidence folders, for commands that play many."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from harness import run as conductor
from harness.beds import Beds
from harness.catalogue import Entry
from harness.evidence import SessionEnd
from harness.judged import Judged
from harness.testbed import Testbed


class Player:
    """Plays scenarios one after another, on as few testbeds as their servers allow."""

    def __init__(self, beds: Beds, *, repeat: int, command_line: tuple[str, ...]) -> None:
        self._beds = beds
        self._repeat = repeat
        self._command_line = command_line

    def excluded(self, entry: Entry) -> str:
        """Why the scenario cannot be played here; empty where it can."""
        return entry.scenario.excluded_at(conductor.axes_of(self._bed(entry)))

    def play(self, entry: Entry, folder: Path) -> Iterator[Judged]:
        """Every replay as soon as it is judged; the folder is whole when the iterator ends."""
        request = conductor.Request(
            scenario=entry.scenario,
            scenario_text=entry.text,
            repeat=self._repeat,
            folder=folder,
            command_line=self._command_line,
        )
        node_gone = False
        for judged in conductor.run(request, self._bed(entry), partial(self._beds.renew, entry.scenario)):
            node_gone = judged.replay.end is SessionEnd.NODE_GONE
            yield judged
        if node_gone:
            self._beds.discard()

    def _bed(self, entry: Entry) -> Testbed:
        return self._beds.get(entry.scenario)
