"""Evidence captures, held whole: what is damaged in them is an error, and a killed run's last record goes."""

from __future__ import annotations

import io
import struct
from typing import Any

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.errors import UsageError
from rst_or_fin.evidence import pcap

from tests.support.decoding import segment_of, segments_of
from tests.support.segments import A6, B6, EXCHANGE, capture, frame, segments

times_ns = st.integers(0, (1 << 32) * 1_000_000_000 - 1)
frames = st.builds(lambda t_ns, data: Frame(t_ns=t_ns, data=data), times_ns, st.binary(max_size=200))


def written(of: list[Frame]) -> bytes:
    return pcap.header() + pcap.records(of)


@given(st.lists(frames, max_size=8))
def test_frames_survive_the_file(of: list[Frame]) -> None:
    assert list(pcap.frames(written(of))) == [(pcap.ETHERNET, one) for one in of]


@given(st.lists(frames, max_size=8))
def test_dpkt_reads_what_was_written(of: list[Frame]) -> None:
    assert [data for _, data in dpkt.pcap.Reader(io.BytesIO(written(of)))] == [one.data for one in of]


@given(of=st.lists(frames, min_size=1, max_size=5), data=st.data())
def test_a_last_record_that_is_not_whole_is_taken_off(of: list[Frame], data: st.DataObject) -> None:
    ends = [len(written(of[:count])) for count in range(len(of) + 1)]
    cut = data.draw(st.integers(24, ends[-1]))
    assert len(pcap.whole_records(written(of)[:cut])) == max(end for end in ends if end <= cut)


@pytest.mark.parametrize("ends", [{}, {"a": A6, "b": B6}])
def test_segments_are_numbered_by_their_frames(ends: dict[str, Any]) -> None:
    found = [segment.frame_no for segment in segments_of(capture(segments(EXCHANGE, **ends)))]
    assert found == list(range(1, len(found) + 1))


@pytest.mark.parametrize("ends", [{}, {"a": A6, "b": B6}])
def test_a_lone_frame_gives_the_segment_that_was_sent(ends: dict[str, Any]) -> None:
    sent = segments(EXCHANGE, **ends)
    assert [segment_of(frame(segment)) for segment in sent] == sent


def test_a_lone_frame_that_ends_early_keeps_the_length_that_ip_announces() -> None:
    whole = frame(segments("> P. 1:101(100) ack 1")[0])
    read = segment_of(Frame(t_ns=0, data=whole.data[:-90]))
    assert read is not None
    assert (read.payload_len, len(read.payload)) == (100, 10)


def test_a_fragment_alone_is_no_segment() -> None:
    whole = frame(segments("> P. 1:101(100) ack 1")[0]).data
    assert segment_of(Frame(t_ns=0, data=whole[:20] + b"\x20\0" + whole[22:])) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello", "begins with 68 65 6c 6c"),
        (pcap.header()[:23], "23 of 24"),
        (pcap.header() + struct.pack("<IIII", 0, 0, 1 << 30, 1 << 30), "damaged: .*, at byte 24"),
        (pcap.header() + struct.pack("<IIII", 0, 0, 9, 8) + b"\0" * 9, "9 bytes for a frame of 8"),
        (capture(segments(EXCHANGE))[:-1], "cut off"),
    ],
)
def test_a_foreign_or_damaged_capture_is_one_clear_usage_error(data: bytes, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        list(pcap.frames(data))
    assert caught.value.hint


def test_damage_in_the_middle_is_not_cut_off_silently() -> None:
    with pytest.raises(pcap.CaptureError, match="damaged"):
        pcap.whole_records(pcap.header() + struct.pack("<IIII", 0, 0, 9, 8) + bytes(100))
