"""Whatever is planned, the simulated hosts keep TCP's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.truth import plan
from tests.truth.capture import CapturePlan
from tests.truth.conversation import Conversation, converse, perform, play
from tests.truth.path import Weather
from tests.truth.segment import ACK, FIN, RST, SYN, Segment
from tests.truth.sequence import MASK, distance
from tests.truth.tcb import Gone, State, Tcb
from tests.truth.world import World

SEEDS = st.integers(min_value=0, max_value=1 << 40)
MANY = settings(max_examples=150)


def supervise(seed: int) -> tuple[World, list[str]]:
    """Play the plan of a seed and return what was broken."""
    rng = Random(seed)
    script = plan.draw(rng)
    broken: list[str] = []
    world = play(script, rng, watch=lambda world, segment: broken.extend(complaints(world, segment)))
    return world, broken


def complaints(world: World, segment: Segment) -> Iterator[str]:
    """Yield what is wrong with a segment, as its sender has just sent it."""
    tcb = world.hosts[segment.side].tcbs.get((segment.sport, segment.dport))
    if tcb is None or segment.flags & RST:
        return
    last = tcb.write_len + 2
    first = distance(segment.seq, tcb.iss)
    # a probe lies one before what was acknowledged
    if not -1 <= first <= last:
        yield f"seq {first} is outside the {last} that there are"
    if segment.length and first + segment.length > tcb.snd_una + tcb.snd_wnd:
        yield f"data up to {first + segment.length} beyond the window's edge {tcb.snd_una + tcb.snd_wnd}"
    if segment.flags & FIN and not tcb.fin_queued:
        yield "a FIN that nobody asked for"
    if segment.flags & FIN and first + segment.length != tcb.write_len + 1:
        yield "a FIN that is not behind the last byte"
    if segment.flags & ACK and segment.ack != (tcb.irs + tcb.rcv_nxt) & MASK:
        yield "an ACK of something else than RCV.NXT"


@MANY
@given(SEEDS)
def test_no_host_breaks_a_rule_of_sending(seed: int) -> None:
    assert supervise(seed)[1] == []


def ends(world: World) -> list[tuple[Tcb, Tcb]]:
    """Return both ends of every connection that has both, each as it was left."""
    return [
        (conn.tcbs[0], conn.tcbs[1])
        for conn in world.conns
        if conn.twin is None and conn.tcbs[0] is not None and conn.tcbs[1] is not None
    ]


@MANY
@given(SEEDS)
def test_no_byte_is_received_that_was_not_sent(seed: int) -> None:
    world, _ = supervise(seed)
    if not world.murky:
        assert all(
            one.read_len <= one.received_len <= other.write_len
            for pair in ends(world)
            for one, other in (pair, pair[::-1])
            if one.irs == other.iss
        )


@MANY
@given(SEEDS)
def test_both_ends_that_finish_have_received_everything(seed: int) -> None:
    world, _ = supervise(seed)
    for one, other in ends(world):
        if one.gone is other.gone is Gone.FINISHED and not world.murky:
            lengths = ((one.received_len, one.write_len), (other.write_len, other.received_len))
            assert lengths[0] == lengths[1]


@MANY
@given(SEEDS)
def test_an_end_whose_fin_and_the_other_s_are_acknowledged_is_done(seed: int) -> None:
    world, _ = supervise(seed)
    both = [tcb for pair in ends(world) for tcb in pair if tcb.fin_acked and tcb.got_fin]
    assert {tcb.state for tcb in both} <= {State.TIME_WAIT, State.CLOSED}


@MANY
@given(SEEDS)
def test_a_reset_without_a_decision_answers_a_segment_with_its_ack(seed: int) -> None:
    world, _ = supervise(seed)
    for reset in world.sent:
        asked = reset.answers
        if reset.flags & RST and not reset.abort:
            assert asked is not None
            assert (reset.seq, reset.ack) == ((asked.ack, 0) if asked.flags & ACK else (0, asked.end))


@MANY
@given(SEEDS)
def test_nobody_answers_a_reset_with_a_reset(seed: int) -> None:
    world, _ = supervise(seed)
    assert not [s for s in world.sent if s.answers is not None and s.answers.flags & RST]


@MANY
@given(SEEDS)
def test_an_abort_has_the_number_behind_all_that_was_sent(seed: int) -> None:
    world, _ = supervise(seed)
    for reset in world.sent:
        own = reset.conn.root().tcbs[reset.side]
        if reset.abort and own is not None:
            assert distance(reset.seq, own.iss) == own.snd_nxt


@MANY
@given(SEEDS)
def test_no_end_that_has_sent_a_reset_sends_a_fin_after_it(seed: int) -> None:
    world, _ = supervise(seed)
    for conn in () if world.murky else world.conns:
        for side in (0, 1):
            own = [s for s in world.sent if s.conn.root() is conn and s.side == side and not s.flags & SYN]
            resets = [at for at, s in enumerate(own) if s.flags & RST and s.counts]
            fins = [at for at, s in enumerate(own) if s.flags & FIN]
            assert not (resets and fins) or fins[-1] < resets[-1]


@MANY
@given(st.randoms(use_true_random=False))
def test_any_source_of_chance_gives_a_conversation_with_a_truth(rng: Random) -> None:
    conversation = perform(plan.draw(rng), rng)
    assert all(truth.endings[0] and truth.endings[1] for truth in conversation.truths)


@MANY
@given(SEEDS)
def test_one_answer_is_right_at_every_tap(seed: int) -> None:
    right: dict[int, list[tuple[frozenset[str], frozenset[str]]]] = {}
    for tap in (0.0, 0.5, 1.0):
        rng = Random(seed)
        script = plan.draw(rng)
        calm = Weather(delay_ns=script.weather.delay_ns)
        quiet = replace(script, tap=tap, weather=calm, forgeries=(), capture=CapturePlan())
        for truth in perform(quiet, rng).truths:
            right.setdefault(truth.conn.number, []).append(truth.endings)
    for endings in right.values():
        assert all(frozenset.intersection(*(ending[side] for ending in endings)) for side in (0, 1))


def test_a_seed_gives_the_same_conversation_every_time() -> None:
    assert [converse(seed).pcap for seed in range(30)] == [converse(seed).pcap for seed in range(30)]


@pytest.fixture(scope="module")
def sample() -> list[Conversation]:
    return [converse(seed) for seed in range(1500)]


Holds = Callable[[Conversation], bool]


def sent(reason: str) -> Holds:
    return lambda c: any(x.segment.reason == reason for x, _ in c.shown)


def caused(label: str) -> Holds:
    return lambda c: any(label in truth.causes[side] for truth in c.truths for side in (0, 1))


def ended(*endings: str) -> Holds:
    return lambda c: any(
        t.over and all({e} == set(t.endings[i]) for i, e in enumerate(endings)) for t in c.truths
    )


KINDS: dict[str, Holds] = {
    "a wrap of the numbers": lambda c: any(x.segment.end < x.segment.seq for x, _ in c.shown),
    "a forged RST": sent("forged"),
    "a stray SYN": sent("stray"),
    "a corrupted frame": lambda c: any(x.corrupted for x, _ in c.shown),
    "a SYN ACK before its SYN": lambda c: [x.segment.flags for x, _ in c.shown[:2]] == [SYN | ACK, SYN],
    "a refusal": caused("closed port"),
    "data after close": caused("data after close"),
    "a late segment": caused("late segment after close"),
    "unread data": caused("unread"),
    "a zero linger": caused("linger"),
    "a killed connection": caused("killed"),
    "a keepalive time-out": caused("keepalive"),
    "a closed listener": caused("listener closed"),
    "a connection still open": lambda c: any(not t.over for t in c.truths),
    "a port pair used twice": lambda c: len({t.conn.ports for t in c.truths}) < len(c.truths),
    "both opened at once": lambda c: any(t.client is None for t in c.truths),
    "an orderly end": ended("FIN", "FIN"),
    "a FIN, then a RST": ended("FIN then RST"),
    "two RSTs": ended("RST", "RST"),
    "IPv6": lambda c: c.plan.addresses.version == 6,
    "a clean conversation": lambda c: c.plan.clean,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_conversation_is_drawn_often_enough(kind: str, sample: list[Conversation]) -> None:
    found = sum(KINDS[kind](conversation) for conversation in sample)
    assert found >= 5, f"{found} of {len(sample)}"
