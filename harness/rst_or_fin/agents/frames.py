"""Encodes what the capture and its driver say to each other: records as bytes. No I/O.

capture -> driver: a stream of records, each one kind byte, a 32-bit length (big-endian) and that many bytes:
    R  ready: JSON facts. Sent once, when the capture is already running.
    F  a frame: t_ns (64 bit, nanoseconds since the epoch), then the frame as captured.
    E  end of a drain: how many frames the kernel dropped so far, and the time now (64 bit each).
    C  the kernel's counters of the namespace: the text of `counters.read`.
    H  whether the kernel has a connection: one byte, 1 or 0.
    X  the capture could not start: JSON {"error": ...}. Nothing follows it.
driver -> capture: the byte DRAIN, answered with every frame since the last drain, then one E; the byte COUNT;
HOLDS, a JSON array [own address, own port, other address, other port] and a line feed. End of file: leave.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Union

DRAIN = b"d"
COUNT = b"c"
HOLDS = b"h"

_HEAD = struct.Struct(">cI")
_TIME = struct.Struct(">Q")
_END = struct.Struct(">QQ")
_MAX_LENGTH = 1 << 20  # no frame is longer; a longer record means that the stream is not ours


class Ready(NamedTuple):
    """The capture runs. `facts`: interface, offloads, receive buffer in bytes."""

    facts: Mapping[str, object]


class Captured(NamedTuple):
    """One frame: `t_ns` in nanoseconds since the epoch, link-layer header included."""

    t_ns: int
    data: bytes


class Drained(NamedTuple):
    """Every frame up to here has been sent; `dropped` is the kernel's drop count since the start.

    `now_ns` is the capturing host's clock, nanoseconds since the epoch.
    """

    dropped: int
    now_ns: int


class Counted(NamedTuple):
    """The kernel's counters of the namespace, as `counters.read` gives them."""

    tables: bytes


class ConnectionHeld(NamedTuple):
    """Whether the kernel of the namespace has the connection that was asked for."""

    held: bool


class Failed(NamedTuple):
    """The capture could not start; `error` says why."""

    error: str


Record = Union[Ready, Captured, Drained, Counted, ConnectionHeld, Failed]  # noqa: UP007 - Python 3.9 runs this too


def encode_ready(facts: Mapping[str, object]) -> bytes:
    """Encode the record that says that the capture runs."""
    return _record(b"R", json.dumps(facts).encode())


def encode_failed(error: str) -> bytes:
    """Encode the record that says why the capture could not start."""
    return _record(b"X", json.dumps({"error": error}).encode())


def encode_counted(tables: bytes) -> bytes:
    """Return the answer to COUNT: the counters' tables as the kernel prints them."""
    return _record(b"C", tables)


def encode_held(held: bool) -> bytes:
    """Return the answer to HOLDS."""
    return _record(b"H", bytes([held]))


def ask_for(own: tuple[str, int], other: tuple[str, int]) -> bytes:
    """Return the order HOLDS for a connection of the capturing host."""
    return HOLDS + json.dumps([*own, *other]).encode() + b"\n"


def orders(said: bytes) -> tuple[list[bytes], bytes]:
    """Split a driver's bytes into complete orders (HOLDS as its JSON array) and an unfinished rest."""
    whole: list[bytes] = []
    while said:
        order, rest = said[:1], said[1:]
        if order == HOLDS:
            order, end, rest = rest.partition(b"\n")
            if not end:
                break
        whole.append(order)
        said = rest
    return whole, said


def encode_drained(frames: Iterable[tuple[int, bytes]], dropped: int, now_ns: int) -> bytes:
    """Encode one whole answer to DRAIN: the frames as (t_ns, data), then the end record."""
    parts = [_record(b"F", _TIME.pack(t_ns) + data) for t_ns, data in frames]
    parts.append(_record(b"E", _END.pack(dropped, now_ns)))
    return b"".join(parts)


def _record(kind: bytes, payload: bytes) -> bytes:
    return _HEAD.pack(kind, len(payload)) + payload


class Decoder:
    """Decodes the capture's bytes, however they were cut. `pending` counts those of an unfinished record."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def pending(self) -> int:
        """How many bytes belong to an unfinished record."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Record]:
        """Return the records that `data` completes. Raises ValueError on bytes that are no such record."""
        buffer = self._rest + data
        records = []
        start = 0
        while len(buffer) - start >= _HEAD.size:
            kind, length = _HEAD.unpack_from(buffer, start)
            if kind not in b"RFECHX" or length > _MAX_LENGTH:
                raise ValueError(f"not a record of the capture: {buffer[start : start + 40]!r}")
            end = start + _HEAD.size + length
            if end > len(buffer):
                break
            records.append(_decode(kind, buffer[start + _HEAD.size : end]))
            start = end
        self._rest = buffer[start:]
        return records


def _decode(kind: bytes, payload: bytes) -> Record:
    if kind == b"F":
        return Captured(_TIME.unpack_from(payload)[0], payload[_TIME.size :])
    if kind == b"E":
        return Drained(*_END.unpack(payload))
    if kind == b"R":
        return Ready(json.loads(payload))
    if kind == b"C":
        return Counted(payload)
    if kind == b"H":
        return ConnectionHeld(payload == b"\x01")
    return Failed(str(json.loads(payload)["error"]))
