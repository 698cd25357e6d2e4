"""How long the wire is watched for a replay: until its connections are over, and all of it is captured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.errors import MachineError
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.runner import settling
from rst_or_fin.runner.recorder import Recorder
from rst_or_fin.storage import scenario_files
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.verdict.replay_tracker import ReplayTracker

from tests.support.cases import heard
from tests.support.segments import EXCHANGE, B, frame, segments


class Bed:
    """A testbed of which the wire shows one text after another, a look each; then its peer may speak."""

    server = B
    wire = None
    kernel_queries_are_local = True

    def __init__(self, *looks: str, peer_report: PeerReport | None = None) -> None:
        whole = [frame(segment) for segment in segments("\n".join(looks))]
        self.looks = []
        for look in looks:
            count = len(segments(look))
            self.looks.append(whole[:count])
            whole = whole[count:]
        self.peer_reports = [peer_report] if peer_report else []
        self.dead = False
        self.patience_s: list[float] = []

    def drain(self, timeout_s: float = 0.0) -> list[Frame]:
        return self.looks.pop(0) if self.looks else []

    def connection_exists(self, *ends: object) -> bool:
        return False

    def peer_report(self, client: Endpoint, timeout_s: float) -> PeerReport | None:
        self.patience_s.append(timeout_s)
        return self.peer_reports.pop() if self.peer_reports and not self.looks[1:] else None

    def check(self) -> None:
        if self.dead:
            raise MachineError("the server ended")


class Nowhere:
    """An evidence folder that keeps nothing."""

    def frames(self, frames: object) -> None:
        """Let them go."""


def settle(scenario: str, testbed: Bed) -> tuple[settling.Settled, ReplayTracker]:
    recorder = Recorder(cast(Any, Nowhere()))
    found = scenario_files.find(scenario).scenario
    return settling.settle(found, cast(Any, testbed), recorder), recorder.near


CLOSED = EXCHANGE + "> F. 19:19(0) ack 486"
ANSWERED = "< F. 486:486(0) ack 20\n> . 20:20(0) ack 487"
ANOTHER = "> S 9000:9000(0)\n< S. 9000:9000(0) ack 9001\n> R. 9001:9001(0) ack 9001"
LATE = "< P. 486:1486(1000) ack 20\n> R 20:20(0)"


def test_what_closed_the_connection_while_its_sockets_were_looked_at_is_captured() -> None:
    settled, wire = settle("recv-then-close", Bed(CLOSED, ANSWERED))
    assert (settled.left_open, [over for _, over in wire.ends()]) == ((), [True])


def test_what_the_peer_said_before_it_answered_is_of_an_earlier_connection_with_these_ports() -> None:
    testbed = Bed(CLOSED, ANSWERED)
    stale, own = (
        replace(heard(end), t_ns=t_ns) for end, t_ns in (("ECONNRESET", 1), ("end of file", 1 << 62))
    )
    testbed.peer_reports = [own, stale]
    settled, _ = settle("recv-then-close", testbed)
    assert settled.peer_reports == (own,)


def test_what_a_scripted_peer_does_before_it_has_spoken_is_captured() -> None:
    testbed = Bed(CLOSED, "< . 486:486(0) ack 20", LATE, peer_report=heard("script played", sent=1485))
    settled, wire = settle("data-after-our-fin", testbed)
    assert ([t.sent for t in settled.peer_reports], wire.frames) == (
        [1485],
        len(segments("\n".join((CLOSED, "< . 486:486(0) ack 20", LATE)))),
    )


def test_a_program_that_died_meanwhile_ends_the_run() -> None:
    testbed = Bed(CLOSED, ANSWERED)
    testbed.dead = True
    with pytest.raises(MachineError, match="the server ended"):
        settle("recv-then-close", testbed)


@pytest.mark.parametrize(("spent_s", "pause_s"), [(0.0, 0.002), (0.16, 0.01), (10.0, 0.05)])
def test_the_longer_it_takes_the_rarer_the_sockets_are_looked_at(spent_s: float, pause_s: float) -> None:
    assert settling.pause_s(spent_s) == pytest.approx(pause_s)


def test_a_proxy_is_not_asked_again_for_its_other_connections() -> None:
    testbed = Bed(CLOSED, ANSWERED, ANOTHER, peer_report=heard("200"))
    settled, wire = settle("nginx-proxy-answer-cut", testbed)
    assert (len(wire.ends()), len(settled.peer_reports), sum(testbed.patience_s)) == (2, 1, 0.0)
