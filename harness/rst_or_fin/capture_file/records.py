"""What every capture format is read into: records, and what a file says besides them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from rst_or_fin.capture_file.damage import Damage

SNAP_LENGTH = 262_144  # bytes: tcpdump's largest (libpcap's MAXIMUM_SNAPLEN); no reader takes a longer record
_COMMENTS_LEN = 1_000_000  # characters


class Record(msgspec.Struct, frozen=True, gc=False):
    """One frame as it stands in a file.

    `t_ns` is in nanoseconds since the epoch, `link_type` a LINKTYPE_ number. `data` is what was captured of
    the `wire_len` bytes that were there, both without the frame check sequence that the file announces.
    """

    t_ns: int
    link_type: int
    data: bytes
    wire_len: int
    comments: tuple[str, ...] = ()


class Comment(NamedTuple):
    """A comment in a capture on one frame, or on the whole of it: `frame_no` is then 0."""

    frame_no: int
    text: str


class Comments:
    """The comments of a capture, in order; what goes beyond a million characters is left out."""

    def __init__(self) -> None:
        self.kept: list[Comment] = []
        self._room = _COMMENTS_LEN

    def add(self, texts: Iterable[str], frame_no: int = 0) -> None:
        """Add comments about a frame, or about the whole capture (0), as far as there is room."""
        for text in texts:
            if len(text) <= self._room:
                self._room -= len(text)
                self.kept.append(Comment(frame_no, text))


@dataclass(slots=True, kw_only=True)
class FileNotes:
    """What a file says besides its records; complete once the last record is read.

    `dropped` counts frames that the capture missed, None if the file does not say. `comments` are those
    about no frame.
    """

    dropped: int | None = None
    damage: Damage | None = None
    comments: Comments = field(default_factory=Comments)


def without_fcs(data: bytes, wire_len: int, fcs_len: int) -> tuple[bytes, int]:
    """Take the frame check sequence off, as much of it as was captured."""
    kept = max(wire_len - fcs_len, 0)
    return data[:kept], kept
