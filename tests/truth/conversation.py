"""Play a plan, capture it, and say what is true of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from tests.truth import capture, plan, wire
from tests.truth.boxes import Box
from tests.truth.host import Host
from tests.truth.path import Path
from tests.truth.plan import Plan
from tests.truth.scenes import Event, Scene
from tests.truth.segment import Crossing, Segment
from tests.truth.tellable import cut_behind_a_reset, looks_like_a_probe, unseen_opening, untellable
from tests.truth.truth import Truth, truths
from tests.truth.world import SECOND, World

LONGEST_NS = 400 * SECOND
MOST_CROSSINGS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One conversation: its capture, what the capture shows (with times), and the truth."""

    plan: Plan
    world: World
    shown: Sequence[tuple[Crossing, int]]
    pcap: bytes
    truths: Sequence[Truth]
    untruthful: str  # why nobody can name the truth


def converse(seed: int, *, verbose: bool = False) -> Conversation:
    """Return the conversation of a seed; `verbose`: with the hosts' states beside each segment."""
    for attempt in range(100):
        rng = Random(seed * 100 + attempt)
        found = perform(plan.draw(rng), rng, verbose=verbose)
        if not found.untruthful:
            return found
    raise ValueError(f"seed {seed} gives no conversation whose truth is known")


def perform(script: Plan, rng: Random, *, verbose: bool = False) -> Conversation:
    """Play a plan to its end and capture it."""
    world = play(script, rng, verbose=verbose)
    shown, ended_ns = capture.captured(world.crossings, script.capture, rng)
    crossings = [crossing for crossing, _ in shown]
    found = truths(world, crossings, ended_ns)
    return Conversation(
        plan=script,
        world=world,
        shown=shown,
        pcap=wire.capture(shown, script.addresses, script.capture, start_ns=script.start_ns),
        truths=found,
        untruthful=world.murky
        or unseen_opening(world.conns, crossings)
        or cut_behind_a_reset(crossings, found)
        or looks_like_a_probe(world.crossings, crossings)
        or (untellable(crossings, found) if script.mixed_ttls else ""),
    )


def play(
    script: Plan,
    rng: Random,
    *,
    verbose: bool = False,
    watch: Callable[[World, Segment], None] | None = None,
) -> World:
    """Let everything that is planned happen; `watch` sees every segment as its host has sent it."""
    world = World(rng)
    world.verbose = verbose
    world.path = Path(world, script.weather, tap=script.tap, hops=script.hops)
    for side in (0, 1):
        host = Host(world, side, script.traits[side])
        host.near_wrap = script.near_wrap[side]
        host.abort_lag_ns = script.abort_lags_ns[side]
        world.hosts.append(host)
    boxes = [Box(world, forgery) for forgery in script.forgeries]
    world.path.watchers = [box.watch for box in boxes]
    world.path.gates = [box.stops for box in boxes]
    if watch is not None:
        world.path.watchers.append(partial(watch, world))
    for scene in script.scenes:
        _stage(world, scene)
    world.run(until_ns=LONGEST_NS, most_crossings=MOST_CROSSINGS)
    world.path.settle()
    return world


def _stage(world: World, scene: Scene) -> None:
    if scene.listening:
        world.hosts[1 - scene.client].listen(scene.port, scene.scripts, **scene.ways)
    for event in scene.events:
        world.at(event.at_ns, _happen, (world, scene, event))


def _happen(argument: tuple[World, Scene, Event]) -> None:
    world, scene, event = argument
    host = world.hosts[event.side]
    if event.word == "open" and event.opening is not None:
        host.open(event.opening)
    elif event.word == "listen":
        host.listen(scene.port, scene.scripts, **scene.ways)
    elif event.word == "unlisten":
        host.stop_listening(scene.port)
    elif event.word == "reboot":
        host.reboot()
