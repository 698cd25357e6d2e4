"""Reads an evidence folder back, and says which file is damaged, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rst_or_fin.errors import UsageError
from rst_or_fin.evidence import pcap
from rst_or_fin.evidence.records import CounterReading, Moment, PeerReport, Replay
from rst_or_fin.scenario.model import Scenario, parse
from rst_or_fin.scenario.toml_places import TooDeepError, places
from rst_or_fin.storage import regular_file
from rst_or_fin.storage.evidence_format import (
    CAPTURE,
    CAPTURE_AT_PEER,
    COUNTERS,
    FORMAT_OF_TWO_CAPTURES,
    MANIFEST,
    PEER,
    READABLE,
    RESETS,
    SCENARIO,
    SECRETS,
    STRACE,
    TRANSCRIPT,
    WATCH,
    WIRE,
    CountersLine,
    FormatAndProgram,
    Manifest,
    PeerLine,
    ResetsLine,
    StraceLine,
    TranscriptLine,
    WatchLine,
    WireLine,
)

_Line = TypeVar("_Line")

# Far beyond any run: a million replays of the published case capture 1.2 GB.
_MOST_BYTES = {MANIFEST: 16 << 20, SCENARIO: 16 << 20}
_MOST_RECORD_BYTES = 4 << 30
_DAMAGED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec makes of damaged JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One evidence folder, read back. `capture_at_peer` is empty if nothing stood between the hosts."""

    manifest: Manifest
    scenario: Scenario
    capture: bytes
    replays: tuple[Replay, ...]
    peer_reports: tuple[tuple[PeerReport, ...], ...]
    capture_at_peer: bytes = b""
    secrets: bytes = b""  # of TLS, in NSS's key log format


def read(folder: Path) -> Evidence:
    """Read an evidence folder.

    Raises UsageError, with the file and the reason, if it is not one, has a later format, or is damaged.
    """
    manifest = _manifest(folder)
    wired = manifest.format == FORMAT_OF_TWO_CAPTURES
    replays, peer_reports = _replays(folder, wired=wired)
    return Evidence(
        manifest=manifest,
        scenario=_scenario(folder, manifest),
        capture=_capture(folder / CAPTURE, manifest),
        capture_at_peer=_capture(folder / CAPTURE_AT_PEER, manifest) if wired else b"",
        replays=replays,
        peer_reports=peer_reports,
        secrets=_read(folder / SECRETS) if (folder / SECRETS).exists() else b"",
    )


def _manifest(folder: Path) -> Manifest:
    written = _decode(folder / MANIFEST, FormatAndProgram)
    if written.format not in READABLE:
        raise UsageError(
            f"{folder}: evidence of format {written.format}; this program reads formats"
            f" {' and '.join(map(str, READABLE))}",
            f"judge it with the version that wrote it: {written.program}",
        )
    return _decode(folder / MANIFEST, Manifest)


def _replays(folder: Path, *, wired: bool) -> tuple[tuple[Replay, ...], tuple[tuple[PeerReport, ...], ...]]:
    """Read the replays, and what the peer reported of each; a run that was killed may lack a last line."""
    transcripts = _decode_lines(folder / TRANSCRIPT, TranscriptLine)
    counters = _decode_lines(folder / COUNTERS, CountersLine)
    peers = _decode_lines(folder / PEER, PeerLine)
    for number, lines in enumerate(zip(transcripts, counters, peers, strict=False), start=1):
        if len({line.index for line in lines}) > 1:
            raise UsageError(
                f"{folder}: line {number} of transcript.jsonl, counters.jsonl and peer.jsonl"
                " belongs to different replays",
                "use another copy of the evidence",
            )
    wires = _decode_lines_if_any(folder / WIRE, WireLine) if wired else []
    watches = _decode_lines_if_any(folder / WATCH, WatchLine)
    complete = min(len(transcripts), len(counters), len(peers), len(watches) or len(peers))
    if wired:
        complete = min(complete, len(wires))
    watch_of = {line.index: line.watch for line in watches}
    wire_of = {line.index: line.wire for line in wires}
    calls_of = {line.index: line.calls for line in _decode_lines_if_any(folder / STRACE, StraceLine)}
    resets_of = {line.index: line.resets for line in _decode_lines_if_any(folder / RESETS, ResetsLine)}
    replays = (
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
            watch=watch_of.get(transcript.index),
            wire=wire_of.get(transcript.index),
            system_calls=calls_of.get(transcript.index),
            resets=resets_of.get(transcript.index),
            node_status=transcript.node_status,
        )
        for transcript, counted in zip(transcripts[:complete], counters[:complete], strict=True)
    )
    return tuple(replays), tuple(peer.peer_reports() for peer in peers[:complete])


def _capture(path: Path, manifest: Manifest) -> bytes:
    """Read a capture; that of a run that was cut short may end in the middle of a record."""
    capture = _read(path)
    return pcap.whole_records(capture) if manifest.finished is None else capture


def _scenario(folder: Path, manifest: Manifest) -> Scenario:
    text = read_scenario_text(folder)
    try:
        places(text)
    except TooDeepError as error:  # tomllib takes time with the square of a key's parts
        raise UsageError(f"{folder / SCENARIO}: {error}", "use another copy of the evidence") from error
    scenario = parse(text, manifest.scenario, manifest.parameters)
    return msgspec.structs.replace(scenario, chance=manifest.chance)


def read_scenario_text(folder: Path) -> str:
    """Read the scenario of an evidence folder, with bytes that are not UTF-8 replaced."""
    return _read(folder / SCENARIO).decode("utf-8", "replace")


def _readings(counted: CountersLine) -> tuple[CounterReading, ...]:
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
            f"{path} is too long to be from a run", "use another copy of the evidence"
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
        raise UsageError(f"{path}: the file name is not valid (it holds a NUL)", "check the path") from error


def _decode(path: Path, kind: type[_Line]) -> _Line:
    try:
        return msgspec.json.decode(_read(path), type=kind)
    except _DAMAGED as error:
        raise UsageError(f"{path} is damaged: {error}", "use another copy of the evidence") from error


def _decode_lines_if_any(path: Path, kind: type[_Line]) -> list[_Line]:
    return _decode_lines(path, kind) if path.exists() else []


def _decode_lines(path: Path, kind: type[_Line]) -> list[_Line]:
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
