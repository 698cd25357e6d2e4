"""A reading gives segments as soon as they are there, and at its end what else the capture says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

import pytest
from rst_or_fin.capture_file.damage import CaptureError
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.reading import Break, CaptureReading, Source, read
from rst_or_fin.tcp.segment import Segment

from tests.support.capture_files import (
    classic,
    enhanced,
    in_chunks,
    interface,
    pcapng,
    section,
    statistics,
    u64,
)
from tests.support.packets import MACS, SENT, ethernet, plain, wrapped

FRAMES = wrapped(ethernet, SENT[4])
ARP = Frame(t_ns=FRAMES[0].t_ns, data=MACS + b"\x08\x06" + bytes(28))
NANOSECONDS = 0xA1B23C4D


def numbers(found: Iterable[Segment]) -> list[int]:
    return [segment.frame_no for segment in found]


def read_all(*files: bytes) -> CaptureReading:
    return CaptureReading(
        [Source(name=f"{n}.pcap", open=partial(in_chunks, file)) for n, file in enumerate(files)]
    )


def read_to_the_end(*files: bytes) -> CaptureReading:
    reading = read_all(*files)
    for _ in reading:
        pass
    return reading


def test_frames_are_numbered_as_wireshark_counts() -> None:
    assert numbers(read([classic([ARP, FRAMES[0], ARP, ARP, FRAMES[1]])])) == [2, 5]


def test_what_was_passed_over_is_counted() -> None:
    reading = read_to_the_end(classic([ARP, *FRAMES, ARP]))
    assert (reading.frames, reading.passed_over) == (len(FRAMES) + 2, Counter({"ARP": 2}))


def test_a_capture_without_a_frame_has_no_segment_and_no_doubt() -> None:
    reading = read([classic([])])
    assert (list(reading), reading.frames, reading.doubts) == ([], 0, ())


def test_a_doubt_knows_after_which_frame_it_begins() -> None:
    reading = read_to_the_end(classic(FRAMES[:3]) + b"\x0a")
    assert reading.breaks == (Break(why="1 byte after the last whole record, at byte 234", after_frame=3),)


def test_a_reading_goes_on_where_it_was_left() -> None:
    reading = read([classic(FRAMES)])
    first = next(iter(reading))
    assert [first.frame_no, *numbers(reading)] == list(range(1, len(FRAMES) + 1))


def test_only_as_much_of_a_payload_is_kept_as_was_asked_for() -> None:
    found = read([classic(FRAMES)], payload_kept=5)
    assert [(s.payload_len, s.payload) for s in found] == [(s.payload_len, s.payload[:5]) for s in SENT[4]]


@pytest.mark.parametrize("write", [classic, pcapng])
@pytest.mark.parametrize("chunk", [1, 17, 4096])
def test_a_segment_is_given_as_soon_as_its_record_is_there(write: type, chunk: int) -> None:
    """What comes next is not waited for: `tcpdump -U -w -` at the other end of a pipe may be idle."""
    file = write(FRAMES)
    ends = [len(write(FRAMES[: n + 1])) for n in range(len(FRAMES))]
    handed_over = 0

    def growing() -> Iterator[bytes]:
        nonlocal handed_over
        for piece in in_chunks(file, chunk):
            handed_over += len(piece)
            yield piece

    waited_for = [handed_over for _ in read(growing())]
    assert all(at < end + chunk for at, end in zip(waited_for, ends, strict=True))


# Several files


def test_rotated_files_are_read_in_the_order_of_time() -> None:
    parts = [classic(FRAMES[at : at + 3], magic=NANOSECONDS) for at in (6, 0, 9, 3)]
    assert plain(read_all(*parts)) == SENT[4]


def test_files_that_overlap_in_time_are_merged() -> None:
    reading = read_all(pcapng(FRAMES[1::2]), classic(FRAMES[::2]))
    assert [segment.seq for segment in reading] == [segment.seq for segment in SENT[4]]


def test_frames_are_numbered_across_files() -> None:
    assert numbers(read_all(classic(FRAMES[5:]), classic(FRAMES[:5]))) == list(range(1, len(FRAMES) + 1))


def test_a_file_without_a_frame_is_no_hindrance() -> None:
    assert plain(read_all(classic([]), classic(FRAMES, magic=NANOSECONDS), classic([]))) == SENT[4]


def test_of_rotated_files_one_is_open_at_a_time() -> None:
    now_open: list[bytes] = []
    most_open = 0

    def opened(file: bytes) -> Iterator[bytes]:
        nonlocal most_open
        now_open.append(file)
        most_open = max(most_open, len(now_open))
        try:
            yield file
        finally:
            now_open.remove(file)

    rotated = [Source(name="", open=partial(opened, classic([frame]))) for frame in FRAMES]
    count = sum(1 for _ in CaptureReading(rotated))
    assert (count, most_open) == (len(FRAMES), 1)


def test_a_damaged_one_of_several_files_is_named_with_its_place_in_all_of_them() -> None:
    reading = read_to_the_end(classic(FRAMES[:4]) + b"xy", classic(FRAMES[4:]))
    assert reading.breaks == (
        Break(why="0.pcap: 2 bytes after the last whole record, at byte 322", after_frame=4),
    )


def test_what_is_no_capture_among_several_files_is_named() -> None:
    with pytest.raises(CaptureError, match=r"1\.pcap: .* begins with"):
        read_all(classic(FRAMES), b"hello")


def test_drops_are_those_of_all_files_that_say() -> None:
    told = section() + interface() + enhanced(FRAMES[0]) + statistics("<", (5, u64(3)))
    assert read_to_the_end(told, classic(FRAMES), told).dropped == 6


def test_where_no_file_says_drops_are_not_known() -> None:
    assert read_to_the_end(classic(FRAMES), pcapng(FRAMES)).dropped is None
