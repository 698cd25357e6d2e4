"""Take what arrives while a connection is being opened (tcp_rcv_synsent_state_process, tcp_check_req)."""

from __future__ import annotations

from tests.truth import output, synchronised
from tests.truth.acceptance import ack_of, seq_of, takes_reset
from tests.truth.segment import ACK, FIN, RST, SYN, Crossing, Segment
from tests.truth.tcb import Gone, State, Tcb, bury

SOON_NS = 2_000_000  # TCP_TIMEOUT_MIN


def in_syn_sent(tcb: Tcb, segment: Segment) -> None:
    """Take a segment in SYN-SENT."""
    flags = segment.flags
    acceptable = not flags & ACK or tcb.snd_una < ack_of(tcb, segment) <= tcb.snd_nxt
    if not acceptable and not tcb.retries:  # what it acknowledges is forgotten by now: ask again soon
        tcb.rto_at = 0
        output.arm(tcb, SOON_NS)
    if flags & RST:
        if acceptable and flags & ACK:
            bury(tcb, Gone.RESET)
    elif not acceptable:
        tcb.host.answer(segment)
    elif flags & SYN:
        learn(tcb, segment)
        if flags & ACK:
            _adopt(tcb, segment)
            tcb.snd_una, tcb.retries, tcb.rto_at = 1, 0, 0
            synchronised.establish(tcb)
            output.acknowledge(tcb)
        else:
            _open_at_once(tcb, segment)


def learn(tcb: Tcb, segment: Segment) -> None:
    """Take the other end's number, window and options from its SYN."""
    tcb.irs, tcb.rcv_nxt, tcb.rcv_edge = segment.seq, 1, 1
    tcb.snd_wnd = tcb.max_wnd = segment.window
    tcb.mss = min(segment.mss or 536, tcb.host.traits.mss)
    if segment.wscale < 0 or tcb.rcv_scale < 0:
        tcb.rcv_scale, tcb.snd_scale = -1, 0
    else:
        tcb.snd_scale = segment.wscale
    tcb.stamps = tcb.stamps and segment.stamp is not None
    if segment.stamp is not None:
        tcb.ts_recent = segment.stamp[0]


def _adopt(tcb: Tcb, segment: Segment) -> None:
    """Go over to the connection that the SYN ACK belongs to: its SYN may have opened another one since."""
    conn, own = segment.conn.root(), tcb.conn.root()
    if conn.number < own.number:
        tcb.host.world.murky = "a late SYN ACK of an older connection opens a newer one"
    elif conn is not own and not conn.stray:
        tcb.conn = conn
        conn.tcbs[tcb.host.side] = tcb


def _open_at_once(tcb: Tcb, segment: Segment) -> None:
    """Both ends opened at once (RFC 9293 section 3.5, figure 7): two SYNs, one connection."""
    ours, theirs = tcb.conn.root(), segment.conn.root()
    other = theirs.tcbs[1 - tcb.host.side]
    if ours.refused or theirs.refused or (other is not None and other.gone is not Gone.NOT):
        tcb.host.world.murky = "a SYN that is past opens a connection from both ends"
    if ours is not theirs:
        first, second = sorted((ours, theirs), key=lambda conn: conn.number)
        second.twin = first
        first.simultaneous = True
        for side in (0, 1):
            first.tcbs[side] = first.tcbs[side] or second.tcbs[side]
    tcb.state = State.SYN_RECEIVED
    output.syn(tcb)


# SYN-RECEIVED of a listener: tcp_check_req


def in_request(tcb: Tcb, segment: Segment, crossing: Crossing | None) -> None:
    """Take a segment in SYN-RECEIVED on behalf of a listener."""
    flags, host = segment.flags, tcb.host
    if flags & (SYN | ACK | RST) == SYN and segment.seq == tcb.irs:
        output.syn(tcb)
        return
    if flags & ACK and ack_of(tcb, segment) != 1:
        host.nobody(segment, crossing)  # goes to the listener, for which no ACK can be right
        return
    seq = seq_of(tcb, segment)
    end = seq + segment.length + (flags & FIN) + ((flags & SYN) >> 1)
    if not (end >= tcb.rcv_nxt and seq < max(tcb.rcv_edge, tcb.rcv_nxt + 1)):
        if not flags & RST:
            output.acknowledge(tcb)
    elif flags & RST:
        if takes_reset(tcb, segment):
            bury(tcb, Gone.RESET)
        else:
            output.acknowledge(tcb)
    elif flags & SYN and segment.seq != tcb.irs:
        bury(tcb, Gone.ANSWERED)
        host.refuse(segment, crossing)
    elif flags & ACK:
        _complete(tcb, segment, crossing)


def _complete(tcb: Tcb, segment: Segment, crossing: Crossing | None) -> None:
    """Finish the opening, if the listener still is there and has a place."""
    listener = tcb.host.listeners.get(tcb.lport)
    if listener is None:
        bury(tcb, Gone.SILENT)
        tcb.host.nobody(segment, crossing)
    elif listener.take(tcb):
        tcb.request = False
        tcb.snd_una, tcb.retries, tcb.rto_at = 1, 0, 0
        tcb.snd_wnd = segment.window << tcb.snd_scale
        tcb.snd_wl1 = tcb.rcv_nxt
        synchronised.establish(tcb)
        synchronised.take(tcb, segment)
    elif listener.refuses:
        bury(tcb, Gone.ANSWERED)
        tcb.host.answer(segment)
