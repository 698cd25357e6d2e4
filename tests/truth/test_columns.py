"""Columns say of a frame what decoding says of it, and records are found whatever stands in them."""

from __future__ import annotations

import struct
from random import Random

import pytest
from rst_or_fin.capture_file import columns
from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.decoding import Decoder
from rst_or_fin.capture_file.records import Record
from rst_or_fin.tcp.segment import Checksum, Segment

from tests.support import nearly_plain
from tests.truth.crowd import crowd

DAY_S = 86_400


def behind_header(data: bytes) -> ByteStream:
    stream = ByteStream([data])
    stream.fill(columns.HEADER_LEN)
    stream.at += columns.HEADER_LEN
    return stream


def told(segment: Segment) -> tuple[object, ...]:
    checksum = segment.checksum
    return (
        segment.t_ns,
        {str(segment.src), str(segment.dst)},
        *(segment.seq, segment.ack, segment.flags, segment.payload_len),
        *(checksum is Checksum.GOOD, checksum is Checksum.BAD),
    )


def end(number: int) -> str:
    return f"{'.'.join(map(str, (number >> 16).to_bytes(4, 'big')))}:{number & 0xFFFF}"


@pytest.mark.parametrize(
    "data", [crowd(range(12)), nearly_plain.capture(1), nearly_plain.capture(2)], ids=["crowd", "one", "two"]
)
def test_a_column_holds_what_decoding_finds(data: bytes) -> None:
    how = columns.layout(data[:24])
    assert how is not None
    (block,) = columns.blocks(behind_header(data))
    found = columns.columns(block, how)
    assert found is not None
    decoder = Decoder(0)
    rows = zip(
        *(found.t_ns, found.low, found.high, found.seq, found.ack, found.flags),
        *(found.payload_len, found.is_good, found.is_bad),
        strict=True,
    )
    by_column = [(t, {end(int(low)), end(int(high))}, *rest) for t, low, high, *rest in rows]
    segments = [decoder.segment(block.record(number, how)) for number in found.frame.tolist()]
    assert by_column == [told(segment) for segment in segments if segment is not None]


def records(seed: int) -> list[bytes]:
    """Records of all lengths; some hold what looks like a header, some were captured on another day."""
    rng, written = Random(seed), []
    for number in range(300):
        seconds = 1_700_000_000 + number + rng.choice((0, 0, 0, DAY_S, -DAY_S))
        lookalike = struct.pack("<IIII", 1_700_000_000 + number, 5, rng.choice((0, 7, 60)), 60)
        body = rng.choice((b"", bytes(rng.randrange(90)), b"x" * rng.randrange(9) + lookalike + bytes(60)))
        written.append(struct.pack("<IIII", seconds, number, len(body), len(body)) + body)
    return written


@pytest.mark.parametrize("cut", [0, 1, 20, 5_000])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("block_len", [100, 3_000, 1_000_000])
def test_records_are_found_whatever_is_in_them(
    seed: int, cut: int, block_len: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "_BLOCK_LEN", block_len)
    written = records(seed)
    data = b"".join(written)
    stream = ByteStream([data[: len(data) - cut]])
    how = columns.Layout(unit_ns=1, link_type=1, ip_at=14, ethertype_at=12)
    found = [block.record(n, how) for block in columns.blocks(stream) for n in range(len(block.starts))]
    whole = len(written)
    while sum(map(len, written[:whole])) > len(data) - cut:
        whole -= 1
    assert [one_of(record) for record in found] == [one[4:] for one in written[:whole]]


def one_of(record: Record) -> bytes:
    """The record as it stands in the file, but for its seconds."""
    head = struct.pack("<III", record.t_ns % 1_000_000_000, len(record.data), record.wire_len)
    return head + record.data
