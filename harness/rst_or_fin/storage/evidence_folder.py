"""The evidence folder: one run, written before it is judged, readable without the program that wrote it.

Its format is described in docs/evidence.md and carries a version. A folder holds

    manifest.json      the run: format, program, command line, testbed, versions, sysctls, capture facts
    scenario.toml      the scenario, word for word
    capture.pcap       everything on the test network's wire, Ethernet frames with nanosecond time stamps
    transcript.jsonl   a line for each replay: what every session line returned, and how the session ended
    counters.jsonl     a line for each replay: sockets, and kernel counters from its begin until it settled
    peer.jsonl         a line for each replay: what the peer's application saw (null where it was not heard)
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

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeVar

import msgspec

from rst_or_fin import own_files
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.errors import MachineError, UsageError, is_disk_full
from rst_or_fin.evidence import pcap
from rst_or_fin.evidence.records import (
    BoundSocket,
    Call,
    CaptureFacts,
    CounterReading,
    ListeningSocket,
    Moment,
    PeerReport,
    Replay,
    SentBytes,
    SessionEnd,
    SocketState,
    Watch,
    WirePlayed,
)
from rst_or_fin.evidence.strace import SystemCall
from rst_or_fin.evidence.tracepoint import Reset
from rst_or_fin.scenario.axes import Axes
from rst_or_fin.scenario.model import Scenario, parse
from rst_or_fin.scenario.toml_places import TooDeepError, places
from rst_or_fin.scenario.wire import RandomFaults
from rst_or_fin.storage import regular_file

FORMAT = 1
# What a program that knows of one capture alone would misread: a segment that the wire made, as an end's.
FORMAT_OF_TWO_CAPTURES = 2
_READABLE = (FORMAT, FORMAT_OF_TWO_CAPTURES)

_Record = TypeVar("_Record")

_MANIFEST = "manifest.json"
_SCENARIO = "scenario.toml"
_CAPTURE = "capture.pcap"
_TRANSCRIPT = "transcript.jsonl"
_COUNTERS = "counters.jsonl"
_PEER = "peer.jsonl"
_WATCH = "watch.jsonl"
_CAPTURE_AT_PEER = "capture-peer.pcap"
_WIRE = "wire.jsonl"
_STRACE = "strace.jsonl"
_RESETS = "resets.jsonl"
SECRETS = "tls-keys.log"
_VERDICTS = "verdicts.jsonl"

# Far beyond any run: a million replays of the published case capture 1.2 GB.
_MOST_BYTES = {_MANIFEST: 16 << 20, _SCENARIO: 16 << 20}
_MOST_RECORD_BYTES = 4 << 30
_DAMAGED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec makes of damaged JSON


class _Transcript(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    end: SessionEnd
    error: str
    close_line: int
    calls: tuple[Call, ...]
    node_status: int | None = None


class _Counters(msgspec.Struct, frozen=True, kw_only=True):
    """`before` and `after` stand among the readings, too; older programs wrote these two alone."""

    index: int
    sockets: tuple[SocketState, ...]
    before: dict[str, int] | None
    after: dict[str, int] | None
    readings: tuple[CounterReading, ...] = ()
    bound: tuple[BoundSocket, ...] = ()
    listening: tuple[ListeningSocket, ...] = ()
    sent: tuple[SentBytes, ...] = ()
    changed: dict[str, int] | None = None


class _Peer(msgspec.Struct, frozen=True, kw_only=True):
    """`tested` is the report on the connection under test, all that older programs wrote; `every` has all."""

    index: int
    tested: PeerReport | None = msgspec.field(name="testimony")
    every: tuple[PeerReport, ...] = ()

    def peer_reports(self) -> tuple[PeerReport, ...]:
        return self.every or tuple(t for t in (self.tested,) if t is not None)


class _Watch(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    watch: Watch


class _Wire(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    wire: WirePlayed


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    """What every format's manifest says of itself."""

    format: int
    program: str = "unknown"


class _Strace(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    calls: tuple[SystemCall, ...]


class _Resets(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    resets: tuple[Reset, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was: enough to run it again elsewhere and to explain a difference.

    `started` and `finished` are UTC in ISO 8601; `finished` is None where the run was cut short.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One evidence folder, read back. `capture_at_peer` is empty where nothing stood between the hosts."""

    manifest: Manifest
    scenario: Scenario
    capture: bytes
    replays: tuple[Replay, ...]
    peer_reports: tuple[tuple[PeerReport, ...], ...]
    capture_at_peer: bytes = b""
    secrets: bytes = b""  # of TLS, in NSS's key log format


class Writer:
    """Writes one evidence folder as the run goes on, so that a run that is cut short leaves what it had.

    Raises MachineError where the folder cannot be written (disk full, no permission).
    """

    def __init__(self, folder: Path, *, scenario_text: str, manifest: Manifest) -> None:
        self.folder = folder
        self._manifest = manifest
        with _Writing(folder):
            folder.mkdir(parents=True, exist_ok=False)
            self._write_manifest(manifest)
            (folder / _SCENARIO).write_text(scenario_text, encoding="utf-8")
        self._files: dict[str, BinaryIO] = {}
        with _Writing(folder), ExitStack() as opened:
            captures = [_CAPTURE]
            if manifest.format == FORMAT_OF_TWO_CAPTURES:
                captures.append(_CAPTURE_AT_PEER)
            for name in (*captures, _TRANSCRIPT, _COUNTERS, _PEER, _WATCH, _VERDICTS):
                self._files[name] = opened.enter_context((folder / name).open("wb"))
            for name in captures:
                self._files[name].write(pcap.header())
                self._files[name].flush()
            self._closing = opened.pop_all()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _Writing(self.folder):
            self._closing.close()  # every one of them, also where one cannot be flushed

    def frames(self, frames: Iterable[Frame]) -> None:
        """Append frames to the capture."""
        with _Writing(self.folder):
            self._files[_CAPTURE].write(pcap.records(frames))

    def peer_frames(self, frames: Iterable[Frame]) -> None:
        """Append frames captured at the peer's end of a wire that a program is in the middle of."""
        with _Writing(self.folder):
            self._files[_CAPTURE_AT_PEER].write(pcap.records(frames))

    def replay(self, replay: Replay, peer_reports: Sequence[PeerReport], tested: PeerReport | None) -> None:
        """Append one replay. `tested` is the peer's report on the connection under test."""
        self._line(
            _TRANSCRIPT,
            _Transcript(
                index=replay.index,
                end=replay.end,
                error=replay.error,
                close_line=replay.close_line,
                calls=replay.calls,
                node_status=replay.node_status,
            ),
        )
        self._line(
            _COUNTERS,
            _Counters(
                index=replay.index,
                sockets=replay.sockets,
                before=_plain(replay.reading(Moment.BEFORE)),
                after=_plain(replay.reading(Moment.AFTER)),
                readings=replay.readings,
                bound=replay.bound,
                listening=replay.listening,
                sent=replay.sent,
                changed=None if replay.changed is None else dict(replay.changed),
            ),
        )
        self._line(_PEER, _Peer(index=replay.index, tested=tested, every=tuple(peer_reports)))
        if replay.watch is not None:
            self._line(_WATCH, _Watch(index=replay.index, watch=replay.watch))
        if replay.wire is not None:
            self._line(_WIRE, _Wire(index=replay.index, wire=replay.wire))
        if replay.system_calls is not None:
            self._line(_STRACE, _Strace(index=replay.index, calls=replay.system_calls))
        if replay.resets is not None:
            self._line(_RESETS, _Resets(index=replay.index, resets=replay.resets))

    def secrets(self, lines: Sequence[str]) -> None:
        """Append lines to the TLS key log; the file is created with the first of them."""
        if lines:
            self._append(SECRETS, "".join(f"{line}\n" for line in lines).encode("ascii", "replace"))

    def verdict(self, record: object) -> None:
        """Append one replay's verdict."""
        self._line(_VERDICTS, record)

    def flush(self) -> None:
        """Write out what is still buffered."""
        with _Writing(self.folder):
            for file in self._files.values():
                file.flush()

    def finish(self, *, finished: str, capture: CaptureFacts) -> None:
        """Complete the manifest with the capture's facts and the time the run ended."""
        self.flush()
        with _Writing(self.folder):
            self._write_manifest(msgspec.structs.replace(self._manifest, finished=finished, capture=capture))

    def _write_manifest(self, manifest: Manifest) -> None:
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        own_files.replace(self.folder / _MANIFEST, text + b"\n")

    def _line(self, name: str, record: object) -> None:
        self._append(name, msgspec.json.encode(record) + b"\n")

    def _append(self, name: str, data: bytes) -> None:
        with _Writing(self.folder):
            if name not in self._files:
                self._files[name] = self._closing.enter_context((self.folder / name).open("wb"))
            self._files[name].write(data)


def format_of(*, wired: bool) -> int:
    """Return the format of a run's evidence: a run with a program between the hosts has its own."""
    return FORMAT_OF_TWO_CAPTURES if wired else FORMAT


def new_folder(out: Path, name: str) -> Path:
    """Return a new path for a run of that scenario: the time (UTC), its name and a random suffix."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return out / f"{stamp}-{name}-{secrets.token_hex(3)}"


def read(folder: Path) -> Evidence:
    """Read an evidence folder.

    Raises UsageError, with the file and the reason, where it is not one, has a later format, or is damaged.
    """
    written = _decode(folder / _MANIFEST, _Written)
    if written.format not in _READABLE:
        raise UsageError(
            f"{folder}: evidence of format {written.format}; this program reads formats"
            f" {' and '.join(map(str, _READABLE))}",
            f"judge it with the version that wrote it: {written.program}",
        )
    manifest = _decode(folder / _MANIFEST, Manifest)
    transcripts = _decode_lines(folder / _TRANSCRIPT, _Transcript)
    counters = _decode_lines(folder / _COUNTERS, _Counters)
    peers = _decode_lines(folder / _PEER, _Peer)
    for number, lines in enumerate(zip(transcripts, counters, peers, strict=False), start=1):
        if len({line.index for line in lines}) > 1:
            raise UsageError(
                f"{folder}: line {number} of transcript, counters and peer.jsonl is of different replays",
                "use another copy of the evidence",
            )
    capture = _capture(folder / _CAPTURE, manifest)
    wired = manifest.format == FORMAT_OF_TWO_CAPTURES
    passed = _decode_lines(folder / _WIRE, _Wire) if wired and (folder / _WIRE).exists() else []
    played = {line.index: line.wire for line in passed}
    strace = _decode_lines(folder / _STRACE, _Strace) if (folder / _STRACE).exists() else []
    system_calls = {line.index: line.calls for line in strace}
    traced = _decode_lines(folder / _RESETS, _Resets) if (folder / _RESETS).exists() else []
    resets = {line.index: line.resets for line in traced}
    watched = _decode_lines(folder / _WATCH, _Watch) if (folder / _WATCH).exists() else []
    watches = {line.index: line.watch for line in watched}
    # A run that was killed may lack its last line.
    whole = min(len(transcripts), len(counters), len(peers), len(watched) or len(peers))
    if wired:
        whole = min(whole, len(passed))
    return Evidence(
        manifest=manifest,
        scenario=_scenario(folder, manifest),
        capture=capture,
        secrets=_read(folder / SECRETS) if (folder / SECRETS).exists() else b"",
        replays=tuple(
            Replay(
                index=transcript.index,
                calls=transcript.calls,
                end=transcript.end,
                error=transcript.error,
                close_line=transcript.close_line,
                sockets=counted.sockets,
                readings=counted.readings or _readings(counted),
                bound=counted.bound,
                listening=counted.listening,
                sent=counted.sent,
                changed=counted.changed,
                watch=watches.get(transcript.index),
                wire=played.get(transcript.index),
                system_calls=system_calls.get(transcript.index),
                resets=resets.get(transcript.index),
                node_status=transcript.node_status,
            )
            for transcript, counted in zip(transcripts[:whole], counters[:whole], strict=True)
        ),
        peer_reports=tuple(peer.peer_reports() for peer in peers[:whole]),
        capture_at_peer=_capture(folder / _CAPTURE_AT_PEER, manifest) if wired else b"",
    )


def _capture(path: Path, manifest: Manifest) -> bytes:
    """Read a capture; that of a run that was cut short may end in the middle of a record."""
    capture = _read(path)
    return pcap.whole_records(capture) if manifest.finished is None else capture


def _scenario(folder: Path, manifest: Manifest) -> Scenario:
    text = read_scenario_text(folder)
    try:
        places(text)
    except TooDeepError as error:  # tomllib takes time with the square of a key's parts
        raise UsageError(f"{folder / _SCENARIO}: {error}", "use another copy of the evidence") from error
    scenario = parse(text, manifest.scenario, manifest.parameters)
    return msgspec.structs.replace(scenario, chance=manifest.chance)


def write_verdicts(folder: Path, records: Iterable[object]) -> None:
    """Replace the verdicts of an evidence folder after it has been judged again."""
    with _Writing(folder):
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        own_files.replace(folder / _VERDICTS, lines)


def write_json(path: Path, record: object) -> None:
    """Write a JSON document that summarises evidence folders, beside them."""
    with _Writing(path.parent):
        own_files.replace(path, msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read_scenario_text(folder: Path) -> str:
    """Read the scenario of an evidence folder, with bytes that are not UTF-8 replaced."""
    return _read(folder / _SCENARIO).decode("utf-8", "replace")


def _plain(reading: CounterReading | None) -> dict[str, int] | None:
    return None if reading is None else dict(reading.counters)


def _readings(counted: _Counters) -> tuple[CounterReading, ...]:
    """Read an older program's counters: two readings, without their times."""
    pairs = ((Moment.BEFORE, counted.before), (Moment.AFTER, counted.after))
    return tuple(CounterReading(moment=m, counters=c) for m, c in pairs if c is not None)


def _read(path: Path) -> bytes:
    try:
        return regular_file.read(path, _MOST_BYTES.get(path.name, _MOST_RECORD_BYTES))
    except regular_file.NotRegularError as error:
        raise UsageError(f"{path} is {error.what}", "evidence is made of regular files") from error
    except regular_file.TooLongError as error:
        raise UsageError(
            f"{path} is longer than that of any run", "use another copy of the evidence"
        ) from error
    except FileNotFoundError as error:
        raise UsageError(
            f"{path.parent} is not an evidence folder: {path.name} is missing",
            "give a folder that a run wrote (runs/...)",
        ) from error
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", "check the path and its permissions"
        ) from error
    except ValueError as error:  # a NUL in its name
        raise UsageError(f"{path}: no file can have that name", "check the path") from error


def _decode(path: Path, kind: type[_Record]) -> _Record:
    try:
        return msgspec.json.decode(_read(path), type=kind)
    except _DAMAGED as error:
        raise UsageError(f"{path} is damaged: {error}", "use another copy of the evidence") from error


def _decode_lines(path: Path, kind: type[_Record]) -> list[_Record]:
    decoder = msgspec.json.Decoder(kind)
    return list(_records(path, decoder))


def _records(path: Path, decoder: msgspec.json.Decoder[Any]) -> Iterator[Any]:
    lines = _read(path).split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is an unfinished line
        try:
            yield decoder.decode(line)
        except _DAMAGED as error:
            raise UsageError(
                f"{path}, line {number}, is damaged: {error}", "use another copy of it"
            ) from error


class _Writing:
    """Tell what goes wrong with files meanwhile as MachineError or UsageError.

    A class, not a generator: it is entered for every line of evidence.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        """Begin; nothing is needed for that."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, FileExistsError):
            raise UsageError(f"{self._folder} exists already", "choose another folder with --out") from error
        if isinstance(error, OSError):
            remedy = (
                "free some space, or write elsewhere with --out DIR; what had been written is kept"
                if is_disk_full(error)
                else "write elsewhere with --out DIR"
            )
            raise MachineError(
                f"cannot write the evidence to {self._folder}: {error.strerror}", remedy
            ) from error
