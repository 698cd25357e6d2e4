"""Draw what is going to happen in a conversation: hosts, path, middleboxes, applications, capture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    def clean(self) -> bool:
        """Return whether nothing disturbs the conversation or its capture."""
        return (
            self.weather.calm and not self.forgeries and self.capture.whole and self.abort_lags_ns == (0, 0)
        )


def draw(rng: Random) -> Plan:
    """Return a plan of a conversation."""
    client_ports = rng.sample(range(32768, 61000), 3)
    count = rng.choice((1, 1, 1, 1, 2, 3))
    return Plan(
        traits=(traits.draw(rng), traits.draw(rng)),
        near_wrap=(rng.random() < 0.4, rng.random() < 0.4),
        abort_lags_ns=(_abort_lag_ns(rng), _abort_lag_ns(rng)),
        weather=draw_weather(rng),
        tap=rng.choice((0.0, 0.0, 1.0, 1.0, 0.5)),
        hops=rng.choice((0, 1, 6, 14)),
        forgeries=[boxes.draw(rng) for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))]
        if rng.random() < 0.5
        else (),
        scenes=[draw_scene(rng, client_ports[index], 80 + index) for index in range(count)],
        capture=draw_capture(rng),
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
    if rng.random() < 0.5:
        return Weather(delay_ns=delay_ns)
    chance = rng.random
    cut = chance() < 0.12
    return Weather(
        delay_ns=delay_ns,
        loss=rng.choice((0.0, 0.02, 0.1, 0.3)),
        duplication=rng.choice((0.0, 0.0, 0.02, 0.2)),
        corruption=rng.choice((0.0, 0.0, 0.02, 0.1)),
        jitter_ns=rng.choice((0, 0, delay_ns // 2, delay_ns * 2, 20 * MS)),
        late=rng.choice((0.0, 0.0, 0.3)),
        cut_at_ns=rng.randrange(3 * SECOND) if cut else FOREVER,
        cut_sides=rng.choice(((0,), (1,), (0, 1))),
        cut_before_tap=chance() < 0.5,
    )


def draw_capture(rng: Random) -> CapturePlan:
    """Return how the capture is made: whole in most cases."""
    kind = rng.random()
    fine = rng.random() < 0.5
    if kind < 0.62:
        return CapturePlan(fine=fine)
    if kind < 0.77:
        return CapturePlan(fine=fine, end=rng.random())
    if kind < 0.82:
        return CapturePlan(fine=fine, start=rng.random() * 0.8)
    if kind < 0.88:
        return CapturePlan(fine=fine, lose_one=True, drop=rng.choice((0.0, 0.03, 0.2)))
    if kind < 0.95:
        return CapturePlan(
            fine=fine, syn_swap=True, swap=rng.choice((0.0, 0.2, 0.7)), ordered=rng.random() < 0.7
        )
    return CapturePlan(fine=fine, doubled=True, doubled_hops=rng.choice((0, 1)), swap=rng.choice((0.0, 0.3)))
