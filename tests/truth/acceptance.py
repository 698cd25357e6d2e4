"""Say what an end of a connection would take, without taking it (RFC 9293 section 3.10.7, RFC 5961)."""

from __future__ import annotations

from tests.truth.segment import ACK, FIN, RST, SYN, Segment
from tests.truth.sequence import MASK, distance
from tests.truth.tcb import Gone, State, Tcb


def takes_reset(tcb: Tcb, segment: Segment) -> bool:
    """Return whether this end, as it is (or was last), would let a RST end its connection."""
    state = tcb.state if tcb.gone is Gone.NOT else tcb.last
    if state is State.SYN_SENT:
        ack = ack_of(tcb, segment)
        return bool(segment.flags & ACK) and tcb.snd_una < ack <= tcb.snd_nxt
    if state is State.TIME_WAIT:
        return False
    seq = seq_of(tcb, segment)
    in_window = tcb.rcv_nxt <= seq < max(tcb.rcv_edge, tcb.rcv_nxt + 1)
    if tcb.request:
        # tcp_check_req passes a wrong ACK on to the listener, which ignores a RST
        wrong_ack = segment.flags & ACK and ack_of(tcb, segment) != 1
        lax = tcb.host.traits.lax_request or not tcb.host.traits.rfc5961
        return not wrong_ack and (in_window if lax else seq == tcb.rcv_nxt)
    if seq == tcb.rcv_nxt:
        return True
    if tcb.orphan and state is State.FIN_WAIT_2:
        return in_window
    if tcb.got_fin and seq == tcb.rcv_nxt - 1 and tcb.host.traits.takes_before_fin:
        return True
    return in_window and not tcb.host.traits.rfc5961


def mistakes(tcb: Tcb, segment: Segment) -> bool:
    """Return whether this end takes a segment of another connection for one of its own."""
    if segment.conn.root() is tcb.conn.root() or segment.flags & SYN:
        return False
    if tcb.state is State.SYN_SENT:
        return bool(segment.flags & RST) and takes_reset(tcb, segment)
    seq = seq_of(tcb, segment)
    end = seq + segment.length + (segment.flags & FIN)
    return end >= tcb.rcv_wup and seq <= max(tcb.rcv_edge, tcb.rcv_nxt)


def seq_of(tcb: Tcb, segment: Segment) -> int:
    """Return a segment's number, counted from the other end's initial one."""
    return tcb.rcv_nxt + distance(segment.seq, (tcb.irs + tcb.rcv_nxt) & MASK)


def ack_of(tcb: Tcb, segment: Segment) -> int:
    """Return what a segment acknowledges, counted from our initial number."""
    return tcb.snd_nxt + distance(segment.ack, (tcb.iss + tcb.snd_nxt) & MASK)


def outdated(tcb: Tcb, segment: Segment) -> bool:
    """Return whether the time stamp says that this is an old duplicate (RFC 7323 section 5)."""
    return tcb.stamps and segment.stamp is not None and distance(segment.stamp[0], tcb.ts_recent) < 0
