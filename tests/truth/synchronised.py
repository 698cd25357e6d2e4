"""Take what arrives once both ends know each other's numbers (tcp_rcv_state_process of Linux)."""

from __future__ import annotations

from tests.truth import close, output
from tests.truth.acceptance import ack_of, outdated, seq_of, takes_reset
from tests.truth.segment import ACK, FIN, RST, SYN, Segment
from tests.truth.tcb import PEER_CLOSED, Gone, State, Tcb, bury
from tests.truth.timers import DELAYED_ACK_NS, delayed_ack


def take(tcb: Tcb, segment: Segment) -> None:
    """Take a segment in any state but those of the opening, and TIME-WAIT."""
    flags = segment.flags
    seq = seq_of(tcb, segment)
    end = seq + segment.length + (flags & FIN) + ((flags & SYN) >> 1)
    if flags & RST:
        _take_reset(tcb, segment, seq)
    elif outdated(tcb, segment):
        output.acknowledge(tcb)
    elif end < tcb.rcv_wup or seq > max(tcb.rcv_edge, tcb.rcv_nxt):
        output.acknowledge(tcb)  # also the challenge ACK of RFC 5961 section 4
    elif flags & SYN and not _second_syn_ack(tcb, segment, end):
        output.acknowledge(tcb)
    elif flags & ACK and _take_ack(tcb, segment, seq):
        if tcb.stamps and segment.stamp is not None and seq <= tcb.rcv_wup:
            tcb.ts_recent = segment.stamp[0]
        tcb.keepalive_probes = 0
        _take_text(tcb, segment, seq, end)


def _take_reset(tcb: Tcb, segment: Segment, seq: int) -> None:
    if takes_reset(tcb, segment):
        bury(tcb, Gone.RESET)
    elif tcb.rcv_wup <= seq <= max(tcb.rcv_edge, tcb.rcv_nxt):
        output.acknowledge(tcb)  # RFC 5961 section 3: a challenge ACK


def _second_syn_ack(tcb: Tcb, segment: Segment, end: int) -> bool:
    """Return whether this completes an opening from both ends."""
    return (
        tcb.state is State.SYN_RECEIVED
        and bool(segment.flags & ACK)
        and end == tcb.rcv_nxt
        and ack_of(tcb, segment) == tcb.snd_nxt
    )


def _take_ack(tcb: Tcb, segment: Segment, seq: int) -> bool:
    """Take the acknowledgement and the window; False where the rest of the segment is not to be looked at."""
    ack = ack_of(tcb, segment)
    if tcb.state is State.SYN_RECEIVED:
        if not tcb.snd_una < ack <= tcb.snd_nxt:
            tcb.host.answer(segment)
            return False
        tcb.snd_wnd = segment.window << tcb.snd_scale
        establish(tcb)
    if ack > tcb.snd_nxt or ack < tcb.snd_una - tcb.max_wnd:
        output.acknowledge(tcb)  # RFC 5961 section 5
        return False
    newer = ack > tcb.snd_una
    window = segment.window if segment.flags & SYN else segment.window << tcb.snd_scale
    fresh = newer or seq > tcb.snd_wl1 or (seq == tcb.snd_wl1 and window > tcb.snd_wnd)
    if fresh and ack >= tcb.snd_una:
        duplicate = not newer and window == tcb.snd_wnd
        tcb.snd_wl1, tcb.snd_wnd = seq, window
        tcb.max_wnd = max(tcb.max_wnd, window)
    else:
        duplicate = ack == tcb.snd_una and window == tcb.snd_wnd
    if newer:
        _advance(tcb, ack)
    elif duplicate and not segment.length and tcb.snd_nxt > tcb.snd_una:
        tcb.dup_acks += 1
        if tcb.dup_acks == 3:  # RFC 5681 section 3.2
            output.send_again(tcb)
    elif not tcb.snd_nxt > tcb.snd_una:
        tcb.retries = 0  # a probe was answered
    if tcb.fin_acked and not _fin_acked(tcb, segment, seq):
        return False
    output.push(tcb)
    return True


def _advance(tcb: Tcb, ack: int) -> None:
    tcb.snd_una = ack
    tcb.retries = tcb.dup_acks = tcb.rto_at = 0
    tcb.rto_ns = tcb.host.traits.rto_ns
    if ack < tcb.snd_nxt:
        if ack < tcb.recover:
            output.send_again(tcb)
        output.arm(tcb)
    if tcb.app is not None:
        tcb.app.poke()


def _fin_acked(tcb: Tcb, segment: Segment, seq: int) -> bool:
    """Go on once our FIN was acknowledged; False where that was the end."""
    if tcb.state is State.LAST_ACK:
        bury(tcb, Gone.FINISHED)
        return False
    if tcb.state is State.CLOSING:
        close.time_wait(tcb)
        return False
    if tcb.state is State.FIN_WAIT_1:
        tcb.state = State.FIN_WAIT_2
        if tcb.orphan:
            close.expire_later(tcb, tcb.host.traits.fin_timeout_ns)
    return True


def _take_text(tcb: Tcb, segment: Segment, seq: int, end: int) -> None:
    fin = segment.flags & FIN
    text_end = end - fin
    if end == seq:
        return
    if tcb.state in PEER_CLOSED and seq >= tcb.rcv_nxt:
        return
    if tcb.orphan and segment.length and text_end > tcb.rcv_nxt:
        # Nobody will ever read it (tcp_rcv_state_process: TCPABORTONDATA; tcp_timewait_state_process)
        bury(tcb, Gone.ANSWERED)
        tcb.host.answer(segment).decided = True
        return
    if fin and text_end <= max(tcb.rcv_edge, tcb.rcv_nxt):
        tcb.fin_at = text_end
        tcb.resent_with_fin |= not tcb.got_fin and seq < tcb.rcv_nxt < end and segment.length > 0
    before = tcb.rcv_nxt
    _store(tcb, seq, min(text_end, tcb.rcv_edge))
    in_order = tcb.rcv_nxt > before and not tcb.later
    if not tcb.got_fin and tcb.fin_at == tcb.rcv_nxt:
        _take_fin(tcb)
    elif tcb.rcv_nxt > before and tcb.app is not None:
        tcb.app.poke()
    if tcb.gone is Gone.NOT:
        _acknowledge_text(tcb, in_order)


def _store(tcb: Tcb, start: int, stop: int) -> None:
    """Put bytes in order, or aside until what is missing comes."""
    if stop <= tcb.rcv_nxt or tcb.got_fin:
        return
    if start > tcb.rcv_nxt:
        tcb.later.append((start, stop))
        return
    tcb.rcv_nxt = stop
    while tcb.later:
        fitting = [piece for piece in tcb.later if piece[0] <= tcb.rcv_nxt]
        if not fitting:
            break
        tcb.rcv_nxt = max(tcb.rcv_nxt, *(piece[1] for piece in fitting))
        tcb.later = [piece for piece in tcb.later if piece[0] > tcb.rcv_nxt]


def _take_fin(tcb: Tcb) -> None:
    tcb.rcv_nxt += 1
    tcb.got_fin = True
    if tcb.state is State.ESTABLISHED:
        tcb.state = State.CLOSE_WAIT
    elif tcb.state is State.FIN_WAIT_1:
        tcb.state = State.CLOSING
    elif tcb.state is State.FIN_WAIT_2:
        close.time_wait(tcb)
    if tcb.app is not None:
        tcb.app.poke()


def _acknowledge_text(tcb: Tcb, in_order: bool) -> None:
    tcb.unacked += 1
    traits = tcb.host.traits
    fresh_fin = tcb.got_fin and tcb.state is State.CLOSE_WAIT and tcb.rcv_wup < tcb.rcv_nxt
    patient = traits.lazy_fin_ack if fresh_fin else traits.delayed_ack and not tcb.got_fin
    if patient and in_order | fresh_fin and tcb.unacked < 2:
        world = tcb.host.world
        tcb.delack_at = world.now + DELAYED_ACK_NS
        world.at(tcb.delack_at, delayed_ack, tcb)
    else:
        output.acknowledge(tcb)


def establish(tcb: Tcb) -> None:
    """Enter ESTABLISHED and let the application know."""
    tcb.state = State.ESTABLISHED
    tcb.rto_ns = tcb.host.traits.rto_ns
    if tcb.app is not None:
        tcb.app.poke()
