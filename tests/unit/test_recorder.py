"""What is captured at both ends of a wire, and when its program is asked whether anything is on its way."""

from __future__ import annotations

from typing import Any, cast

import pytest
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.runner.recorder import Recorder
from rst_or_fin.testbed.wire_program import Fenced, WireProgram

NODE, PEER = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"


def frame(sender: bytes) -> Frame:
    return Frame(t_ns=1, data=b"\xff" * 6 + sender + b"\x08\x06" + b"\0" * 28)


class Bed:
    """A testbed whose captures show these senders' frames once, and then nothing."""

    def __init__(self, near: list[bytes], far: list[bytes], *, is_idle: bool) -> None:
        self.near, self.far = [frame(sender) for sender in near], [frame(sender) for sender in far]
        self.wire = self
        self.is_idle = is_idle
        self.fences = 0
        self.waited_s = 0.0

    def drain(self, timeout_s: float = 0.0) -> list[Frame]:
        self.waited_s += timeout_s
        taken, self.near = self.near, []
        return taken

    def drain_peer(self) -> list[Frame]:
        taken, self.far = self.far, []
        return taken

    def fence(self) -> Fenced:
        self.fences += 1
        return Fenced(pending=0, lost=0)


class Nowhere:
    """An evidence folder that keeps nothing."""

    def frames(self, frames: object) -> None:
        """Let them go."""

    peer_frames = frames


@pytest.mark.parametrize(
    ("near", "far", "is_idle", "fences"),
    [
        ([NODE, PEER], [NODE, PEER], True, 0),
        ([NODE, PEER], [PEER], True, 1),
        ([NODE], [PEER], True, 1),  # one on its way in each direction
        ([], [], True, 1),
        ([NODE, PEER], [NODE, PEER], False, 1),  # a copy may wait for its time
    ],
)
def test_an_idle_wire_is_asked_only_where_something_may_be_on_its_way(
    near: list[bytes], far: list[bytes], is_idle: bool, fences: int
) -> None:
    testbed = Bed(near, far, is_idle=is_idle)
    Recorder(cast(Any, Nowhere())).see(cast(Any, testbed))
    assert testbed.fences == fences


@pytest.mark.parametrize("far", [[NODE, PEER], [PEER]])
@pytest.mark.parametrize("is_idle", [True, False])
def test_it_waits_once_for_a_frame_whether_the_wire_is_asked_or_not(far: list[bytes], is_idle: bool) -> None:
    """A look that did not wait would be one of thousands until the time to settle is over."""
    testbed = Bed([NODE, PEER], far, is_idle=is_idle)
    Recorder(cast(Any, Nowhere())).see(cast(Any, testbed), 0.05)
    assert testbed.waited_s == 0.05


class Deaf:
    """A program's standard streams that keep nothing."""

    def write(self, data: bytes, timeout_s: float) -> None:
        """Let it go."""


@pytest.mark.parametrize(
    ("rules", "random", "is_idle"),
    [
        ([], None, True),
        ([], {"loss": 0.0, "delay_ms": 0, "seed": 7}, True),
        ([], {"loss": 0.1, "delay_ms": 0, "seed": 7}, False),
        ([{"from": "client", "do": "drop"}], None, False),
    ],
)
def test_a_wire_is_idle_where_nothing_can_happen_to_a_segment(
    rules: list[object], random: object, is_idle: bool
) -> None:
    wire = WireProgram(cast(Any, Deaf()), list, int)
    wire.order({"rules": rules, "random": random}, 0)
    assert wire.is_idle == is_idle
