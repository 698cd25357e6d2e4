"""What one replay leaves behind: the witnesses' reports, before they are judged.

Plain records, no I/O. `storage` writes and reads them, `verdict` weighs them, `report` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from rst_or_fin.evidence.strace import SystemCall
from rst_or_fin.evidence.tracepoint import Reset
from rst_or_fin.tcp.segment import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One line of the Erlang session: its source, the result as the shell prints it, and how long it took.

    `t_ns` is when it began, on the capture's clock; None if unknown.
    """

    source: str
    result: str
    duration_us: int
    t_ns: int | None = None

    @property
    def end_ns(self) -> int | None:
        """When the call ended, on the capture's clock; None if its start is unknown."""
        return None if self.t_ns is None else self.t_ns + self.duration_us * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundSocket:
    """A connected socket that a session's line bound to a variable, and which line (from 1) that was."""

    name: str
    local: Endpoint
    remote: Endpoint
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningSocket:
    """A listening socket that a session's line bound, and whether it was closed when the session ended."""

    name: str
    local: Endpoint
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBytes:
    """How many bytes a session handed to one of its sockets to be sent, whatever became of them."""

    local: Endpoint
    remote: Endpoint
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketState:
    """The state of one connected socket right before the close line, from its own kernel.

    `received` counts payload bytes that arrived in order; `unread` those of them that still lie in the
    kernel's receive buffer. Neither counts the peer's FIN. `state` is TCP_INFO's tcpi_state.
    """

    name: str
    local: Endpoint
    remote: Endpoint
    received: int
    unread: int
    state: int


def unread_share(unread: int, received: int) -> str:
    """Return how much lay unread: `485 of 485 bytes`.

    The kernel is asked for the two one after the other, for `received` first: with a peer that still sends,
    more may lie there than had come by then.
    """
    if unread > received:
        return f"{unread} bytes ({received} had come a moment before)"
    return f"{unread} of {received} bytes"


class Moment(StrEnum):
    """When the kernel's counters were read."""

    BEGUN = "begun"
    BEFORE = "before the close line"
    AFTER = "after the close line"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterReading:
    """The kernel's counters of the closing host's network namespace, as they stood at one moment.

    They were read between `from_ns` and `to_ns` on the capture's clock; None if unknown.
    """

    moment: Moment
    counters: Mapping[str, int]
    from_ns: int | None = None
    to_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How long the wire was watched for one replay.

    `first_frame` and `last_frame` number the capture's frames (from 1) that passed in its time; `until_ns` is
    when the watch ended, on the capture's clock: when every connection had ended for both hosts' kernels, or
    the time to settle was over. `left_open` are the connections, each by its two ends, that had not.
    `dropped` counts the frames that the capture had lost until then.
    """

    first_frame: int
    last_frame: int
    until_ns: int
    dropped: int = 0
    left_open: tuple[tuple[Endpoint, Endpoint], ...] = ()

    def left(self, one: Endpoint, other: Endpoint) -> bool:
        """Return whether the connection between these two was still open when the watch ended."""
        return (one, other) in self.left_open or (other, one) in self.left_open


@dataclass(frozen=True, slots=True, kw_only=True)
class WireAction:
    """What the wire between the hosts did to a segment, at what time, on the captures' clock.

    `rule` counts from 0 in the order of the scenario's file; -1 stands for its random faults. `sender` is
    "client" or "server"; `segment` is in tcpdump's notation with relative numbers.
    """

    rule: int
    did: str
    sender: str
    segment: str
    client: Endpoint
    server: Endpoint
    t_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WirePlayed:
    """What the wire between the hosts did in one replay, and what was captured at the peer's end meanwhile.

    `first_frame` and `last_frame` number the frames of that capture (from 1), `dropped` counts those that
    it lost until then. `lost` are frames for which the wire itself had no room, `pending` those that still
    waited for their time when the watch ended. `gone` says why the wire's program ended, empty if it did
    not.
    `held_by_peer` are connections, each by its two ends, that only the peer's host still had then.
    """

    first_frame: int
    last_frame: int
    actions: tuple[WireAction, ...] = ()
    dropped: int = 0
    lost: int = 0
    pending: int = 0
    gone: str = ""
    held_by_peer: tuple[tuple[Endpoint, Endpoint], ...] = ()


class SessionEnd(StrEnum):
    """How a session's evaluation ended on the node."""

    DONE = "done"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    NODE_GONE = "node gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One session, played once: what every line returned and what the kernel reported around the close.

    `close_line` is the 1-based number of the line that closes (0 if it was never reached); `sockets`
    were looked at right before it. `bound` are all connected sockets that lines bound to variables,
    `listening` those that listened or did; `sent` has what was handed to them. `readings` are in order of
    time. `wire` is what a wire with rules did (None if nothing stood between the hosts).
    `system_calls` are those of the socket under test, as strace shows them (None if not recorded);
    `resets` the RSTs that its kernel sent for it, with the kernel's reasons (None if it gives none).
    `changed` are all counters of the closing host's network namespace that changed between the session's
    start and the settled end, by how much (None if they were not read at both). `error` is the Erlang
    error of a line that crashed, or what ended the session otherwise. `node_status` is how the process of a
    node that is gone ended: its exit code, or minus the number of the signal (None if unknown).
    """

    index: int
    calls: tuple[Call, ...]
    end: SessionEnd
    error: str
    close_line: int
    sockets: tuple[SocketState, ...]
    readings: tuple[CounterReading, ...] = ()
    bound: tuple[BoundSocket, ...] = ()
    listening: tuple[ListeningSocket, ...] = ()
    sent: tuple[SentBytes, ...] = ()
    watch: Watch | None = None
    wire: WirePlayed | None = None
    system_calls: tuple[SystemCall, ...] | None = None
    resets: tuple[Reset, ...] | None = None
    node_status: int | None = None
    changed: Mapping[str, int] | None = None

    def reading(self, moment: Moment) -> CounterReading | None:
        """Return the counters as they were read at that moment; None if they were not."""
        return next((reading for reading in self.readings if reading.moment is moment), None)

    @property
    def close_returned(self) -> bool:
        """Whether the close line was reached and returned."""
        return 0 < self.close_line <= len(self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerReport:
    """What the peer's application saw of one connection.

    `peer` is the end that connected. `end` is what its last read or write gave: "end of file", or an
    errno's name such as "ECONNRESET". `trouble` says why it could not do its part (empty if it could):
    what happened then is not what the scenario is about. `t_ns` is when it reported, on its own clock.
    `log` is what a proxy in between wrote down. A `peer` with port 0 is any connection from that address.
    """

    __test__ = False  # not a pytest class, whatever its name begins with

    peer: Endpoint
    received: int
    sent: int
    end: str
    trouble: str = ""
    t_ns: int | None = None
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFacts:
    """Whether the capture is whole: how many frames the kernel dropped, and whether its end was fenced."""

    dropped: int
    fenced: bool
