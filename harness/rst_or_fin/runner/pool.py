"""One testbed at a time, kept for as long as the scenarios agree on the server that they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rst_or_fin.runner.replay import axes_of
from rst_or_fin.scenario.model import Scenario, Server
from rst_or_fin.testbed import Testbed
from rst_or_fin.testbed.select import Runtime

_Item = TypeVar("_Item")


def side_by_side(items: Sequence[_Item], server_of: Callable[[_Item], Server]) -> list[_Item]:
    """The items with those that need the same server together, so that they can share a testbed."""
    servers = [server_of(item) for item in items]
    return sorted(items, key=lambda item: servers.index(server_of(item)))


class TestbedPool:
    """Opens testbeds as scenarios ask for them. Use as a context manager: the last one is closed with it."""

    def __init__(self, runtime: Runtime, progress: Callable[[object], None]) -> None:
        self._runtime = runtime
        self._progress = progress
        self._bed: Testbed | None = None
        self._server: Server | None = None

    def __enter__(self) -> TestbedPool:
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()

    def get(self, scenario: Scenario) -> Testbed:
        """A testbed with the scenario's server: the last one where it fits."""
        if self._bed is None or self._server != scenario.server:
            self.discard()
            self._bed = self._runtime.open(scenario.server, self._progress)
            self._server = scenario.server
        return self._bed

    def excluded(self, scenario: Scenario) -> str:
        """Why the scenario cannot be played here, told without a testbed where it can be; empty otherwise."""
        return scenario.excluded_at(self._runtime.known) or scenario.excluded_at(axes_of(self.get(scenario)))

    def renew(self, scenario: Scenario) -> Testbed:
        """A fresh testbed, because the node of the last one is gone."""
        self.discard()
        return self.get(scenario)

    def discard(self) -> None:
        bed, self._bed = self._bed, None
        if bed is not None:
            bed.close()
