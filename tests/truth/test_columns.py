"""Columns say of a frame what decoding says of it, and records are found whatever stands in them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

import pytest
from rst_or_fin.capture_file import batches as batches_module
from rst_or_fin.capture_file import formats
from rst_or_fin.capture_file.batches import batches
from rst_or_fin.capture_file.columns import columns
from rst_or_fin.capture_file.decoding import Decoder
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.hosts import Hosts
from rst_or_fin.capture_file.layouts import opened
from rst_or_fin.capture_file.records import FileNotes, Record
from rst_or_fin.capture_file.writing import header, records
from rst_or_fin.tcp.segment import Checksum, Segment

from tests.support import nearly_plain
from tests.support.as_pcapng import as_dumpcap_writes, packet
from tests.support.capture_files import block, interface, section
from tests.truth.crowd import crowd

DAY_S = 86_400
BEGIN_S = 1_700_000_000


def told(segment: Segment, hosts: Hosts) -> tuple[object, ...]:
    checksum = segment.checksum
    source, target = ((hosts.number(end.address) or 0) << 16 | end.port for end in (segment.src, segment.dst))
    return (
        segment.t_ns,
        *(min(source, target), max(source, target), source < target),
        *(segment.seq, segment.ack, segment.flags, segment.payload_len),
        *(checksum is Checksum.GOOD, checksum is Checksum.BAD),
    )


CAPTURES = {"crowd": crowd(range(12)), "one": nearly_plain.capture(1), "two": nearly_plain.capture(2)}
CAPTURES |= {f"{name} in pcapng": as_dumpcap_writes(data) for name, data in CAPTURES.items()}


@pytest.mark.parametrize("data", CAPTURES.values(), ids=CAPTURES)
def test_a_column_holds_what_decoding_finds(data: bytes) -> None:
    begun = opened([data], FileNotes())
    assert begun is not None
    stream, layout = begun
    (batch,) = batches(stream, layout)
    hosts, decoder = Hosts(), Decoder(0)
    for found in columns(batch, layout, hosts):
        by_column = zip(
            *(found.t_ns, found.low, found.high, found.from_low, found.seq, found.ack, found.flags),
            *(found.payload_len, found.is_good, found.is_bad),
            strict=True,
        )
        segments = [decoder.segment(batch.record(number, layout)) for number in found.frame.tolist()]
        assert list(by_column) == [told(segment, hosts) for segment in segments if segment is not None]


def lookalike(number: int, rng: Random) -> bytes:
    """What could be a record's head: of a classic file, or of a pcapng packet with its whole block."""
    if rng.random() < 0.5:
        return struct.pack("<IIII", BEGIN_S + number, 5, rng.choice((0, 7, 60)), 60)
    length = rng.choice((32, 36, 60))
    return struct.pack("<7I", 6, length, 0, 0, 0, 0, 60) + bytes(length - 32) + struct.pack("<I", length)


def written(seed: int) -> list[Record]:
    """Records of all lengths; some hold what looks like a head, some were captured on another day."""
    rng, found = Random(seed), []
    for number in range(300):
        seconds = BEGIN_S + number + rng.choice((0, 0, 0, DAY_S, -DAY_S))
        tricky = b"x" * rng.randrange(9) + lookalike(number, rng) + bytes(rng.choice((0, 60)))
        data = rng.choice((b"", bytes(rng.randrange(90)), tricky))
        found.append(Record(seconds * 1_000_000_000 + number, 1, data, len(data)))
    return found


def as_classic(record: Record) -> bytes:
    return records([Frame(t_ns=record.t_ns, data=record.data)])


def as_pcapng(record: Record) -> bytes:
    names = block("<", 4, bytes(8)) if len(record.data) % 7 == 0 else b""
    comment = [(1, b"a comment")] if len(record.data) % 11 == 0 else []
    return names + packet(record, record.t_ns, *comment)


@pytest.mark.parametrize("cut", [0, 1, 20, 5_000])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("batch_len", [100, 3_000, 1_000_000])
@pytest.mark.parametrize(
    ("head", "write"),
    [(header(), as_classic), (section() + interface("<", (9, b"\x09")), as_pcapng)],
    ids=["classic", "pcapng"],
)
def test_records_are_found_whatever_is_in_them(
    head: bytes,
    write: Callable[[Record], bytes],
    batch_len: int,
    seed: int,
    cut: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches_module, "_BATCH_LEN", batch_len)
    data = b"".join(map(write, written(seed)))
    data = head + data[: len(data) - cut]
    begun = opened([data], FileNotes())
    assert begun is not None
    stream, layout = begun
    found = [batch.record(n, layout) for batch in batches(stream, layout) for n in range(len(batch.starts))]
    assert found == list(formats.records([data], FileNotes()))
