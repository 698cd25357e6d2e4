"""Which captures' records can be found many at a time, and which are left to their format's reader."""

from __future__ import annotations

import struct

import pytest
from rst_or_fin.capture_file.batches import batches
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.layouts import opened
from rst_or_fin.capture_file.records import FileNotes

from tests.support.capture_files import block, classic, enhanced, interface, section, simple, statistics, u64

FRAME = Frame(t_ns=1_700_000_000_000_000_000, data=b"abc")
COMMENT = (1, b"a comment")


@pytest.mark.parametrize(
    "head",
    [
        classic([]),
        classic([], magic=0xA1B23C4D),
        section() + interface(),
        section("<", COMMENT) + interface("<", COMMENT),
        section() + interface() * 3,
        section() + interface("<", (9, b"\x09")),
        section() + interface("<", (9, b"\x88")),
    ],
)
def test_a_usual_file_has_a_layout(head: bytes) -> None:
    assert opened([head], FileNotes()) is not None


@pytest.mark.parametrize(
    "head",
    [
        b"no capture",
        classic([], order=">"),
        classic([], magic=0xA1B2CD34),
        classic([], version=(2, 3)),
        classic([], link_type=0x0400_0001 | 2 << 28),
        section(),
        section() + enhanced(FRAME),
        section(">") + interface(">"),
        section() + interface() + interface("<", link_type=101),
        section() + interface() + interface("<", (9, b"\x09")),
        section() + interface("<", (9, b"\x0a")),
        section() + interface("<", (14, struct.pack("<q", 1))),
        section() + interface("<", (13, b"\x04")),
        section() + block("<", 1, b""),
    ],
)
def test_an_unusual_file_has_none(head: bytes) -> None:
    assert opened([head], FileNotes()) is None


def found(data: bytes, notes: FileNotes) -> tuple[int, int]:
    """Count the records found at a time, and those that the general reader finds behind them."""
    begun = opened([data], notes)
    assert begun is not None
    stream, layout = begun
    return sum(len(batch.starts) for batch in batches(stream, layout)), len(list(layout.rest()))


PACKETS = section() + interface() + enhanced(FRAME) * 2


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (b"", (2, 0)),
        (statistics() * 2, (2, 0)),
        (block("<", 4, bytes(8)) + enhanced(FRAME), (3, 0)),
        (enhanced(FRAME, "<", COMMENT), (3, 0)),
        (statistics() + enhanced(FRAME), (2, 1)),
        (interface() + enhanced(FRAME, number=1), (2, 1)),
        (section() + interface() + enhanced(FRAME), (2, 1)),
        (simple(FRAME), (2, 1)),
        (enhanced(FRAME)[:-1], (2, 0)),
    ],
    ids=[
        "nothing",
        "statistics",
        "names and a packet",
        "a comment",
        "statistics and a packet",
        "an interface and a packet",
        "a section",
        "a simple packet",
        "a packet cut short",
    ],
)
def test_what_no_layout_knows_is_left_to_the_reader(more: bytes, expected: tuple[int, int]) -> None:
    assert found(PACKETS + more, FileNotes()) == expected


def test_the_reader_says_what_the_file_says_at_its_end() -> None:
    notes = FileNotes()
    found(PACKETS + statistics("<", COMMENT, (5, u64(7))) + b"ab", notes)
    said = ([comment.text for comment in notes.comments.kept], notes.dropped, str(notes.damage))
    end = len(PACKETS + statistics("<", COMMENT, (5, u64(7))))
    assert said == (["a comment"], 7, f"2 bytes after the last whole record, at byte {end}")
