"""Plays scenarios one after another into evidence folders: the one road from a scenario to judged replays."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rst_or_fin.evidence.records import SessionEnd
from rst_or_fin.own_files import temporary_folder
from rst_or_fin.runner import replay
from rst_or_fin.runner.pool import TestbedPool
from rst_or_fin.storage.scenario_files import Entry, naming
from rst_or_fin.testbed import Testbed
from rst_or_fin.verdict.assessment import Assessment


class Player:
    """Plays scenarios one after another, on as few testbeds as their servers allow."""

    def __init__(self, pool: TestbedPool, *, repeat: int, command_line: tuple[str, ...]) -> None:
        self._pool = pool
        self._repeat = repeat
        self._command_line = command_line
        self._warm: Testbed | None = None

    def excluded(self, entry: Entry) -> str:
        """Return why the scenario cannot be played here; "" if it can."""
        return self._pool.excluded(entry.scenario)

    def warm_up(self, entry: Entry, repeat: int) -> None:
        """Warm up a fresh testbed so that later timings are comparable."""
        testbed = self._testbed(entry)
        if testbed is self._warm:
            return
        with temporary_folder("warm-up") as folder:
            for _ in self._play(entry, Path(folder) / "evidence", repeat):
                pass
        self._warm = testbed

    def play(self, entry: Entry, folder: Path) -> Iterator[Assessment]:
        """Yield every replay as soon as it is judged; the folder is whole when the iterator ends."""
        return self._play(entry, folder, self._repeat)

    def _play(self, entry: Entry, folder: Path, repeat: int) -> Iterator[Assessment]:
        request = replay.Request(
            scenario=entry.scenario,
            scenario_text=entry.text,
            repeat=repeat,
            folder=folder,
            command_line=self._command_line,
        )
        node_gone = False
        with naming(entry.where, entry.text):
            for judged in replay.run(
                request, self._testbed(entry), partial(self._pool.renew, entry.scenario)
            ):
                node_gone = judged.replay.end is SessionEnd.NODE_GONE
                yield judged
        if node_gone:
            self._pool.discard()

    def _testbed(self, entry: Entry) -> Testbed:
        return self._pool.get(entry.scenario)
