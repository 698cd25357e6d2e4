"""Writes a classic capture again as pcapng, with what else such a file may hold, drawn from a seed."""

from __future__ import annotations

import struct
from random import Random

from rst_or_fin.capture_file.formats import records
from rst_or_fin.capture_file.records import FileNotes, Record

from tests.support.capture_files import block, interface, options, section, statistics, u64

_COMMENT, _FLAGS, _PACKET_DROPS = 1, 2, 4
_RESOLUTION, _OFFSET, _FCS_LEN = 9, 14, 13
_INTERFACE_DROPS = 5
_EVERY = 40  # packets: between what is not one
SECTION = section("<", (3, b"Linux 6.12"), (4, b"Dumpcap"))


def as_dumpcap_writes(data: bytes) -> bytes:
    """Write a capture as dumpcap does: nanoseconds, and the count of drops behind all packets."""
    written = [SECTION, interface("<", (2, b"eth0"), (_RESOLUTION, b"\x09"))]
    written += [packet(record, record.t_ns) for record in records([data], FileNotes())]
    return b"".join([*written, statistics("<", (4, u64(9)), (_INTERFACE_DROPS, u64(0)))])


def sprinkled(data: bytes, seed: int) -> bytes:
    """Write a capture in any way: half of the files as they are usual, the others with what is rare."""
    rng = Random(seed)
    resolution, per_s = rng.choice(_RESOLUTIONS if _is_rare(rng) else _RESOLUTIONS[:4])
    count = rng.choice((1, 1, 2, 3))
    pairs = [(_RESOLUTION, resolution)] if resolution else []
    described = interface("<", *pairs) * (count - 1) + interface("<", *pairs, *_rarely(rng, _OF_INTERFACE))
    told = rng.choice(_ASIDE if _is_rare(rng) else _SKIPPED)
    options_of = rng.choice(((), (), _OF_PACKET[:1], _OF_PACKET[1:2], _OF_PACKET if _is_rare(rng) else ()))
    often = rng.choice((0.02, 0.02, 0.3, 0.9))
    written = [section("<", *_rarely(rng, _OF_SECTION)), described]
    for record in records([data], FileNotes()):
        ticks, number = record.t_ns * per_s // 1_000_000_000, rng.randrange(count)
        extra = [rng.choice(options_of)] if options_of and rng.random() < often else []
        written.append(packet(record, ticks, *extra, number=number))
        if rng.randrange(_EVERY) == 0:
            written.append(told)
    return b"".join([*written, *([_DROPS] if _is_rare(rng) else _ASIDE[: rng.randrange(3)])])


def packet(record: Record, ticks: int, *pairs: tuple[int, bytes], number: int = 0) -> bytes:
    """Write an enhanced packet block."""
    lengths = len(record.data), record.wire_len
    head = struct.pack("<IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, *lengths)
    data = record.data + bytes(-len(record.data) % 4)
    return block("<", 6, head + data + options("<", *pairs))


def _is_rare(rng: Random) -> bool:
    return rng.random() < 0.15


def _rarely(rng: Random, what: tuple[tuple[int, bytes], ...]) -> list[tuple[int, bytes]]:
    return [rng.choice(what)] if _is_rare(rng) else []


# The resolution as an option's value, and its ticks in a second
_RESOLUTIONS = [
    (b"", 1_000_000),
    (b"\x06", 1_000_000),
    (b"\x09", 1_000_000_000),
    (b"\x03", 1_000),
    (b"\x0a", 10**10),
    (b"\x88", 256),
    (b"\xa0", 1 << 32),
]
_OF_SECTION = ((_COMMENT, b"of a section"), (4, b"a program"))
_OF_INTERFACE = (
    (_COMMENT, b"of an interface"),
    (_OFFSET, struct.pack("<q", 3_600)),
    (_FCS_LEN, b"\x04"),
    (_RESOLUTION, b"\x03"),
    (2, b"eth0"),
)
_OF_PACKET = ((_FLAGS, bytes(4)), (_COMMENT, b"of a packet"), (_PACKET_DROPS, u64(2)))
_DROPS = statistics("<", (_INTERFACE_DROPS, u64(7)))
_SKIPPED = (
    b"",
    block("<", 4, bytes(8)),  # names
    block("<", 10, bytes(24)),  # secrets
    block("<", 0x0BAD, b"custom, and a packet's kind: " + struct.pack("<I", 6) * 9),
)
_ASIDE = (
    statistics("<", (_INTERFACE_DROPS, u64(0))),
    statistics("<", (_COMMENT, b"of a count")),
    _DROPS,
    block("<", 3, struct.pack("<I", 60) + bytes(60)),
    block("<", 2, struct.pack("<HHIIII", 0, 3, 0, 0, 60, 60) + bytes(60)),
    struct.pack("<IIII", 0x0BAD, 13, 0, 13),
    interface(),
    section() + interface(),
    section(">") + interface(">"),
)
