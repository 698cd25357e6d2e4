"""The format of the evidence folder: one run, written before it is judged.

It is readable without this program: docs/evidence.md describes it. It carries a version. A folder holds

    manifest.json      the run: format, program, command line, testbed, versions, sysctls, capture facts
    scenario.toml      the scenario, word for word
    capture.pcap       everything on the test network's wire, Ethernet frames with nanosecond time stamps
    transcript.jsonl   a line for each replay: what every session line returned, and how the session ended
    counters.jsonl     a line for each replay: sockets, and kernel counters from its start until it settled
    peer.jsonl         a line for each replay: what the peer's application reported (null where it did not)
    watch.jsonl        a line for each replay: which of the capture's frames passed in its time, until when
                       the wire was watched, and which connections were still open then
    capture-peer.pcap  where a program stood between the hosts, in which case capture.pcap is what passed at
                       the node's end of the wire: the same at the peer's end
    wire.jsonl         a line for each replay, there alone: what the wire did to which segment, and which of
                       the peer's capture's frames passed in its time
    strace.jsonl       a line for each replay, only where --strace was asked for: the tested socket's system
                       calls as strace shows them
    resets.jsonl       a line for each replay, only where the node's kernel gives reasons: the RSTs that it
                       sent for the tested socket
    tls-keys.log       only where the peer speaks TLS: the secrets of its handshakes, in NSS's key log format
    verdicts.jsonl     a line for each replay: the verdict and how it compares; the only file that is derived
"""

from __future__ import annotations

from typing import Any

import msgspec

from rst_or_fin.evidence.records import (
    BoundSocket,
    Call,
    CaptureFacts,
    CounterReading,
    ListeningSocket,
    PeerReport,
    SentBytes,
    SessionEnd,
    SocketState,
    Watch,
    WirePlayed,
)
from rst_or_fin.evidence.strace import SystemCall
from rst_or_fin.evidence.tracepoint import Reset
from rst_or_fin.scenario.axes import Axes
from rst_or_fin.scenario.wire import RandomFaults

FORMAT = 1
# What a program that knows of one capture alone would misread: a segment that the wire made, as an end's.
FORMAT_OF_TWO_CAPTURES = 2
READABLE = (FORMAT, FORMAT_OF_TWO_CAPTURES)

MANIFEST = "manifest.json"
SCENARIO = "scenario.toml"
CAPTURE = "capture.pcap"
TRANSCRIPT = "transcript.jsonl"
COUNTERS = "counters.jsonl"
PEER = "peer.jsonl"
WATCH = "watch.jsonl"
CAPTURE_AT_PEER = "capture-peer.pcap"
WIRE = "wire.jsonl"
STRACE = "strace.jsonl"
RESETS = "resets.jsonl"
SECRETS = "tls-keys.log"
VERDICTS = "verdicts.jsonl"


class TranscriptLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of transcript.jsonl."""

    index: int
    end: SessionEnd
    error: str
    close_line: int
    calls: tuple[Call, ...]
    node_status: int | None = None


class CountersLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of counters.jsonl. `before` and `after` are readings, too, the only ones of older programs."""

    index: int
    sockets: tuple[SocketState, ...]
    before: dict[str, int] | None
    after: dict[str, int] | None
    readings: tuple[CounterReading, ...] = ()
    bound: tuple[BoundSocket, ...] = ()
    listening: tuple[ListeningSocket, ...] = ()
    sent: tuple[SentBytes, ...] = ()
    changed: dict[str, int] | None = None


class PeerLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of peer.jsonl. `tested` is about the connection under test; older programs wrote only that."""

    index: int
    tested: PeerReport | None = msgspec.field(name="testimony")
    every: tuple[PeerReport, ...] = ()

    def peer_reports(self) -> tuple[PeerReport, ...]:
        """Return all reports."""
        return self.every or tuple(t for t in (self.tested,) if t is not None)


class WatchLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of watch.jsonl."""

    index: int
    watch: Watch


class WireLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of wire.jsonl."""

    index: int
    wire: WirePlayed


class FormatAndProgram(msgspec.Struct, frozen=True, kw_only=True):
    """What every format's manifest says of itself."""

    format: int
    program: str = "unknown"


class StraceLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of strace.jsonl."""

    index: int
    calls: tuple[SystemCall, ...]


class ResetsLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of resets.jsonl."""

    index: int
    resets: tuple[Reset, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was: enough to run it again elsewhere and to explain a difference.

    `started` and `finished` are UTC in ISO 8601; `finished` is None if the run was cut short.
    """

    format: int
    program: str
    command_line: tuple[str, ...]
    started: str
    finished: str | None
    scenario: str
    axes: Axes
    server: tuple[str, int]
    client_address: str
    capture: CaptureFacts
    facts: dict[str, Any]
    parameters: dict[str, int] = {}  # values given in place of the scenario's own
    repeat: int = 0  # how many replays there were to be; 0: an older program did not say
    clock_error_ns: int = 0  # how far times that the node told may be off the capture's
    chance: RandomFaults | None = None  # faults that were given in place of the scenario's own


def format_of(*, wired: bool) -> int:
    """Return the format of a run's evidence: a run with a program between the hosts has its own."""
    return FORMAT_OF_TWO_CAPTURES if wired else FORMAT
