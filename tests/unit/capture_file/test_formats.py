"""Every format, in every byte order and resolution, gives the frames that were written."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.capture_file import formats
from rst_or_fin.capture_file.damage import CaptureError
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.reading import read
from rst_or_fin.capture_file.records import Comment, FileNotes, Record

from tests.support.capture_files import (
    FORMATS,
    block,
    classic,
    enhanced,
    in_chunks,
    interface,
    obsolete,
    options,
    pcapng,
    section,
    simple,
    statistics,
    u64,
)

T_NS = 1_700_000_000_123_456_000
FRAMES = [
    Frame(t_ns=T_NS + 1000 * length, data=bytes(range(length))) for length in (0, 1, 60, 61, 62, 63, 200)
]
ONE = FRAMES[2]
orders = pytest.mark.parametrize("order", ["<", ">"])


def records(file: bytes, chunk: int = 262_144) -> list[Record]:
    return list(formats.records(in_chunks(file, chunk), FileNotes()))


def notes(file: bytes) -> FileNotes:
    """Read a file to its end, and give what it says besides its records."""
    told = FileNotes()
    for _ in formats.records([file], told):
        pass
    return told


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_frames_that_were_written(name: str) -> None:
    assert [Frame(t_ns=r.t_ns, data=r.data) for r in records(FORMATS[name](FRAMES))] == FRAMES


@pytest.mark.parametrize("name", FORMATS)
@given(chunk=st.integers(1, 300))
def test_it_does_not_matter_in_what_chunks_a_file_comes(name: str, chunk: int) -> None:
    file = FORMATS[name](FRAMES)
    assert records(file, chunk) == records(file)


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_file_leaves_no_doubt(name: str) -> None:
    assert notes(FORMATS[name](FRAMES)).damage is None


# Classic pcap


def test_nanoseconds_are_kept() -> None:
    (found,) = records(classic([Frame(t_ns=T_NS + 7, data=b"x")], magic=0xA1B23C4D))
    assert found.t_ns == T_NS + 7


def test_the_length_on_the_wire_is_kept_beside_what_was_captured() -> None:
    (found,) = records(classic([ONE], snap_len=10))
    assert (found.data, found.wire_len) == (ONE.data[:10], 60)


@pytest.mark.parametrize(
    ("snap_len", "length", "wire_len"), [(262_144, 56, 56), (58, 56, 56), (56, 56, 56), (50, 50, 56)]
)
def test_a_frame_check_sequence_is_taken_off_as_far_as_it_was_captured(
    snap_len: int, length: int, wire_len: int
) -> None:
    (found,) = records(classic([ONE], link_type=0x2400_0001, snap_len=snap_len))
    assert (found.link_type, len(found.data), found.wire_len) == (1, length, wire_len)


def test_lengths_that_old_versions_swapped_are_told_by_their_size() -> None:
    """libpcap's sf-pcap.c does so for version 2.3, and swaps in any case before it."""
    file = classic([ONE], version=(2, 3))
    (found,) = records(file[:32] + struct.pack("<II", 60, 40) + file[40 : 40 + 40])
    assert (len(found.data), found.wire_len) == (40, 60)


# pcapng


@orders
@pytest.mark.parametrize(
    ("resolution", "ticks", "t_ns"),
    [
        (6, T_NS // 1000, T_NS),
        (9, T_NS + 7, T_NS + 7),
        (3, 1_700_000_000_123, 1_700_000_000_123_000_000),
        (0, 1_700_000_000, 1_700_000_000_000_000_000),
        (0x80 | 10, 1_700_000_000 << 10 | 512, 1_700_000_000_500_000_000),
        (0x80 | 20, 5 << 20 | 1, 5_000_000_953),
        (12, 1_700_000_000_000_000_999, 1_700_000_000_000_000),
    ],
)
def test_time_stamps_have_the_resolution_of_their_interface(
    order: str, resolution: int, ticks: int, t_ns: int
) -> None:
    described = interface(order, (9, bytes([resolution])))
    (found,) = records(section(order) + described + enhanced(ONE, order, ticks=ticks))
    assert found.t_ns == t_ns


@orders
@pytest.mark.parametrize("offset_s", [3600, -3600])
def test_time_stamps_have_the_offset_of_their_interface(order: str, offset_s: int) -> None:
    described = interface(order, (14, struct.pack(order + "q", offset_s)))
    (found,) = records(section(order) + described + enhanced(ONE, order))
    assert found.t_ns == ONE.t_ns + offset_s * 1_000_000_000


def test_every_interface_has_its_own_link_type() -> None:
    described = interface(link_type=1) + interface(link_type=101) + interface(link_type=113)
    found = records(section() + described + b"".join(enhanced(ONE, number=n) for n in (2, 0, 1)))
    assert [record.link_type for record in found] == [113, 1, 101]


def test_every_section_has_its_own_interfaces() -> None:
    file = (
        section()
        + interface(link_type=101)
        + enhanced(ONE)
        + section(">")
        + interface(">")
        + enhanced(ONE, ">")
    )
    assert [record.link_type for record in records(file)] == [101, 1]


def test_a_simple_packet_has_the_first_interfaces_snap_length_and_the_last_packets_time() -> None:
    file = section() + interface(snap_len=40) + enhanced(ONE, snap_len=40) + simple(FRAMES[-1], snap_len=40)
    found = records(file)[-1]
    assert (found.t_ns, found.data, found.wire_len) == (ONE.t_ns, FRAMES[-1].data[:40], 200)


@pytest.mark.parametrize("length", [4, 32])
def test_an_interface_may_announce_a_frame_check_sequence(length: int) -> None:
    """In bytes, or in bits as an earlier draft had it."""
    (found,) = records(section() + interface("<", (13, bytes([length]))) + enhanced(ONE))
    assert (found.data, found.wire_len) == (ONE.data[:-4], 56)


OTHER_BLOCKS = {
    "names": block("<", 4, bytes(40)),
    "a journal entry": block("<", 9, bytes(40)),
    "decryption secrets": block("<", 10, bytes(40)),
    "somebody's own": block("<", 0x0BAD, bytes(40)),
    "somebody's own, not to be copied": block("<", 0x40000BAD, bytes(40)),
    "one that is larger than any frame": block("<", 10, bytes(3_000_000)),
}


@pytest.mark.parametrize("name", OTHER_BLOCKS)
def test_other_blocks_are_passed_over(name: str) -> None:
    other = OTHER_BLOCKS[name]
    file = section() + other + interface() + other + enhanced(ONE) + other
    assert [record.data for record in records(file, 10_000)] == [ONE.data]


def test_a_block_whose_length_leaves_out_its_padding_is_read() -> None:
    """Wireshark reads those too: some writers forgot the padding."""
    whole = enhanced(FRAMES[3])
    short = struct.pack("<I", len(whole) - 3)
    file = section() + interface() + whole[:4] + short + whole[8:-4] + short + enhanced(ONE)
    assert [record.data for record in records(file)] == [FRAMES[3].data, ONE.data]


def test_comments_are_kept_with_the_frames_that_they_are_about() -> None:
    file = (
        section("<", (1, b"of the section"))
        + interface("<", (1, b"of the interface"))
        + enhanced(ONE)
        + enhanced(ONE, "<", (1, "of a frame, \u263a".encode()), (1, b"and another"))
        + statistics("<", (1, b"of the end"))
    )
    reading = read([file])
    list(reading)
    assert reading.comments == (
        Comment(0, "of the section"),
        Comment(0, "of the interface"),
        Comment(2, "of a frame, \u263a"),
        Comment(2, "and another"),
        Comment(0, "of the end"),
    )


def test_endless_comments_are_not_all_kept() -> None:
    file = section() + interface() + enhanced(ONE, "<", (1, b"x" * 60_000)) * 40
    reading = read([file])
    list(reading)
    assert sum(len(comment.text) for comment in reading.comments) == 960_000


@orders
@pytest.mark.parametrize(
    ("blocks", "dropped"),
    [
        (lambda o: statistics(o), None),
        (lambda o: statistics(o, (5, u64(0, o))), 0),
        (lambda o: statistics(o, (5, u64(3, o))), 3),
        (lambda o: statistics(o, (7, u64(4, o))), 4),
        (lambda o: statistics(o, (5, u64(3, o)), (7, u64(4, o))), 7),
        (lambda o: statistics(o, (5, u64(3, o))) + statistics(o, (5, u64(5, o))), 5),
        (lambda o: statistics(o, (5, u64(3, o))) + statistics(o, (5, u64(5, o)), number=1), 8),
        (lambda o: enhanced(ONE, o, (4, u64(2, o))) + enhanced(ONE, o, (4, u64(3, o))), 5),
        (lambda o: enhanced(ONE, o, (4, u64(2, o))) + statistics(o, (5, u64(3, o))), 3),
        (lambda o: obsolete(ONE, o, dropped=2) + obsolete(ONE, o, dropped=0xFFFF), 2),
        (lambda o: obsolete(ONE, o), None),
    ],
)
def test_dropped_frames_are_counted_once(
    order: str, blocks: Callable[[str], bytes], dropped: int | None
) -> None:
    assert notes(section(order) + interface(order) * 2 + blocks(order)).dropped == dropped


def test_a_classic_file_cannot_say_what_it_missed() -> None:
    assert notes(classic(FRAMES)).dropped is None


# Damage: read up to there, and one doubt

WHOLE = {"pcap": classic(FRAMES), "pcapng": pcapng(FRAMES)}


@pytest.mark.parametrize(
    ("file", "read_until", "why"),
    [
        (WHOLE["pcap"] + b"\x0a", 7, "1 byte after the last whole record, at byte 583"),
        (WHOLE["pcap"] + bytes(15), 7, "15 bytes after the last whole record, at byte 583"),
        (WHOLE["pcap"][:-1], 6, "215 bytes after the last whole record, at byte 367"),
        (
            WHOLE["pcap"] + struct.pack("<IIII", 0, 0, 262_145, 262_145),
            7,
            "damaged: a record of 262145 bytes for a frame of 262145, at byte 583",
        ),
        (
            WHOLE["pcap"] + struct.pack("<IIII", 0, 0, 9, 8) + bytes(9) + WHOLE["pcap"][24:],
            7,
            "damaged: a record of 9 bytes for a frame of 8, at byte 583",
        ),
        (WHOLE["pcapng"] + b"\x0a", 7, "1 byte after the last whole record, at byte 728"),
        (WHOLE["pcapng"][:-1], 6, "231 bytes after the last whole record, at byte 496"),
        (WHOLE["pcapng"] + bytes(40), 7, "damaged: a block of 0 bytes, at byte 728"),
        (
            WHOLE["pcapng"] + block("<", 6, bytes(20))[:-4] + bytes(4),
            7,
            "damaged: a block that has 32 bytes at its beginning and 0 at its end, at byte 728",
        ),
        (
            WHOLE["pcapng"] + enhanced(ONE, number=1),
            7,
            "damaged: a packet of interface 1, of 1 described, at byte 728",
        ),
        (WHOLE["pcapng"] + block("<", 6, bytes(8)), 7, "damaged: a block that is too short, at byte 728"),
        (
            WHOLE["pcapng"] + block("<", 6, struct.pack("<IIIII", 0, 0, 0, 100, 100) + bytes(8)),
            7,
            "damaged: a packet of 100 bytes in a block that holds 8, at byte 728",
        ),
        (
            WHOLE["pcapng"] + block("<", 6, bytes(600_000)),
            7,
            "damaged: a block of kind 6 with 600012 bytes, at byte 728",
        ),
        (
            WHOLE["pcapng"] + section(version=(2, 0)),
            7,
            "a section in pcapng version 2.0, which is not known, at byte 728",
        ),
        (
            WHOLE["pcapng"] + section()[:8] + bytes(24),
            7,
            "damaged: a section in neither byte order, at byte 728",
        ),
        (
            WHOLE["pcapng"] + struct.pack("<II", 10, 1 << 31) + bytes(1000),
            7,
            "1008 bytes after the last whole record, at byte 728",
        ),
    ],
)
def test_a_file_is_read_up_to_its_damage_with_one_doubt(file: bytes, read_until: int, why: str) -> None:
    told = FileNotes()
    found = list(formats.records([file], told))
    assert (len(found), str(told.damage)) == (read_until, why)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the capture is empty"),
        (b"\xa1", "begins with a1"),
        (b"hello, world", "begins with 68 65 6c 6c"),
        (b"PK\x03\x04" + bytes(30), "a zip archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(30), "a 7z archive"),
        (b"\x04\x22\x4d\x18" + bytes(30), "compressed with lz4"),
        (b"snoop\0\0\0" + bytes(30), "a Solaris snoop file"),
        (b"GMBU" + bytes(30), "a Microsoft Network Monitor file"),
        (classic([])[:23], "23 of 24 bytes"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "neither byte order"),
        (section()[:20], "header cannot be read"),
        (section(version=(2, 0)), "version 2.0"),
    ],
)
def test_what_begins_as_no_capture_is_one_clear_error(data: bytes, reason: str) -> None:
    with pytest.raises(CaptureError, match=reason) as caught:
        formats.records([data], FileNotes())
    assert caught.value.hint


def test_options_that_make_no_sense_end_where_they_stop_to_make_sense() -> None:
    lying = options("<", (1, b"kept"))[:-4] + struct.pack("<HH", 1, 9999) + b"x"
    frame = enhanced(ONE)[8:-4] + lying
    reading = read([section() + interface() + block("<", 6, frame)])
    list(reading)
    assert [comment.text for comment in reading.comments] == ["kept"]
