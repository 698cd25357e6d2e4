"""Let two plain hosts meet in tests: everything is given, nothing is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.truth.app import Step
from tests.truth.boxes import Forgery
from tests.truth.capture import CapturePlan
from tests.truth.conversation import Conversation, perform
from tests.truth.host import Opening
from tests.truth.path import Weather
from tests.truth.plan import Plan
from tests.truth.scenes import Event, Scene
from tests.truth.show import notation
from tests.truth.tcb import Tcb
from tests.truth.traits import NO_SCALE, Traits
from tests.truth.truth import Truth
from tests.truth.wire import Addresses
from tests.truth.world import MS, SECOND, US

PLAIN = Traits(
    ttl=64,
    ids="socket",
    stamps=False,
    scale=NO_SCALE,
    mss=1000,
    buffer_len=60_000,
    rfc5961=True,
    lax_request=False,
    takes_before_fin=True,
    counts_resent=False,
    turnaround_ns=10 * US,
    latency_ns=20 * US,
    delayed_ack=False,
    lazy_fin_ack=False,
    syn_rto_ns=SECOND,
    rto_ns=200 * MS,
    syn_retries=3,
    retries=3,
    fin_timeout_ns=60 * SECOND,
    time_wait_ns=60 * SECOND,
    window_segments=10,
)
CLIENT_PORT, SERVER_PORT = 40000, 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What came of a meeting: A is the client."""

    conversation: Conversation

    @property
    def lines(self) -> list[str]:
        """Return what the hosts sent past the tap as tcpdump prints it, `>` from A and `<` from B."""
        return [
            f"{'<' if crossing.segment.side else '>'} {notation(crossing.segment)}"
            for crossing, _ in self.conversation.shown
            if crossing.segment.genuine
        ]

    @property
    def endings(self) -> list[tuple[str, str]]:
        """Return the right endings of A and B of each connection."""
        return [(_either(truth.endings[0]), _either(truth.endings[1])) for truth in self.truths]

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Return the right causes of both ends' RSTs of each connection."""
        return [(_either(truth.causes[0]), _either(truth.causes[1])) for truth in self.truths]

    @property
    def truths(self) -> Sequence[Truth]:
        """Return the truth of each connection."""
        return self.conversation.truths

    def tcb(self, side: int, connection: int = 0) -> Tcb:
        """Return what one end was left with."""
        found = self.conversation.world.conns[connection].tcbs[side]
        assert found is not None
        return found


def _either(answers: Iterable[str]) -> str:
    return " or ".join(sorted(answers))


def meet(
    client: Sequence[Step],
    server: Sequence[Step] = (),
    *,
    events: Sequence[Event] = (),
    listening: bool = True,
    ways: dict[str, int] | None = None,
    then: Opening | None = None,
    isn: int = 1000,
    capture: CapturePlan | None = None,
    forgeries: Sequence[Forgery] = (),
    traits: tuple[Traits, Traits] = (PLAIN, PLAIN),
    servers: Sequence[Sequence[Step]] | None = None,
    tap: float = 0.0,
    lag_ns: int = 0,
    **weather: Any,
) -> Met:
    """Play one scene between two plain hosts, 1 ms apart."""
    opening = Opening(lport=CLIENT_PORT, rport=SERVER_PORT, script=list(client), isn=isn, then=then)
    scene = Scene(
        name="meeting",
        client=0,
        port=SERVER_PORT,
        scripts=[list(script) for script in (servers or [server])],
        events=[Event(at_ns=0, side=0, word="open", opening=opening), *events],
        listening=listening,
        ways=ways or {},
    )
    script = Plan(
        traits=traits,
        near_wrap=(False, False),
        abort_lags_ns=(lag_ns, lag_ns),
        weather=Weather(**{"delay_ns": 1 * MS, **weather}),
        tap=tap,
        hops=0,
        forgeries=forgeries,
        scenes=[scene],
        capture=capture or CapturePlan(),
        addresses=Addresses(a="10.0.0.1", b="10.0.0.2"),
        start_ns=1_700_000_000_000_000_000,
    )
    return Met(conversation=perform(script, Random(1)))


def with_(traits: Traits = PLAIN, **changed: Any) -> Traits:
    """Return plain ways with some of them changed."""
    return replace(traits, **changed)
