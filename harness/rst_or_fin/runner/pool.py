"""Keeps one testbed at a time, for as long as the scenarios need the same server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from rst_or_fin.runner.replay import axes_of
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.model import Hosts, Scenario
from rst_or_fin.testbed import Testbed
from rst_or_fin.testbed.select import Runtime

_Item = TypeVar("_Item")


def side_by_side(items: Sequence[_Item], hosts_of: Callable[[_Item], Hosts]) -> list[_Item]:
    """Sort the items so that those that need the same hosts stand together and can share a testbed."""
    hosts = [hosts_of(item) for item in items]
    return sorted(items, key=lambda item: hosts.index(hosts_of(item)))


class TestbedPool:
    """Opens testbeds as scenarios ask for them. Use as a context manager: the last one is closed with it."""

    __test__ = False  # not a pytest class, whatever its name begins with

    def __init__(self, runtime: Runtime, progress: Callable[[object], None]) -> None:
        self._runtime = runtime
        self._progress = progress
        self._testbed: Testbed | None = None
        self._hosts: Hosts | None = None

    def __enter__(self) -> TestbedPool:
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()

    def get(self, scenario: Scenario) -> Testbed:
        """Return a testbed with the hosts that the scenario needs: the last one where it fits."""
        if self._hosts != scenario.hosts:
            self._adjust(scenario.hosts)
        if self._testbed is None or self._hosts != scenario.hosts or _is_cut_off(self._testbed):
            self.discard()
            self._testbed = self._runtime.open(scenario.hosts, self._progress)
            self._hosts = scenario.hosts
        return self._testbed

    def _adjust(self, hosts: Hosts) -> None:
        """Change what can be changed of a testbed that is open, so that it has these hosts if it can."""
        if self._testbed is None or self._hosts is None:
            return
        same = replace(self._hosts, server=hosts.server) == hosts
        if (
            same
            and peers.can_reconfigure(self._hosts.server, hosts.server)
            and not _is_cut_off(self._testbed)
        ):
            self._testbed.serve(hosts.server)
            self._hosts = hosts

    def excluded(self, scenario: Scenario) -> str:
        """Return why the scenario cannot be played here, without a testbed where possible, or ""."""
        return self.excluded_beforehand(scenario) or scenario.excluded_at(axes_of(self.get(scenario)))

    def excluded_beforehand(self, scenario: Scenario) -> str:
        """Return why it cannot be played, as far as that is known without a testbed, or ""."""
        return scenario.excluded_at(self._runtime.known) or self._runtime.lacks(scenario.hosts)

    def renew(self, scenario: Scenario) -> Testbed:
        """Open a fresh testbed, because the node of the last one is gone."""
        self.discard()
        return self.get(scenario)

    def discard(self) -> None:
        """Close the open testbed, if there is one."""
        testbed, self._testbed = self._testbed, None
        if testbed is not None:
            testbed.close()


def _is_cut_off(testbed: Testbed) -> bool:
    """Return whether the program between the two hosts is gone, so that nothing passes any more."""
    return testbed.wire is not None and bool(testbed.wire.gone)
