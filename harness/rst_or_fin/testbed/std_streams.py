"""The standard streams of a program on one of the hosts, as whoever speaks with it sees them."""

from __future__ import annotations

from typing import Protocol


class StdStreams(Protocol):
    """A program's standard streams. Both methods raise MachineError or OSError where it is gone."""

    def write(self, data: bytes, timeout_s: float) -> None:
        """Write to the program's standard input."""

    def read(self, timeout_s: float) -> bytes:
        """Return what the program wrote, waiting up to `timeout_s`."""
