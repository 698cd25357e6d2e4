"""A capture larger than memory is read in little of it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.reading import read

from tests.support.capture_files import (
    classic,
)
from tests.unit.capture_file.test_reading import FRAMES


def test_a_capture_larger_than_memory_is_read_in_little_of_it() -> None:
    """200 MB in 50,000 frames."""
    head, record = classic([]), classic([Frame(t_ns=0, data=FRAMES[0].data + bytes(4000))])[24:]

    def endless() -> Iterator[bytes]:
        yield head
        for _ in range(500):
            yield record * 100

    tracemalloc.start()
    count = sum(1 for _ in read(endless()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (count, peak < 4_000_000) == (50_000, True)
