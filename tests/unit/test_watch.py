"""How long the wire is watched for a replay: until its connections are over, and all of it is captured."""

from __future__ import annotations

from typing import Any, cast

from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.runner import replay
from rst_or_fin.storage import scenario_files
from rst_or_fin.verdict.assess import Wire

from tests.support.segments import EXCHANGE, frame, segments


class Closing:
    """A testbed whose kernels let go between a look at the wire and one at their sockets."""

    def __init__(self, before: str, after: str) -> None:
        whole = [frame(segment) for segment in segments(before + "\n" + after)]
        count = len(segments(before))
        self.looks = [whole[:count], whole[count:]]

    def drain(self, timeout_s: float = 0.0) -> list[Frame]:
        return self.looks.pop(0) if self.looks else []

    def holds(self, *ends: object) -> bool:
        return False


class Nowhere:
    """An evidence folder that keeps nothing."""

    def frames(self, frames: object) -> None:
        """Let them go."""


def test_what_closed_the_connection_while_its_sockets_were_looked_at_is_captured() -> None:
    bed = Closing(EXCHANGE + "> F. 19:19(0) ack 486", "< F. 486:486(0) ack 20\n> . 20:20(0) ack 487")
    scenario = scenario_files.find("recv-then-close").scenario
    wire = Wire()
    left_open = replay._watch(scenario, cast(Any, bed), wire, cast(Any, Nowhere()))
    assert (left_open, [over for _, over in wire.ends()]) == ([], [True])
