"""Writes frames as a capture file: classic pcap, Ethernet, nanosecond time stamps."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.records import SNAP_LENGTH

_MAGIC = 0xA1B23C4D
_ETHERNET = 1


def header() -> bytes:
    """Write the 24 bytes that open a capture file of Ethernet frames with nanosecond time stamps."""
    return struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, SNAP_LENGTH, _ETHERNET)


def records(frames: Iterable[Frame]) -> bytes:
    """Write the frames as capture records, to be appended to `header()`."""
    return b"".join(
        struct.pack(
            "<IIII", frame.t_ns // 1_000_000_000, frame.t_ns % 1_000_000_000, len(frame.data), len(frame.data)
        )
        + frame.data
        for frame in frames
    )
