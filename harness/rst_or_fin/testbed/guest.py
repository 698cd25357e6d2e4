"""Reads what a kernel image's guest reports beside its node: counters, and why it sent a RST.

Its lines come on the container's standard output (what they are: containers/kernel/root/init).
"""

from __future__ import annotations

import base64
import time
from collections import deque
from collections.abc import Callable

from rst_or_fin.errors import MachineError
from rst_or_fin.evidence import tracepoint
from rst_or_fin.evidence.tracepoint import Reset
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed.std_streams import StdStreams

_ANSWER_TIMEOUT_S = 10.0
_KEPT_RESETS = 1000  # those of the control link are never asked for


class Guest:
    """The guest behind a container's standard streams. Every method waits up to 10 s for an answer."""

    def __init__(self, log: StdStreams) -> None:
        self._log = log
        self._rest = b""
        self._accelerator = ""
        self._counter_tables = b""
        self._resets: deque[Reset] = deque(maxlen=_KEPT_RESETS)
        self._fences = 0
        self._answered = ""
        self._tells = True

    def feed(self, said: bytes) -> None:
        """Take in what another reader took from the container's standard output."""
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            self._take(line.decode("ascii", "replace"))

    def accelerator(self) -> str:
        """Return what QEMU runs the guest on: "kvm" or "tcg"; "" if it does not say."""
        self._hear_until(lambda: bool(self._accelerator))
        return self._accelerator

    def counter_tables(self) -> bytes:
        """Return the guest's counters, which it tells when its node has ended; empty if it does not."""
        self._hear_until(lambda: bool(self._counter_tables))
        return self._counter_tables

    def resets(self, local: Endpoint, remote: Endpoint) -> tuple[Reset, ...] | None:
        """Return the RSTs that the guest's kernel sent from `local` to `remote`, each only once.

        None if its tracepoint gives no reasons, or lost events. Raises MachineError if no answer comes.
        """
        if not self._tells:
            return None
        self._fences += 1
        self._log.write(b"fence %d\n" % self._fences, _ANSWER_TIMEOUT_S)
        if not self._hear_until(lambda: self._answered == str(self._fences)):
            raise MachineError(
                f"the guest did not say within {_ANSWER_TIMEOUT_S:.0f} s which RST it sent", "run it again"
            )
        if not self._tells:
            return None
        found = [r for r in self._resets if (r.source, r.destination) == (local, remote)]
        for reset in found:
            self._resets.remove(reset)
        return tuple(found)

    def _hear_until(self, heard: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + _ANSWER_TIMEOUT_S
        while not heard():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            self.feed(self._log.read(left_s))
        return True

    def _take(self, line: str) -> None:
        kind, _, text = line.partition(" ")
        if kind == "counters":
            self._counter_tables = base64.b64decode(text)
        elif kind == "accelerator":
            self._accelerator = text
        elif kind == "untraced":
            self._answered, self._tells = text, False
        elif tracepoint.MARK in line:
            self._answered = line.partition(tracepoint.MARK)[2]
        elif tracepoint.LOST in line:
            self._tells = False
        else:
            reset = tracepoint.parse(line)
            if reset is not None:
                self._resets.append(reset)
