"""Drives the peer's program: tells it what to be, and hears what it reports of connections."""

from __future__ import annotations

import time

from rst_or_fin.errors import MachineError
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.model import Server
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed.peer_log import PeerLog
from rst_or_fin.testbed.std_streams import StdStreams

_ANSWER_TIMEOUT_S = 10.0


def not_listening(timeout_s: float) -> MachineError:
    """Make the error for a peer that has not reported within `timeout_s` that it listens."""
    return MachineError(f"the server did not listen within {timeout_s:.0f} s", "see `rst-or-fin doctor`")


class PeerProgram:
    """One peer, over its standard streams. Whatever these raise where it is gone, its methods raise."""

    def __init__(self, lines: StdStreams) -> None:
        self._lines = lines
        self._log = PeerLog()

    def hear(self, timeout_s: float) -> bool:
        """Take in what it has logged; return False when there is nothing in this time."""
        said = self._lines.read(timeout_s)
        self._log.feed(said)
        return bool(said)

    def await_listening(self, timeout_s: float) -> None:
        """Wait for its first line, which says that it listens. Raises MachineError if none comes."""
        deadline = time.monotonic() + timeout_s
        while not self._log.lines:
            if not self.hear(max(0.0, deadline - time.monotonic())):
                raise not_listening(timeout_s)

    def give(self, credentials: bytes) -> None:
        """Hand it the certificates that it speaks TLS with."""
        self._lines.write(credentials, _ANSWER_TIMEOUT_S)

    def connect(self) -> None:
        """Have a peer that is a client connect."""
        self._lines.write(b"connect\n", _ANSWER_TIMEOUT_S)

    def become(self, server: Server) -> None:
        """Have it be that server from now on. Raises MachineError if it does not say that it is."""
        adjusted = self._log.adjusted
        self._lines.write(peers.reconfigure_line(server), _ANSWER_TIMEOUT_S)
        deadline = time.monotonic() + _ANSWER_TIMEOUT_S
        while self._log.adjusted == adjusted:
            if not self.hear(max(0.0, deadline - time.monotonic())):
                raise MachineError("the server did not confirm its new options", "run it again")

    def report(self, client: Endpoint, timeout_s: float) -> PeerReport | None:
        """Return what it saw of the connection from `client`; None if it does not say so in this time."""
        deadline = time.monotonic() + timeout_s
        while client not in self._log:
            if not self.hear(max(0.0, deadline - time.monotonic())):
                break
        return self._log.take(client)

    def secrets(self) -> list[str]:
        """Return new lines of its TLS key log."""
        return self._log.secrets()
