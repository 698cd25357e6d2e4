"""Many conversations at a time in one capture, two of them between the same hosts."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tests.truth import wire
from tests.truth.conversation import Conversation, converse

_APART_NS = 40_000_000
_START_NS = 1_700_000_000_000_000_000


def crowd(seeds: Iterable[int]) -> bytes:
    """Return the capture of the conversations of these seeds."""
    frames = [
        frame
        for place, seed in enumerate(seeds)
        for frame in _frames(converse(seed), place, place * _APART_NS)
    ]
    head = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)
    records = (
        struct.pack("<IIII", *divmod(_START_NS + at_ns, 1_000_000_000), len(kept), whole_len) + kept
        for at_ns, kept, whole_len in sorted(frames, key=lambda frame: frame[0])
    )
    return head + b"".join(records)


def _frames(talk: Conversation, place: int, begin_ns: int) -> Iterable[tuple[int, bytes, int]]:
    """Each frame: when, what was kept of it, and how long it was."""
    low, high = f"10.{place // 2}.0.1", f"10.{place // 2}.0.2"
    addresses = wire.Addresses(a=low, b=high) if place % 2 else wire.Addresses(a=high, b=low)
    plan = talk.plan.capture
    if talk.plan.addresses.version == 6 and place % 5 == 0:
        addresses = wire.Addresses(a=f"fd00::{place:x}:1", b=f"fd00::{place:x}:2")
    for crossing, at_ns in talk.shown:
        data = wire.frame(crossing, addresses, offload=crossing.segment.side == plan.offload)
        yield begin_ns + at_ns, data[: plan.snap_len or None], len(data)
