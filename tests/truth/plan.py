"""Draw what is going to happen in a conversation: hosts, path, middleboxes, applications, capture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.truth import boxes, traits
from tests.truth.app import Step
from tests.truth.boxes import Forgery
from tests.truth.capture import CapturePlan
from tests.truth.host import NEVER, Opening
from tests.truth.path import FOREVER, Weather
from tests.truth.scenes import Scene, draw_scene
from tests.truth.traits import Traits
from tests.truth.wire import Addresses
from tests.truth.world import MS, SECOND

__all__ = ["NEVER", "Opening", "Plan", "Step", "draw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a conversation depends on, apart from the random numbers drawn while it runs."""

    traits: tuple[Traits, Traits]
    near_wrap: tuple[bool, bool]
    abort_lags_ns: tuple[int, int]
    weather: Weather
    tap: float
    hops: int
    forgeries: Sequence[Forgery]
    scenes: Sequence[Scene]
    capture: CapturePlan
    addresses: Addresses
    start_ns: int

    @property
    def mixed_ttls(self) -> bool:
        """Return whether segments in one host's name may have more than one TTL."""
        return bool(self.forgeries) or self.weather.reroute_at_ns != FOREVER

    @property
    def clean(self) -> bool:
        """Return whether nothing disturbs the conversation or its capture."""
        return (
            self.weather.calm and not self.forgeries and self.capture.whole and self.abort_lags_ns == (0, 0)
        )


def draw(rng: Random) -> Plan:
    """Return a plan of a conversation."""
    client_ports = rng.sample(range(32768, 61000), 3)
    count = rng.choice((1, 1, 1, 1, 2, 3))
    weather = draw_weather(rng)
    tap = rng.choice((0.0, 0.0, 1.0, 1.0, 0.5))
    return Plan(
        traits=(traits.draw(rng), traits.draw(rng)),
        near_wrap=(rng.random() < 0.4, rng.random() < 0.4),
        abort_lags_ns=(_abort_lag_ns(rng), _abort_lag_ns(rng)),
        weather=weather,
        tap=tap,
        hops=rng.choice((0, 1, 6, 14)),
        forgeries=[boxes.draw(rng) for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))]
        if rng.random() < 0.5
        else (),
        scenes=[draw_scene(rng, client_ports[index], 80 + index) for index in range(count)],
        capture=draw_capture(rng, tap=tap, intact=not weather.corruption),
        addresses=rng.choice(_ADDRESSES),
        start_ns=1_700_000_000_000_000_000 + rng.randrange(SECOND),
    )


_ADDRESSES = (
    Addresses(a="10.0.0.1", b="10.0.0.2"),
    Addresses(a="192.0.2.77", b="198.51.100.3"),
    Addresses(a="2001:db8::1", b="2001:db8:0:1::2"),
)


def _abort_lag_ns(rng: Random) -> int:
    return rng.randrange(1, 5 * MS) if rng.random() < 0.03 else 0


def draw_weather(rng: Random) -> Weather:
    """Return what the path is like: calm in half of all cases."""
    delay_ns = rng.choice((20_000, 1 * MS, 10 * MS, 80 * MS)) + rng.randrange(10_000)
    moved = rng.randrange(2 * SECOND) if rng.random() < 0.05 else FOREVER
    side, hops = rng.randrange(2), rng.choice((1, 3))
    if rng.random() < 0.5:
        return Weather(delay_ns=delay_ns, reroute_at_ns=moved, reroute_side=side, reroute_hops=hops)
    cut = rng.random() < 0.12
    return Weather(
        delay_ns=delay_ns,
        loss=rng.choice((0.0, 0.02, 0.1, 0.3)),
        duplication=rng.choice((0.0, 0.0, 0.02, 0.2)),
        corruption=rng.choice((0.0, 0.0, 0.02, 0.1)),
        jitter_ns=rng.choice((0, 0, delay_ns // 2, delay_ns * 2, 20 * MS)),
        late=rng.choice((0.0, 0.0, 0.3)),
        late_rest=rng.choice((0.0, 0.0, 0.0, 0.03)),
        cut_at_ns=rng.randrange(3 * SECOND) if cut else FOREVER,
        cut_sides=rng.choice(((0,), (1,), (0, 1))),
        cut_before_tap=rng.random() < 0.5,
        reroute_at_ns=moved,
        reroute_side=side,
        reroute_hops=hops,
    )


def draw_capture(rng: Random, *, tap: float, intact: bool) -> CapturePlan:
    """Return how the capture is made: whole in most cases.

    Where a frame may be corrupted (not `intact`), it is captured with what tells: all of it, and no checksums
    that are still to be computed.
    """
    kinds = tuple(_CAPTURES)
    kind = rng.choices(kinds, tuple(weight for weight, _ in _CAPTURES.values()))[0]
    local = {0.0: 0, 1.0: 1}.get(tap)
    return replace(
        _CAPTURES[kind][1](rng),
        fine=rng.random() < 0.5,
        padded=rng.random() < 0.3,
        snap_len=rng.choice((96, 128)) if intact and rng.random() < 0.06 else 0,
        offload=local if intact and rng.random() < 0.03 else None,
    )


_CAPTURES: dict[str, tuple[int, Callable[[Random], CapturePlan]]] = {
    "whole": (60, lambda rng: CapturePlan()),
    "ends early": (15, lambda rng: CapturePlan(end=rng.random())),
    "starts late": (5, lambda rng: CapturePlan(start=rng.random() * 0.8)),
    "drops": (6, lambda rng: CapturePlan(lose_one=True, drop=rng.choice((0.0, 0.03, 0.2)))),
    "swaps": (
        7,
        lambda rng: CapturePlan(syn_swap=True, swap=rng.choice((0.0, 0.2, 0.7)), ordered=rng.random() < 0.7),
    ),
    "doubles": (
        5,
        lambda rng: CapturePlan(doubled=True, doubled_hops=rng.choice((0, 1)), swap=rng.choice((0.0, 0.3))),
    ),
    "sees one way": (2, lambda rng: CapturePlan(blind=rng.randrange(2))),
}
