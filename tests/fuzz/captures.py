"""Damaged captures by the thousand: each is read or refused, within a second and within bounded memory.

    python -m tests.fuzz.captures --count 200000 --seed 1

An input is made from the seed and its own number alone, so that `--first N --count 1` makes it again.
"""

from __future__ import annotations

import argparse
import random
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rst_or_fin.capture_file import formats
from rst_or_fin.capture_file.damage import CaptureError
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.reading import read
from rst_or_fin.capture_file.records import FileNotes

from tests.support.capture_files import COMPRESSIONS, classic, in_chunks
from tests.support.corpus import COMPRESSED, UNCOMPRESSED

LONGEST_S = 1.0  # of the processor's time
MOST_MEMORY_KIB = 64 * 1024  # by which one input may make the process grow
CORPUS = [*UNCOMPRESSED.values(), *COMPRESSED.values()]
CHUNKS = (1, 13, 64, 4096, 262_144)
TELLING = (
    0,
    1,
    4,
    6,
    17,
    41,
    43,
    44,
    47,
    51,
    60,
    16,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0xFFFFFFFF,
)
Mutation = Callable[[random.Random, bytearray], None]


def change_bits(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def put_a_telling_number(chance: random.Random, data: bytearray) -> None:
    """Lengths, counts and offsets like to be wrong at their limits."""
    written = struct.pack(chance.choice("<>") + "I", chance.choice(TELLING))
    size = chance.choice([1, 2, 4])
    at = chance.randrange(len(data))
    data[at : at + size] = chance.choice([written[:size], written[-size:]])


def cut(chance: random.Random, data: bytearray) -> None:
    del data[chance.randrange(len(data)) :]


def leave_out(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.randint(1, 64)]


def repeat(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    data[at:at] = data[at : at + chance.randint(1, 200)] * chance.randint(1, 20)


def insert_noise(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    data[at:at] = chance.randbytes(chance.randint(1, 64))


def go_on_with_another(chance: random.Random, data: bytearray) -> None:
    other = chance.choice(CORPUS)
    at = chance.randrange(len(other))
    data[chance.randrange(len(data)) :] = other[at:]


MUTATIONS: Sequence[Mutation] = (
    change_bits,
    put_a_telling_number,
    put_a_telling_number,
    cut,
    leave_out,
    repeat,
    insert_noise,
    go_on_with_another,
)


def damage(chance: random.Random, data: bytearray, times: int) -> bytes:
    for _ in range(times):
        if data:
            chance.choice(MUTATIONS)(chance, data)
    return bytes(data)


def damaged(chance: random.Random) -> bytes:
    """Damage a file anywhere, its format's own fields among it."""
    return damage(chance, bytearray(chance.choice(CORPUS)), chance.randint(1, 4))


def with_damaged_frames(chance: random.Random) -> bytes:
    """Damage frames only, so that every one of them is looked into."""
    found = list(formats.records([chance.choice(CORPUS)], FileNotes()))
    frames = [
        Frame(t_ns=record.t_ns, data=damage(chance, bytearray(record.data), chance.choice([0, 1, 1, 2])))
        for record in found
    ]
    snap_len = chance.choice([262_144, 262_144, 60, 90])
    return classic(frames, link_type=found[0].link_type, snap_len=snap_len)


def made(seed: int, number: int) -> tuple[bytes, int]:
    """Make the input of that number, and the size of the chunks that it comes in."""
    chance = random.Random(f"{seed}/{number}")
    data = bytearray(chance.choice([damaged, with_damaged_frames])(chance))
    if chance.random() < 0.1:
        data = bytearray(chance.choice(list(COMPRESSIONS.values()))(bytes(data)))
    return bytes(data), chance.choice(CHUNKS)


@dataclass(slots=True)
class Tally:
    outcomes: Counter[str] = field(default_factory=Counter)
    segments: int = 0
    slowest_s: float = 0.0
    failures: list[tuple[int, str]] = field(default_factory=list)


def play(seed: int, number: int, tally: Tally) -> None:
    """Read one input, and note what came of it."""
    data, chunk = made(seed, number)
    memory_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    try:
        reading = read(in_chunks(data, chunk))
        tally.segments += sum(1 for _ in reading)
        outcome = "read with a doubt" if reading.doubts else "read"
    except CaptureError:
        outcome = "refused"
    except Exception as error:  # noqa: BLE001 - any other one is what is looked for
        outcome = f"raised {error!r}"
        tally.failures.append((number, outcome))
    took_s = time.process_time() - begin
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kib
    tally.outcomes[outcome] += 1
    tally.slowest_s = max(tally.slowest_s, took_s)
    if took_s > LONGEST_S:
        tally.failures.append((number, f"took {took_s:.1f} s"))
    if grown_kib > MOST_MEMORY_KIB:
        tally.failures.append((number, f"grew by {grown_kib} KiB"))


def main() -> int:
    """Play the campaign, and print what came of it; 1 where an input did harm."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="how many inputs (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first one's number (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which campaign (default: %(default)s)")
    parser.add_argument("--keep", type=Path, help="a folder for inputs that did harm")
    options = parser.parse_args()
    tally = Tally()
    for number in range(options.first, options.first + options.count):
        play(options.seed, number, tally)
    for outcome, count in tally.outcomes.most_common():
        print(f"{count:9,}  {outcome}")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{tally.segments:,} segments, the slowest input {tally.slowest_s:.3f} s, peak {peak_mib} MiB")
    for number, what in tally.failures:
        print(f"input {number} of seed {options.seed} {what}", file=sys.stderr)
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{options.seed}-{number}").write_bytes(made(options.seed, number)[0])
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
