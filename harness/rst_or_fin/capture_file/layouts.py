"""Opens a capture whose records can be found many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rst_or_fin.capture_file import classic, classic_layout, pcapng_blocks, pcapng_layout
from rst_or_fin.capture_file.batches import Layout
from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.compression import unpacked
from rst_or_fin.capture_file.records import FileNotes

_OPEN: dict[bytes, Callable[[ByteStream, FileNotes], Layout | None]] = {
    **dict.fromkeys(classic.MAGICS, classic_layout.opened),
    pcapng_blocks.MAGIC: pcapng_layout.opened,
}


def opened(chunks: Iterable[bytes], notes: FileNotes) -> tuple[ByteStream, Layout] | None:
    """Read what stands before a file's records; `notes` get what it says.

    None if no layout fits its records. Raises CaptureError if it is not a capture.
    """
    stream = unpacked(ByteStream(chunks))
    stream.fill(4)
    begin = _OPEN.get(stream.data[stream.at : stream.at + 4])
    layout = None if begin is None else begin(stream, notes)
    return None if layout is None else (stream, layout)
