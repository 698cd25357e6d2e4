"""What one replay leaves behind: the words of the witnesses, before anybody judges them.

Plain records, no I/O. `store` writes and reads them, `judge` weighs them, `report` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from harness.resets import Reset
from harness.system_calls import SystemCall
from harness.tcp import Endpoint

MOST_BYTES = 2**31 - 1  # relative sequence numbers go no further
Length = Annotated[int, msgspec.Meta(ge=0, le=MOST_BYTES)]

# The kernel's counters that tell why a RST was sent: /proc/net/netstat (TcpExt) and /proc/net/snmp (Tcp)
# of the closing host's network namespace (Documentation/networking/snmp_counter.rst, Linux 6.12).
COUNTERS = (
    "TcpExt:TCPAbortOnClose",
    "TcpExt:TCPAbortOnData",
    "TcpExt:TCPAbortOnLinger",
    "TcpExt:TCPAbortOnTimeout",
    "Tcp:OutRsts",
    "Tcp:EstabResets",
    "Tcp:RetransSegs",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One link-layer frame as captured: `t_ns` in nanoseconds since the epoch, Ethernet header included."""

    t_ns: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One line of the Erlang session: its source, the result as the shell prints it, and how long it took."""

    source: str
    result: str
    duration_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketState:
    """One connected socket right before the close line, as its own kernel tells it.

    `received` counts payload bytes that arrived in order; `unread` those of them that still lie in the
    kernel's receive buffer. Neither counts the peer's FIN. `state` is TCP_INFO's tcpi_state.
    """

    name: str
    local: Endpoint
    remote: Endpoint
    received: int
    unread: int
    state: int


class SessionEnd(StrEnum):
    """How a session's evaluation ended on the node."""

    DONE = "done"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    NODE_GONE = "node gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One session, played once: what every line returned and what the kernel said around the close.

    `close_line` is the 1-based number of the line that closes; `sockets` and `counters_before` were taken
    right before it, `counters_after` right after it (None where it was never reached). `system_calls` are
    those of the socket under test, as strace shows them (None where it was not asked to); `resets` the RSTs
    that its kernel sent for it, with the kernel's reasons (None where it gives none). `error` is the Erlang
    error of a line that crashed, or what ended the session otherwise.
    """

    index: int
    calls: tuple[Call, ...]
    end: SessionEnd
    error: str
    close_line: int
    sockets: tuple[SocketState, ...]
    counters_before: Mapping[str, int] | None
    counters_after: Mapping[str, int] | None
    system_calls: tuple[SystemCall, ...] | None = None
    resets: tuple[Reset, ...] | None = None

    @property
    def subject(self) -> SocketState | None:
        """The socket whose end is under test: the one bound to `Sock`, or else the first connected one."""
        named = [socket for socket in self.sockets if socket.name == "Sock"]
        return next(iter(named or self.sockets), None)


class Gate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the receive buffer must hold right before the close, in bytes; None: nothing is demanded.

    Where the length is the server's business, `unread` is "all" (something has arrived, and none of it was
    read) or "some" (at least one byte).
    """

    unread: Length | Literal["all", "some"] | None = None
    received: Length | None = None

    def __post_init__(self) -> None:
        if isinstance(self.unread, int) and self.received is not None and self.unread > self.received:
            raise ValueError(f"{self.unread} bytes unread of {self.received} received: no buffer holds that")


@dataclass(frozen=True, slots=True, kw_only=True)
class Testimony:
    """What the peer's application saw of one connection.

    `peer` is the end that connected. `end` is what its last read or write gave: "end of file", or an errno's
    name such as "ECONNRESET". `trouble` says why it could not do its part (empty where it could): what
    happened then is not what the scenario is about.
    """

    __test__ = False  # not a pytest class, whatever its name begins with

    peer: Endpoint
    received: int
    sent: int
    end: str
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFacts:
    """Whether the capture is whole: how many frames the kernel dropped, and whether its end was fenced."""

    dropped: int
    fenced: bool
