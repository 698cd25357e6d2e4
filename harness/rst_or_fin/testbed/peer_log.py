"""Reads what the server's log reports of connections, line by line (see agents/origin.py). No I/O."""

from __future__ import annotations

import json
from collections import deque

from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.tcp.segment import Endpoint


class PeerLog:
    """Takes the log as it comes, however it was cut, and keeps its report on a connection until asked."""

    __test__ = False  # not a pytest class, whatever its name begins with

    def __init__(self) -> None:
        self._rest = b""
        self._heard: dict[Endpoint, deque[PeerReport]] = {}
        self._secrets: list[str] = []
        self.lines = 0  # whole ones, so far
        self.adjusted = 0  # how often the peer has said that it does as it was told

    def feed(self, log: bytes) -> None:
        """Take in more of the log. Raises ValueError on a line that is not JSON."""
        *lines, self._rest = (self._rest + log).split(b"\n")
        self.lines += len(lines)
        for line in lines:
            event = json.loads(line)
            if event["event"] == "secrets":
                self._secrets += event["lines"]
            elif event["event"] == "serving":
                self.adjusted += 1
            elif event["event"] == "ended":
                peer = Endpoint(*event["peer"])
                peer_report = PeerReport(
                    peer=peer,
                    received=event["received"],
                    sent=event["sent"],
                    end=event["end"],
                    trouble=event.get("trouble", ""),
                    t_ns=event.get("t_ns"),
                    log=event.get("log", ""),
                )
                self._heard.setdefault(peer, deque()).append(peer_report)

    def secrets(self) -> list[str]:
        """Return the lines of key log that were reported since the last time."""
        told, self._secrets = self._secrets, []
        return told

    def __contains__(self, peer: object) -> bool:
        return peer in self._heard or (isinstance(peer, Endpoint) and _any_port(peer) in self._heard)

    def take(self, peer: Endpoint) -> PeerReport | None:
        """Return the report on the first connection from `peer`, and forget it; None for none."""
        if peer not in self._heard:
            peer = _any_port(peer)
        told = self._heard.get(peer)
        if not told:
            return None
        first = told.popleft()
        if not told:
            del self._heard[peer]
        return first


def _any_port(peer: Endpoint) -> Endpoint:
    """Return the end as reported where its port is unknown: a proxy's connections."""
    return Endpoint(peer.address, 0)
