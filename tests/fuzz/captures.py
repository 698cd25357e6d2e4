"""Damaged captures: each is read or refused."""

from __future__ import annotations

import random

from rst_or_fin.capture_file import formats
from rst_or_fin.capture_file.damage import CaptureError
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.reading import read
from rst_or_fin.capture_file.records import FileNotes

from tests.fuzz.mutations import damage
from tests.support.capture_files import COMPRESSIONS, classic, in_chunks
from tests.support.corpus import COMPRESSED, UNCOMPRESSED

CORPUS = [*UNCOMPRESSED.values(), *COMPRESSED.values()]
CHUNKS = (1, 13, 64, 4096, 262_144)


def damaged(chance: random.Random) -> bytes:
    """Damage a file anywhere, its format's own fields among it."""
    return damage(chance, bytearray(chance.choice(CORPUS)), chance.randint(1, 4), CORPUS)


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


def look(made_input: tuple[bytes, int]) -> str:
    """Read one, and say what came of it."""
    data, chunk = made_input
    try:
        reading = read(in_chunks(data, chunk))
        for _ in reading:
            pass
    except CaptureError:
        return "refused"
    return "read with a doubt" if reading.doubts else "read"
