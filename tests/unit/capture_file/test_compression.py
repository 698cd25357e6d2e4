"""A compressed capture is the capture; damage in it ends the reading, and no bomb fills the memory."""

from __future__ import annotations

import gzip
import lzma
import struct
import zlib
from collections.abc import Iterator

import pytest
from rst_or_fin.capture_file.damage import CaptureError
from rst_or_fin.capture_file.reading import CaptureReading, read

from tests.support.capture_files import COMPRESSIONS, FORMATS, classic, in_chunks
from tests.support.packets import SENT, ethernet, plain, wrapped

FRAMES = wrapped(ethernet, SENT[4])
PLAIN = classic(FRAMES, magic=0xA1B23C4D)
compressions = pytest.mark.parametrize("name", COMPRESSIONS)


def read_to_the_end(file: bytes, chunk: int = 262_144) -> tuple[int, CaptureReading]:
    reading = read(in_chunks(file, chunk))
    return len(list(reading)), reading


@compressions
@pytest.mark.parametrize("written", ["pcap, nanoseconds", "pcapng, little-endian"])
@pytest.mark.parametrize("chunk", [1, 7, 262_144])
def test_a_compressed_capture_is_read_as_it_was(name: str, written: str, chunk: int) -> None:
    file = COMPRESSIONS[name](FORMATS[written](FRAMES))
    reading = read(in_chunks(file, chunk))
    assert (plain(reading), reading.doubts) == (SENT[4], ())


@compressions
def test_what_was_compressed_in_parts_is_read_as_one(name: str) -> None:
    parts = [COMPRESSIONS[name](PLAIN[at : at + 200]) for at in range(0, len(PLAIN), 200)]
    reading = read([b"".join(parts)])
    assert (plain(reading), reading.doubts) == (SENT[4], ())


@compressions
def test_padding_after_the_end_is_no_damage(name: str) -> None:
    reading = read([COMPRESSIONS[name](PLAIN) + bytes(512)])
    assert (plain(reading), reading.doubts) == (SENT[4], ())


@compressions
def test_anything_else_after_the_end_is_one_doubt(name: str) -> None:
    found, reading = read_to_the_end(COMPRESSIONS[name](PLAIN) + b"something else")
    said = [f"the {name} data is damaged" in doubt for doubt in reading.doubts]
    assert (found, said) == (len(FRAMES), [True])


@compressions
def test_a_compressed_capture_that_ends_early_leaves_one_doubt(name: str) -> None:
    file = COMPRESSIONS[name](classic(FRAMES * 200))
    _, reading = read_to_the_end(file[:-9])
    assert [f"the {name} data ends early" in doubt for doubt in reading.doubts] == [True]


@compressions
def test_damage_in_the_middle_ends_the_reading_with_one_doubt(name: str) -> None:
    many = classic(FRAMES * 2000)
    file = COMPRESSIONS[name](many[:100_000]) + COMPRESSIONS[name](many[100_000:])
    middle = len(COMPRESSIONS[name](many[:100_000])) + 20
    broken = file[:middle] + bytes(byte ^ 0xA5 for byte in file[middle : middle + 40]) + file[middle + 40 :]
    found, reading = read_to_the_end(broken)
    assert (found > 0, len(reading.doubts)) == (True, 1)


@pytest.mark.parametrize("name", ["gzip", "xz", "zstd"])
def test_a_capture_is_read_while_its_compressor_still_writes(name: str) -> None:
    """As much as is there: what a compressor has not flushed yet nobody can read."""
    first, second = COMPRESSIONS[name](PLAIN[:-1]), COMPRESSIONS[name](PLAIN[-1:])

    def growing() -> Iterator[bytes]:
        yield first
        came.append("the last byte")
        yield second

    came: list[str] = []
    reading = iter(read(growing()))
    found = [next(reading) for _ in FRAMES[:-1]]
    assert (len(found), came) == (len(FRAMES) - 1, [])


def test_an_xz_file_that_asks_for_too_much_memory_is_refused() -> None:
    """The dictionary's size stands in byte 16 (xz file format 1.2.1, 5.3.1): here 3 GiB."""
    file = lzma.compress(PLAIN)
    header_end = 12 + 4 * file[12]
    header = file[12:16] + b"\x27" + file[17:header_end]
    asking = file[:12] + header + struct.pack("<I", zlib.crc32(header)) + file[header_end + 4 :]
    with pytest.raises(CaptureError, match="the xz data is damaged"):
        read([asking])


def test_compressed_nothing_is_an_empty_capture() -> None:
    with pytest.raises(CaptureError, match="the capture is empty"):
        read([gzip.compress(b"")])


def test_a_compressed_text_is_no_capture() -> None:
    with pytest.raises(CaptureError, match="begins with 68 65 6c 6c"):
        read([gzip.compress(b"hello, world")])
