"""Writes evidence folders: a run's as it goes on, and documents beside them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from rst_or_fin import own_files
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.errors import MachineError, UsageError, is_disk_full
from rst_or_fin.evidence import pcap
from rst_or_fin.evidence.records import CaptureFacts, CounterReading, Moment, PeerReport, Replay
from rst_or_fin.storage.evidence_format import (
    CAPTURE,
    CAPTURE_AT_PEER,
    COUNTERS,
    FORMAT_OF_TWO_CAPTURES,
    MANIFEST,
    PEER,
    RESETS,
    SCENARIO,
    SECRETS,
    STRACE,
    TRANSCRIPT,
    VERDICTS,
    WATCH,
    WIRE,
    CountersLine,
    Manifest,
    PeerLine,
    ResetsLine,
    StraceLine,
    TranscriptLine,
    WatchLine,
    WireLine,
)


def new_folder(out: Path, name: str) -> Path:
    """Return a new path for a run of that scenario: the time (UTC), its name and a random suffix."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return out / f"{stamp}-{name}-{secrets.token_hex(3)}"


class Writer:
    """Writes one evidence folder as the run goes on, so that a run that is cut short leaves what it had.

    Raises MachineError if the folder cannot be written (disk full, no permission).
    """

    def __init__(self, folder: Path, *, scenario_text: str, manifest: Manifest) -> None:
        self.folder = folder
        self._manifest = manifest
        with _Writing(folder):
            folder.mkdir(parents=True, exist_ok=False)
            self._write_manifest(manifest)
            (folder / SCENARIO).write_text(scenario_text, encoding="utf-8")
        self._files: dict[str, BinaryIO] = {}
        with _Writing(folder), ExitStack() as opened:
            captures = [CAPTURE]
            if manifest.format == FORMAT_OF_TWO_CAPTURES:
                captures.append(CAPTURE_AT_PEER)
            for name in (*captures, TRANSCRIPT, COUNTERS, PEER, WATCH, VERDICTS):
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
            self._files[CAPTURE].write(pcap.records(frames))

    def peer_frames(self, frames: Iterable[Frame]) -> None:
        """Append frames captured at the peer's end of a wire that a program is in the middle of."""
        with _Writing(self.folder):
            self._files[CAPTURE_AT_PEER].write(pcap.records(frames))

    def replay(self, replay: Replay, peer_reports: Sequence[PeerReport], tested: PeerReport | None) -> None:
        """Append one replay. `tested` is the peer's report on the connection under test."""
        self._line(
            TRANSCRIPT,
            TranscriptLine(
                index=replay.index,
                end=replay.end,
                error=replay.error,
                close_line=replay.close_line,
                calls=replay.calls,
                node_status=replay.node_status,
            ),
        )
        self._line(
            COUNTERS,
            CountersLine(
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
        self._line(PEER, PeerLine(index=replay.index, tested=tested, every=tuple(peer_reports)))
        if replay.watch is not None:
            self._line(WATCH, WatchLine(index=replay.index, watch=replay.watch))
        if replay.wire is not None:
            self._line(WIRE, WireLine(index=replay.index, wire=replay.wire))
        if replay.system_calls is not None:
            self._line(STRACE, StraceLine(index=replay.index, calls=replay.system_calls))
        if replay.resets is not None:
            self._line(RESETS, ResetsLine(index=replay.index, resets=replay.resets))

    def secrets(self, lines: Sequence[str]) -> None:
        """Append lines to the TLS key log; the file is created with the first of them."""
        if lines:
            self._append(SECRETS, "".join(f"{line}\n" for line in lines).encode("ascii", "replace"))

    def verdict(self, record: object) -> None:
        """Append one replay's verdict."""
        self._line(VERDICTS, record)

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
        own_files.replace(self.folder / MANIFEST, text + b"\n")

    def _line(self, name: str, record: object) -> None:
        self._append(name, msgspec.json.encode(record) + b"\n")

    def _append(self, name: str, data: bytes) -> None:
        with _Writing(self.folder):
            if name not in self._files:
                self._files[name] = self._closing.enter_context((self.folder / name).open("wb"))
            self._files[name].write(data)


def write_verdicts(folder: Path, records: Iterable[object]) -> None:
    """Replace the verdicts of an evidence folder after it has been judged again."""
    with _Writing(folder):
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        own_files.replace(folder / VERDICTS, lines)


def write_json(path: Path, record: object) -> None:
    """Write a JSON document that summarises evidence folders, beside them."""
    with _Writing(path.parent):
        own_files.replace(path, msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def _plain(reading: CounterReading | None) -> dict[str, int] | None:
    return None if reading is None else dict(reading.counters)


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
            hint = (
                "free some space, or write elsewhere with --out DIR; what had been written is kept"
                if is_disk_full(error)
                else "write elsewhere with --out DIR"
            )
            raise MachineError(
                f"cannot write the evidence to {self._folder}: {error.strerror}", hint
            ) from error
