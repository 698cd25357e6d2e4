"""The driver's end of a capture in a container: what it took, how much the kernel dropped, what it counts."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rst_or_fin.agents import frames
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.errors import MachineError
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed.container_stdio import ContainerStdio

_START_TIMEOUT_S = 30.0
_ANSWER_TIMEOUT_S = 10.0


class CaptureClient:
    """One capture, over its container's standard streams. `dropped` and `now_ns` are as of the last drain.

    Every method raises MachineError if the capture has ended, or takes too long.
    """

    def __init__(self, stdio: ContainerStdio) -> None:
        self._stdio = stdio
        self._records = frames.Decoder()
        self.dropped = self.now_ns = 0

    def await_ready(self) -> dict[str, object]:
        """Wait until it captures, and return its facts: interface, offloads, receive buffer in bytes."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while (remaining := deadline - time.monotonic()) > 0:
            for record in self._records.feed(self._stdio.read(remaining)):
                if isinstance(record, frames.Ready):
                    return dict(record.facts)
                if isinstance(record, frames.Failed):
                    raise MachineError(record.error, "see `rst-or-fin doctor`")
        raise MachineError(
            f"the capture was not ready within {_START_TIMEOUT_S:.0f} s", "see `rst-or-fin doctor`"
        )

    def drain(self) -> list[Frame]:
        """Return everything captured up to now, oldest first: one round trip, in which it drains its tap."""
        taken: list[Frame] = []
        for record in self._answers(frames.DRAIN):
            if isinstance(record, frames.Captured):
                taken.append(Frame(t_ns=record.t_ns, data=record.data))
            elif isinstance(record, frames.Drained):
                self.dropped, self.now_ns = record.dropped, record.now_ns
                break
        return taken

    def counter_tables(self) -> bytes:
        """Read the counters of the network namespace that it captures in."""
        for record in self._answers(frames.COUNT):
            if isinstance(record, frames.Counted):
                return record.tables
        return b""

    def holds(self, own: Endpoint, other: Endpoint) -> bool:
        """Return whether this network namespace's kernel still has a connection, TIME_WAIT aside."""
        for record in self._answers(frames.ask_for(own, other)):
            if isinstance(record, frames.ConnectionHeld):
                return record.held
        return False

    def _answers(self, order: bytes) -> Iterator[frames.Record]:
        self._stdio.write(order, _ANSWER_TIMEOUT_S)
        deadline = time.monotonic() + _ANSWER_TIMEOUT_S
        while (remaining := deadline - time.monotonic()) > 0:
            yield from self._records.feed(self._stdio.read(remaining))
        raise MachineError(f"the capture did not answer within {_ANSWER_TIMEOUT_S:.0f} s", "run it again")
