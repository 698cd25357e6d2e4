"""Take what arrives: RFC 9293 section 3.10.7 and RFC 5961, as Linux does it (net/ipv4/tcp_input.c)."""

from __future__ import annotations

from tests.truth import opening, synchronised, time_wait
from tests.truth.segment import Crossing, Segment
from tests.truth.tcb import State, Tcb


def receive(tcb: Tcb, segment: Segment, crossing: Crossing | None) -> None:
    """Let one end take a segment that was sent to it."""
    if tcb.state is State.SYN_SENT:
        opening.in_syn_sent(tcb, segment)
    elif tcb.request:
        opening.in_request(tcb, segment, crossing)
    elif tcb.state is State.TIME_WAIT:
        time_wait.take(tcb, segment, crossing)
    else:
        synchronised.take(tcb, segment)
