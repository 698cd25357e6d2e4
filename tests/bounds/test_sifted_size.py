"""A capture larger than memory is sifted in little of it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import islice

from rst_or_fin.analysis.sifting import sift
from rst_or_fin.capture_file.reading import Source
from rst_or_fin.capture_file.writing import header, records
from rst_or_fin.commands.bench_beside import _frame
from rst_or_fin.tcp.segment import Endpoint, Segment

CLIENT, SERVER = Endpoint("10.0.0.1", 40_000), Endpoint("10.0.0.2", 80)
LENGTH, COUNT = 4_000, 15_000
SYN, SYN_ACK, ACK, FIN_ACK = 0x02, 0x12, 0x10, 0x11


def download() -> Iterator[Segment]:
    """One connection that carries 60 MB."""

    def segment(src: Endpoint, seq: int, ack: int, flags: int, payload_len: int = 0) -> Segment:
        dst = SERVER if src is CLIENT else CLIENT
        return Segment(
            t_ns=0, src=src, dst=dst, seq=seq, ack=ack, flags=flags, window=9, payload_len=payload_len
        )

    last = 1 + COUNT * LENGTH
    yield segment(CLIENT, 0, 0, SYN)
    yield segment(SERVER, 0, 1, SYN_ACK)
    yield segment(CLIENT, 1, 1, ACK)
    for seq in range(1, last, LENGTH):
        yield segment(SERVER, seq, 1, ACK, LENGTH)
        yield segment(CLIENT, 1, seq + LENGTH, ACK)
    yield segment(SERVER, last, 1, FIN_ACK)
    yield segment(CLIENT, 1, last + 1, FIN_ACK)
    yield segment(SERVER, last + 1, 2, ACK)


def chunks() -> Iterator[bytes]:
    frames = (_frame(segment, number) for number, segment in enumerate(download()))
    yield header()
    while batch := list(islice(frames, 100)):
        yield records(batch)


def test_a_capture_larger_than_memory_is_sifted_in_little_of_it() -> None:
    tracemalloc.start()
    sifted = sift(Source(name="", open=chunks))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (sifted is not None and sifted.plain.total, peak < 30_000_000) == (1, True)
