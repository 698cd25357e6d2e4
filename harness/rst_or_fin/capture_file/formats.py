"""Recognises a file's format by its first bytes, and reads its records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rst_or_fin.capture_file import classic, pcapng, pcapng_blocks
from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.compression import unpacked
from rst_or_fin.capture_file.damage import CaptureError
from rst_or_fin.capture_file.records import FileNotes, Record

_READERS: dict[bytes, Callable[[ByteStream, FileNotes], Iterator[Record]]] = {
    **dict.fromkeys(classic.MAGICS, classic.records),
    pcapng_blocks.MAGIC: pcapng.records,
}
_FOREIGN = {
    b"PK\x03\x04": ("a zip archive", "unpack it first: unzip FILE"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it first: 7z x FILE"),
    b"\x04\x22\x4d\x18": ("compressed with lz4", "unpack it first: unlz4 FILE"),
    b"snoo": ("a Solaris snoop file", "convert it: editcap -F pcapng IN OUT"),
    b"GMBU": ("a Microsoft Network Monitor file", "convert it: editcap -F pcapng IN OUT"),
}


def records(chunks: Iterable[bytes], notes: FileNotes) -> Iterator[Record]:
    """Yield the records of a capture file, whose bytes come in `chunks`, in file order.

    Holds one record and one chunk at a time. Raises CaptureError, at once, if the file is not a capture;
    one that cannot be read to its end just ends, and `notes.damage` says why.
    """
    stream = unpacked(ByteStream(chunks))
    stream.fill(4)
    magic = stream.data[stream.at : stream.at + 4]
    if magic not in _READERS:
        raise _no_capture(magic, stream.broken)
    return _READERS[magic](stream, notes)


def _no_capture(magic: bytes, broken: str) -> CaptureError:
    if broken:
        return CaptureError(f"no capture can be read: {broken}", "capture or copy it again")
    if not magic:
        return CaptureError("the capture is empty", "capture it again: not even a file header was written")
    name, hint = _FOREIGN.get(
        magic,
        (
            f"not a pcap or pcapng file: it begins with {magic.hex(' ')}",
            "give a file that tcpdump -w or Wireshark wrote; editcap -F pcapng IN OUT converts others",
        ),
    )
    return CaptureError(f"the capture is {name}", hint)
