"""Columns say of a frame what decoding says of it, and records are found whatever stands in them."""

from __future__ import annotations

import struct
from random import Random

import pytest
from rst_or_fin.capture_file import batches as batches_module
from rst_or_fin.capture_file.batches import batches
from rst_or_fin.capture_file.columns import columns
from rst_or_fin.capture_file.decoding import Decoder
from rst_or_fin.capture_file.layouts import opened
from rst_or_fin.capture_file.records import FileNotes, Record
from rst_or_fin.capture_file.writing import header
from rst_or_fin.tcp.segment import Checksum, Segment

from tests.support import nearly_plain
from tests.truth.crowd import crowd

DAY_S = 86_400


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
    begun = opened([data], FileNotes())
    assert begun is not None
    stream, layout = begun
    (batch,) = batches(stream, layout)
    found = columns(batch, layout)
    assert found is not None
    decoder = Decoder(0)
    rows = zip(
        *(found.t_ns, found.low, found.high, found.seq, found.ack, found.flags),
        *(found.payload_len, found.is_good, found.is_bad),
        strict=True,
    )
    by_column = [(t, {end(int(low)), end(int(high))}, *rest) for t, low, high, *rest in rows]
    segments = [decoder.segment(batch.record(number, layout)) for number in found.frame.tolist()]
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
@pytest.mark.parametrize("batch_len", [100, 3_000, 1_000_000])
def test_records_are_found_whatever_is_in_them(
    seed: int, cut: int, batch_len: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "_BATCH_LEN", batch_len)
    written = records(seed)
    data = b"".join(written)
    begun = opened([header(), data[: len(data) - cut]], FileNotes())
    assert begun is not None
    stream, layout = begun
    found = [batch.record(n, layout) for batch in batches(stream, layout) for n in range(len(batch.starts))]
    whole = len(written)
    while sum(map(len, written[:whole])) > len(data) - cut:
        whole -= 1
    assert [one_of(record) for record in found] == [one[4:] for one in written[:whole]]


def one_of(record: Record) -> bytes:
    """The record as it stands in the file, but for its seconds."""
    head = struct.pack("<III", record.t_ns % 1_000_000_000, len(record.data), record.wire_len)
    return head + record.data
