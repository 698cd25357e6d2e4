"""Decide what of all that passed the tap a capture shows, in which order, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.truth.segment import SYN, Crossing
from tests.truth.world import US


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePlan:
    """How a capture is made.

    `start` and `end` are shares of what passed; `drop` and `swap` are shares of the frames, `lose_one` drops
    one that is drawn; `syn_swap` shows the first SYN ACK before its SYN; `doubled` shows every frame twice,
    the copy with a TTL that is `doubled_hops` less. `ordered`: times ascend even where frames are swapped.
    `blind` is a side whose segments do not come by (the way back is another one).
    `fine`: times are in nanoseconds. `padded`: short frames are filled up to what Ethernet wants. `snap_len`
    is how much of a frame is kept (0: all). `offload` is a side whose checksums its network card has still to
    compute.
    """

    start: float = 0.0
    end: float = 1.0
    drop: float = 0.0
    lose_one: bool = False
    swap: float = 0.0
    syn_swap: bool = False
    doubled: bool = False
    doubled_hops: int = 0
    ordered: bool = True
    blind: int | None = None
    fine: bool = True
    padded: bool = False
    snap_len: int = 0
    offload: int | None = None

    @property
    def whole(self) -> bool:
        """Return whether the capture shows everything, once, and in order."""
        return (self.start, self.end, self.drop, self.swap) == (0.0, 1.0, 0.0, 0.0) and not (
            self.lose_one or self.syn_swap or self.doubled or self.blind is not None
        )

    @property
    def unit_ns(self) -> int:
        """Return the resolution of its times."""
        return 1 if self.fine else US


def captured(
    crossings: Sequence[Crossing], plan: CapturePlan, rng: Random
) -> tuple[list[tuple[Crossing, int]], int]:
    """Return what the capture shows with its times in nanoseconds, and when the capture ended."""
    passed = sorted(crossings, key=lambda crossing: crossing.at_ns)
    count = len(passed)
    first, last = int(count * plan.start), max(int(count * plan.end), 1)
    ended_ns = passed[last - 1].at_ns if last < count else 1 << 62
    shown = [crossing for crossing in passed[first:last] if crossing.segment.side != plan.blind]
    if plan.drop:
        shown = [crossing for crossing in shown if rng.random() >= plan.drop]
    if plan.lose_one and len(shown) > 1:
        del shown[rng.randrange(len(shown))]
    times = _times([crossing.at_ns for crossing in shown], plan.unit_ns)
    timed = list(zip(shown, times, strict=True))
    if plan.swap or plan.syn_swap:
        timed = _swapped(timed, plan, rng)
    if plan.doubled:
        timed = [copy for pair in timed for copy in _twice(pair, plan)]
        times = _times([at_ns for _, at_ns in timed], plan.unit_ns)
        timed = [(crossing, at_ns) for (crossing, _), at_ns in zip(timed, times, strict=True)]
    return timed, ended_ns


def _times(times_ns: Sequence[int], unit_ns: int) -> list[int]:
    """Return the times rounded to a unit, each later than the one before."""
    found, last = [], -unit_ns
    for time_ns in times_ns:
        last = max(time_ns // unit_ns * unit_ns, last + unit_ns)
        found.append(last)
    return found


def _swapped(timed: list[tuple[Crossing, int]], plan: CapturePlan, rng: Random) -> list[tuple[Crossing, int]]:
    """Exchange neighbours that left different hosts within 200 microseconds, as two receive queues do."""
    result = list(timed)
    index = 0
    while index + 1 < len(result):
        (one, one_ns), (two, two_ns) = result[index], result[index + 1]
        close = one.segment.side != two.segment.side and two_ns - one_ns < 200 * US
        opening = plan.syn_swap and one.segment.flags & two.segment.flags & SYN
        if close and (opening or rng.random() < plan.swap):
            first_ns, second_ns = (one_ns, two_ns) if plan.ordered else (two_ns, one_ns)
            result[index : index + 2] = [(two, first_ns), (one, second_ns)]
            index += 1
        index += 1
    return result


def _twice(pair: tuple[Crossing, int], plan: CapturePlan) -> list[tuple[Crossing, int]]:
    crossing, at_ns = pair
    copy = Crossing(
        crossing.segment,
        crossing.at_ns,
        crossing.ttl - plan.doubled_hops,
        crossing.conn,
        crossing.corrupted,
        crossing.used,
    )
    return [pair, (copy, at_ns + 2 * US)]
