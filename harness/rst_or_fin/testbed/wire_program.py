"""Drives a wire that breaks on purpose: tells its program the rules, and hears what it did.

What the program is told and says is in agents/wire.py. Once it is gone, nothing passes between the hosts any
more; that is remembered, and every replay from then on says so.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.errors import MachineError
from rst_or_fin.evidence.records import WireAction
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed.std_streams import StdStreams

_ANSWER_TIMEOUT_S = 5.0
_START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """What a fence found: `pending` frames wait for their time, for `lost` ones the wire had no room."""

    pending: int
    lost: int


class WireProgram:
    """One wire. `drain_peer` takes what was captured at the peer's end of it."""

    def __init__(
        self, lines: StdStreams, drain_peer: Callable[[], list[Frame]], dropped: Callable[[], int]
    ) -> None:
        self._lines = lines
        self._rest = b""
        self._actions: list[WireAction] = []
        self.drain_peer = drain_peer
        self.dropped_at_peer = dropped
        self.gone = ""
        self.is_idle = False  # what is ordered lets everything pass as it was sent

    def await_ready(self) -> None:
        """Wait until the wire passes frames. Raises MachineError if it never does."""
        event = self._hear({"ready", "failed"}, _START_TIMEOUT_S)
        if event is None or event["event"] == "failed":
            why = self.gone or (event or {}).get("error", f"it said nothing for {_START_TIMEOUT_S:g} s")
            raise MachineError(f"the wire between the hosts did not start: {why}", "see `rst-or-fin doctor`")

    def order(self, order: Mapping[str, Any], replay: int) -> None:
        """Ask for these rules from now on, for the connections of that replay; `await_playing` tells when."""
        chance = {name: value for name, value in (order["random"] or {}).items() if name != "seed"}
        self.is_idle = not order["rules"] and not any(chance.values())
        self._tell({"do": "play", "replay": replay, **order})

    def await_playing(self) -> None:
        """Wait until the ordered rules are played, and forget what the wire did before."""
        if not self.gone:
            self._hear({"playing"}, _ANSWER_TIMEOUT_S)
        self._actions.clear()

    def fence(self) -> Fenced | None:
        """Let everything pass that is on its way; return None if the wire is gone."""
        self._tell({"do": "fence"})
        event = None if self.gone else self._hear({"fenced"}, _ANSWER_TIMEOUT_S)
        return None if event is None else Fenced(pending=event["pending"], lost=event["dropped"])

    def take(self) -> tuple[WireAction, ...]:
        """Return and clear the actions that the program has reported since `await_playing`."""
        actions, self._actions = self._actions, []
        return tuple(actions)

    def _tell(self, order: Mapping[str, Any]) -> None:
        if self.gone:
            return
        try:
            self._lines.write(json.dumps(order).encode() + b"\n", _ANSWER_TIMEOUT_S)
        except (OSError, MachineError) as error:
            self.gone = str(error)

    def _hear(self, answers: set[str], timeout_s: float) -> dict[str, Any] | None:
        deadline = time.monotonic() + timeout_s
        while True:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                event: dict[str, Any] = json.loads(line)
                if event["event"] in answers:
                    return event
                self._actions.append(_action(event))
                continue
            try:
                said = self._lines.read(max(0.0, deadline - time.monotonic()))
            except (OSError, MachineError) as error:
                self.gone = str(error)
                return None
            if not said:
                self.gone = self.gone or f"it did not answer within {timeout_s:g} s"
                return None
            self._rest += said


def _action(event: Mapping[str, Any]) -> WireAction:
    client, server = _ends(bytes.fromhex(event["ends"]))
    return WireAction(
        rule=event["rule"],
        did=event["did"],
        sender=event["from"],
        segment=event["segment"],
        client=client,
        server=server,
        t_ns=event["t_ns"],
    )


def _ends(packed: bytes) -> tuple[Endpoint, Endpoint]:
    from ipaddress import ip_address

    half = (len(packed) - 4) // 2
    ports = int.from_bytes(packed[-4:-2], "big"), int.from_bytes(packed[-2:], "big")
    one, other = (str(ip_address(packed[at : at + half])) for at in (0, half))
    return Endpoint(one, ports[0]), Endpoint(other, ports[1])
