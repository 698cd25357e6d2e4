"""What a segment costs to read, by its size and by the format that it stands in.

    python -m tests.bench.captures --count 200000

Prints the best of three readings: microseconds a segment, and the most memory that the process held.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator

from rst_or_fin.capture_file.reading import read

from tests.support.capture_files import COMPRESSIONS, FORMATS, in_chunks
from tests.support.packets import LINK_LAYERS, TUNNELS, Wrap, ethernet, wrapped
from tests.support.segments import segments

FORMAT = "pcap, little-endian"
ROUNDS = 3


def inputs() -> Iterator[tuple[str, str, Wrap, int]]:
    """Give what is measured: its name, a format, what becomes of a packet, its payload's bytes."""
    for size in (0, 100, 500, 1460):
        yield f"{FORMAT}, {size} bytes", FORMAT, ethernet, size
    yield "pcapng, 100 bytes", "pcapng, little-endian", ethernet, 100
    yield "VLAN, 100 bytes", FORMAT, LINK_LAYERS["VLAN"].wrap, 100
    yield "VXLAN, 100 bytes", FORMAT, lambda of: ethernet(TUNNELS["VXLAN"](of)), 100


def file_of(written: str, wrap: Wrap, size: int, count: int) -> bytes:
    """Write one segment `count` times, without writing it `count` times in Python."""
    frames = wrapped(wrap, segments(f"> . 1:{1 + size}({size}) ack 1"))
    none, one = FORMATS[written]([]), FORMATS[written](frames)
    return none + one[len(none) :] * count


def seconds(file: bytes, count: int) -> float:
    """Read a file to its end; raises ValueError where it does not hold that many segments."""
    begin = time.perf_counter()
    found = sum(1 for _ in read(in_chunks(file)))
    if found != count:
        raise ValueError(f"{found} segments instead of {count}")
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200_000, help="segments a file (default: %(default)s)")
    count: int = parser.parse_args().count
    for name, written, wrap, size in inputs():
        file = file_of(written, wrap, size, count)
        best_s = min(seconds(file, count) for _ in range(ROUNDS))
        print(f"{best_s / count * 1e6:6.2f} us  {name}")
    for name, compress in COMPRESSIONS.items():
        file = compress(file_of(FORMAT, ethernet, 100, count))
        best_s = min(seconds(file, count) for _ in range(ROUNDS))
        print(f"{best_s / count * 1e6:6.2f} us  {name}, 100 bytes")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB at most, the files among it")


if __name__ == "__main__":
    main()
