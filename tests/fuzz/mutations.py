"""What is done to inputs that were right: bits, numbers at their limits, cuts, repetitions, noise."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

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


MUTATIONS: Sequence[Mutation] = (
    change_bits,
    put_a_telling_number,
    put_a_telling_number,
    cut,
    leave_out,
    repeat,
    insert_noise,
)


def damage(chance: random.Random, data: bytearray, times: int, others: Sequence[bytes] = ()) -> bytes:
    """Damage it that often; of eight times, once by going on with a piece of another input."""
    for _ in range(times):
        if not data:
            break
        if others and chance.random() < 1 / 8:
            _go_on_with(chance, data, chance.choice(others))
        else:
            chance.choice(MUTATIONS)(chance, data)
    return bytes(data)


def _go_on_with(chance: random.Random, data: bytearray, other: bytes) -> None:
    data[chance.randrange(len(data)) :] = other[chance.randrange(len(other)) :]
