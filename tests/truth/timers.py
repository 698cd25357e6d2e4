"""Act when nothing comes: retransmission, delayed ACKs, probes and keepalive (tcp_timer.c of Linux)."""

from __future__ import annotations

from tests.truth import close, output
from tests.truth.tcb import Gone, State, Tcb, bury

DELAYED_ACK_NS = 40_000_000
LONGEST_RTO_NS = 120_000_000_000


def retransmission(tcb: Tcb) -> None:
    """Send again what was not acknowledged, or probe a closed window; give up after so many times."""
    now = tcb.host.world.now
    if tcb.rto_at != now or tcb.gone is not Gone.NOT:
        return
    tcb.rto_at = 0
    if tcb.state in (State.TIME_WAIT, State.FIN_WAIT_2):
        return
    traits = tcb.host.traits
    opening = tcb.state in (State.SYN_SENT, State.SYN_RECEIVED)
    if tcb.retries >= (traits.syn_retries if opening else traits.retries):
        close.give_up(tcb)
        return
    tcb.retries += 1
    tcb.rto_ns = min(tcb.rto_ns * 2, LONGEST_RTO_NS)
    if opening or tcb.snd_nxt > tcb.snd_una:
        tcb.recover = tcb.snd_nxt
        output.send_again(tcb)
        output.arm(tcb)
    elif tcb.snd_nxt < tcb.write_len + 1 + tcb.fin_queued:
        output.probe(tcb)
        output.arm(tcb)


def delayed_ack(tcb: Tcb) -> None:
    """Send the ACK that waited for data to travel with."""
    if tcb.delack_at == tcb.host.world.now and tcb.gone is Gone.NOT and tcb.unacked:
        output.acknowledge(tcb)


def start_keepalive(tcb: Tcb) -> None:
    """Ask the other end now and then whether it still is there."""
    tcb.keepalive_at = tcb.host.world.now + tcb.keepalive_ns
    tcb.host.world.at(tcb.keepalive_at, keepalive, tcb)


def keepalive(tcb: Tcb) -> None:
    """Probe an idle connection; after three probes without an answer abort it (tcp_keepalive_timer)."""
    if tcb.keepalive_at != tcb.host.world.now or tcb.gone is not Gone.NOT:
        return
    if tcb.snd_nxt > tcb.snd_una:  # what was sent is being retransmitted
        start_keepalive(tcb)
    elif tcb.keepalive_probes >= 3:
        output.abort(tcb, "keepalive")
        bury(tcb, Gone.ABORTED)
    else:
        tcb.keepalive_probes += 1
        output.probe(tcb)
        start_keepalive(tcb)
