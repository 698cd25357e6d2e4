"""Carry segments from one host to the other, past the tap, with all that goes wrong on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.truth.acceptance import takes_reset
from tests.truth.segment import ACK, RST, SYN, Crossing, Segment
from tests.truth.sequence import MASK
from tests.truth.tcb import Gone
from tests.truth.world import MS, World

FOREVER = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What the path does to segments; shares are of 1.

    `cut_at_ns`: from then on nothing from the sides in `cut_sides` gets through; `cut_before_tap` says
    whether it still passes the tap. `late` is the share of SYNs and SYN ACKs of which a copy comes again,
    much later, `late_rest` that of all others. From `reroute_at_ns` on what `reroute_side` sends takes
    `reroute_hops` more to the tap. `lost` are segments that pass the tap and do not arrive: (side, how many
    that side had sent before).
    """

    delay_ns: int
    loss: float = 0.0
    duplication: float = 0.0
    corruption: float = 0.0
    jitter_ns: int = 0
    late: float = 0.0
    late_rest: float = 0.0
    reroute_at_ns: int = FOREVER
    reroute_side: int = 0
    reroute_hops: int = 0
    lost: tuple[tuple[int, int], ...] = ()
    cut_at_ns: int = FOREVER
    cut_sides: tuple[int, ...] = ()
    cut_before_tap: bool = False

    @property
    def calm(self) -> bool:
        """Return whether every segment arrives once, in order and intact."""
        shares = (self.loss, self.duplication, self.corruption, self.jitter_ns, self.late, self.late_rest)
        return self.cut_at_ns == FOREVER and not any(shares) and not self.lost


class Path:
    """The path between the hosts. `tap` is where on it the tap is: 0 at A, 1 at B."""

    def __init__(self, world: World, weather: Weather, *, tap: float, hops: int) -> None:
        self.world = world
        self.weather = weather
        self.tap = tap
        self.hops = (round(hops * tap), hops - round(hops * tap))  # from each side to the tap
        share = (tap, 1.0 - tap)  # of the path that lies before the tap, seen from each side
        self._share = share
        self._before_ns = tuple(int(weather.delay_ns * part) for part in share)
        self._after_ns = tuple(weather.delay_ns - before for before in self._before_ns)
        self._calm = weather.calm
        self._sent = [0, 0]
        self.watchers: list[Callable[[Segment], None]] = []
        self.gates: list[Callable[[Segment], float | None]] = []  # say where they stop a segment

    def carry(self, segment: Segment) -> None:
        """Take a segment from its host."""
        world, side = self.world, segment.side
        segment.sent_ns = world.now + world.hosts[side].traits.turnaround_ns
        world.sent.append(segment)
        places = [place for gate in self.gates if (place := gate(segment)) is not None]
        if places:
            self._stop(segment, places[0])
        elif self._calm:
            self._pass(segment, self._before_ns[side], self._after_ns[side])
        else:
            self._carry_through(segment)
        for watch in self.watchers:
            watch(segment)

    def _stop(self, segment: Segment, place: float) -> None:
        """Let a segment get no further than a place."""
        side = segment.side
        crosses = self._share[side] <= (place if side == 0 else 1 - place)
        if crosses:
            segment.copies += 1
            self._cross(segment, segment.sent_ns + self._before_ns[side])
        self._lose(segment, segment.sent_ns + self.weather.delay_ns, crossed=crosses)

    def _carry_through(self, segment: Segment) -> None:
        weather, rng = self.weather, self.world.rng
        self._sent[segment.side] += 1
        self._one_copy(segment, 0)
        if rng.random() < weather.duplication:
            self._one_copy(segment, rng.randrange(1, 3 * MS))
        if rng.random() < (weather.late if segment.flags & SYN else weather.late_rest):
            self._one_copy(segment, rng.choice((1, 5, 90)) * rng.randrange(100 * MS, 1000 * MS))

    def _one_copy(self, segment: Segment, later_ns: int) -> None:
        weather, rng, side = self.weather, self.world.rng, segment.side
        share = self._share[side]
        before = self._before_ns[side] + later_ns + int(rng.random() * weather.jitter_ns * share)
        after = self._after_ns[side] + int(rng.random() * weather.jitter_ns * (1 - share))
        at_ns = segment.sent_ns + before
        cut = at_ns >= weather.cut_at_ns and side in weather.cut_sides
        cut = cut or (bool(weather.lost) and (side, self._sent[side] - 1) in weather.lost)
        if (cut and weather.cut_before_tap) or rng.random() < weather.loss * share:
            self._lose(segment, at_ns + after)
        elif rng.random() < weather.corruption * share:
            self._cross(segment, at_ns).corrupted = rng.randrange(1, 1 << 16)
            segment.copies += 1
            segment.spoiled += 1
        elif cut or rng.random() < (weather.loss + weather.corruption) * (1 - share):
            segment.copies += 1
            self._cross(segment, at_ns)
            self._lose(segment, at_ns + after, crossed=True)
        else:
            self._pass(segment, before, after)
            if rng.random() < weather.duplication * (1 - share):
                crossing = self.world.crossings[-1]
                self.world.at(at_ns + after + rng.randrange(3 * MS), self._deliver, (segment, crossing))

    def _pass(self, segment: Segment, before_ns: int, after_ns: int) -> None:
        segment.copies += 1
        at_ns = segment.sent_ns + before_ns
        self.world.at(at_ns + after_ns, self._deliver, (segment, self._cross(segment, at_ns)))

    def inject(self, segment: Segment, place: float) -> None:
        """Take a segment that somebody made up at some place on the path."""
        now, delay_ns = self.world.now, self.weather.delay_ns
        segment.sent_ns = now
        segment.copies += 1
        to_tap = (self.tap - place) if segment.side == 0 else (place - self.tap)
        crossing = self._cross(segment, now + int(delay_ns * to_tap)) if to_tap >= 0 else None
        way = 1 - place if segment.side == 0 else place
        self.world.at(now + int(delay_ns * way), self._deliver, (segment, crossing))

    def _cross(self, segment: Segment, at_ns: int) -> Crossing:
        ttl = segment.ttl
        if segment.genuine:
            weather, side = self.weather, segment.side
            moved = side == weather.reroute_side and segment.sent_ns >= weather.reroute_at_ns
            ttl -= self.hops[side] + weather.reroute_hops * moved
        crossing = Crossing(segment, at_ns, ttl, segment.conn)
        self.world.crossings.append(crossing)
        if self.world.verbose:
            crossing.states = _states(segment)
        return crossing

    def _lose(self, segment: Segment, at_ns: int, *, crossed: bool = False) -> None:
        segment.copies += not crossed
        if segment.flags & RST:
            self.world.at(at_ns, assess, segment)

    def settle(self) -> None:
        """Find out what would have come of RSTs that are still under way."""
        for _, action, argument in self.world.left():
            if action == assess:
                assess(argument)
            elif action == self._deliver and argument[0].flags & RST:
                assess(argument[0])

    def _deliver(self, parcel: tuple[Segment, Crossing | None]) -> None:
        segment, crossing = parcel
        if segment.flags & RST:
            assess(segment)
        self.world.hosts[1 - segment.side].receive(segment, crossing)
        if crossing is not None:
            crossing.used = True


def _states(segment: Segment) -> tuple[str, str]:
    """Return how both hosts see the connection as a segment leaves."""
    one, two = segment.conn.root().tcbs
    return (str(one.state) if one else "-", str(two.state) if two else "-")


def assess(segment: Segment) -> None:
    """Find out, when it arrives or would have arrived, whether a RST counts."""
    if segment.counts or not segment.genuine:
        return  # a copy of it was taken already
    other = segment.conn.root().tcbs[1 - segment.side]
    if other is None:
        segment.counts = segment.exact = _refuses(segment)
    elif takes_reset(other, segment):
        segment.counts = other.gone in (Gone.NOT, Gone.SILENT)
        segment.may_count = other.gone is not Gone.FINISHED
        segment.exact = segment.flags & ACK != 0 or segment.seq == (other.irs + other.rcv_nxt) & MASK


def _refuses(segment: Segment) -> bool:
    """Return whether this answers a SYN that its client never sent: taken as if the client had."""
    asked = segment.answers
    return asked is not None and bool(asked.flags & SYN) and segment.ack == asked.end
