"""Waits until a replay's connections are over for the wire, both kernels and the peer, or time is up.

Later segments count for no verdict, so this waits for everything that may still arrive, but no longer than
`settle_ms` and 2 s for the peer's reports.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.runner.recorder import Ends, Recorder
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed import Testbed

_PEER_REPORT_TIMEOUT_S = 2.0
_LOOK_AGAIN_S = 0.002  # at the kernels' sockets, while nothing passes on the wire
_LONGEST_PAUSE_S = 0.05  # between two looks, once much time has been spent
_PAUSE_SHARE = 1 / 16  # of the time spent: what takes long may be seen a little later
_AT_ONCE = 20  # looks without a pause: the other kernel takes microseconds to hear the last segment
_CHECK_EVERY_S = 0.5  # that peer and capture live


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What the peer's application reported of each connection, and which connections were still open."""

    peer_reports: tuple[PeerReport, ...]
    left_open: tuple[Ends, ...]


def pause_s(spent_s: float) -> float:
    """Return how long to wait for a frame, in seconds, before the sockets are looked at again."""
    return min(max(_LOOK_AGAIN_S, spent_s * _PAUSE_SHARE), _LONGEST_PAUSE_S)


def settle(scenario: Scenario, testbed: Testbed, recorder: Recorder) -> Settled:
    """Watch the wire and the peer until all is over, or for as long as the scenario allows.

    Raises MachineError if a program of the testbed other than the node has ended.
    """
    return _Settling(scenario, testbed, recorder).run()


class _Settling:
    def __init__(self, scenario: Scenario, testbed: Testbed, recorder: Recorder) -> None:
        self._testbed = testbed
        self._recorder = recorder
        self._wire = recorder.near
        self._kind = peers.kind_of(scenario.server)
        self._settle_s = scenario.settle_ms / 1000
        self._began = time.monotonic()
        self._report_of: dict[int, PeerReport] = {}  # by the connection's place in the replay

    def run(self) -> Settled:
        left_open = self._until_over()
        self._await_reports(left_open)
        self._testbed.check()
        # Nothing has passed since the sockets were looked at, or they are looked at again: what the peer did
        # before it spoke, for one.
        while not left_open and self._recorder.peek(self._testbed) and self._spent_s() < self._settle_s:
            left_open = self._look(0.0)
        return Settled(peer_reports=self._reports(), left_open=tuple(left_open))

    def _until_over(self) -> Sequence[Ends]:
        """Drain the wire until nothing is open and the peer has reported, or the time to settle is over.

        Returns what is still open then: its end comes too late to be judged.
        """
        checked_s = timeout_s = 0.0
        looks = 0
        while True:
            self._take_reports()
            left_open = self._look(timeout_s)
            waits = left_open or not self._recorder.is_still(self._testbed)
            waits = waits or (self._kind.requires_peer_report and not self._has_all_reports())
            spent_s = self._spent_s()
            if not waits or spent_s >= self._settle_s or self._recorder.is_cut_off(self._testbed):
                return left_open
            if spent_s - checked_s > _CHECK_EVERY_S:
                self._testbed.check()
                checked_s = spent_s
            looks += 1
            timeout_s = min(self._settle_s - spent_s, pause_s(spent_s)) if looks > _AT_ONCE else 0.0

    def _look(self, timeout_s: float) -> Sequence[Ends]:
        """Look at the wire, then at the kernels' sockets; return the connections that are still open."""
        self._recorder.see(self._testbed, timeout_s)
        left_open = self._recorder.left_open(self._testbed)
        if not left_open and not self._recorder.has_seen_all_end():
            self._recorder.see(self._testbed)  # what closed them came after the wire was looked at
            left_open = self._recorder.left_open(self._testbed)
        return left_open

    def _spent_s(self) -> float:
        return time.monotonic() - self._began

    def _take_reports(self) -> None:
        """Take in what the peer has reported by now of the connections seen so far."""
        if self._has_all_reports():
            return
        for index, (ends, _) in enumerate(self._wire.ends()):
            if self._wire.is_answered(index):  # else it cannot be told from an earlier one with its ports
                self._take_report(index, ends, 0.0)

    def _has_all_reports(self) -> bool:
        awaited = min(len(self._wire), 1) if self._kind.reports_once else len(self._wire)
        return len(self._report_of) == awaited

    def _await_reports(self, left_open: Sequence[Ends]) -> None:
        """Wait for the peer's report on each connection that has ended for it, or must be reported."""
        if self._has_all_reports():
            return
        deadline = time.monotonic() + _PEER_REPORT_TIMEOUT_S
        for index, (ends, over) in enumerate(self._wire.ends()):
            patience_s = max(0.0, deadline - time.monotonic()) if self._is_due(ends, over, left_open) else 0.0
            self._take_report(index, ends, patience_s)

    def _is_due(self, ends: Ends, over: bool, left_open: Sequence[Ends]) -> bool:
        return ends not in left_open and (over or self._kind.requires_peer_report)

    def _take_report(self, index: int, ends: Ends, patience_s: float) -> None:
        if index not in self._report_of and not self._has_all_reports():
            client = self._client(ends)
            peer_report = self._testbed.peer_report(client, patience_s)
            while peer_report is not None and not self._wire.may_be_of(index, peer_report):
                peer_report = self._testbed.peer_report(client, patience_s)
            if peer_report is not None:
                self._report_of[index] = peer_report

    def _client(self, ends: Ends) -> Endpoint:
        of_peer, of_node = ends if ends[0].address == self._testbed.server.address else ends[::-1]
        return of_peer if self._kind.connects else of_node

    def _reports(self) -> tuple[PeerReport, ...]:
        return tuple(self._report_of[index] for index in sorted(self._report_of))
