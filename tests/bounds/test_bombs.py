"""A compressed capture that unpacks to far more than it is fills no memory."""

from __future__ import annotations

import gzip
import struct
import tracemalloc

import pytest
from rst_or_fin.capture_file.damage import CaptureError
from rst_or_fin.capture_file.reading import read

from tests.support.capture_files import COMPRESSIONS, classic
from tests.unit.capture_file.test_compression import compressions, read_to_the_end


@compressions
def test_a_bomb_costs_no_memory(name: str) -> None:
    """64 MB of frames that compress to next to nothing."""
    record = struct.pack("<IIII", 0, 0, 65_000, 65_000) + bytes(65_000)
    file = COMPRESSIONS[name](classic([]) + record * 1000)
    tracemalloc.start()
    found, reading = read_to_the_end(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found, reading.frames, peak < 16_000_000) == (0, 1000, True)


def test_a_bomb_without_a_capture_in_it_is_refused_at_once() -> None:
    with pytest.raises(CaptureError, match="begins with 00 00 00 00"):
        read([gzip.compress(bytes(50_000_000))])
