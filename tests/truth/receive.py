"""Take what arrives: RFC 9293 section 3.10.7 and RFC 5961, as Linux does it (net/ipv4/tcp_input.c)."""

from __future__ import annotations

from tests.truth import close, output
from tests.truth.segment import ACK, FIN, RST, SYN, Crossing, Segment
from tests.truth.sequence import MASK, distance
from tests.truth.tcb import PEER_CLOSED, Gone, State, Tcb, bury
from tests.truth.timers import DELAYED_ACK_NS, delayed_ack

SOON_NS = 2_000_000  # TCP_TIMEOUT_MIN


def receive(tcb: Tcb, segment: Segment, crossing: Crossing | None) -> None:
    """Let one end take a segment that was sent to it."""
    if tcb.state is State.SYN_SENT:
        _in_syn_sent(tcb, segment)
    elif tcb.request:
        _in_request(tcb, segment, crossing)
    elif tcb.state is State.TIME_WAIT:
        _in_time_wait(tcb, segment, crossing)
    else:
        _in_synchronised(tcb, segment)


def takes_reset(tcb: Tcb, segment: Segment) -> bool:
    """Return whether this end, as it is (or was last), would let a RST end its connection."""
    state = tcb.state if tcb.gone is Gone.NOT else tcb.last
    if state is State.SYN_SENT:
        ack = _ack_of(tcb, segment)
        return bool(segment.flags & ACK) and tcb.snd_una < ack <= tcb.snd_nxt
    if state is State.TIME_WAIT:
        return False
    seq = _seq_of(tcb, segment)
    in_window = tcb.rcv_nxt <= seq < max(tcb.rcv_edge, tcb.rcv_nxt + 1)
    if tcb.request:
        # tcp_check_req passes a wrong ACK on to the listener, which ignores a RST
        wrong_ack = segment.flags & ACK and _ack_of(tcb, segment) != 1
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
    seq = _seq_of(tcb, segment)
    end = seq + segment.length + (segment.flags & FIN)
    return end >= tcb.rcv_wup and seq <= max(tcb.rcv_edge, tcb.rcv_nxt)


def _seq_of(tcb: Tcb, segment: Segment) -> int:
    return tcb.rcv_nxt + distance(segment.seq, (tcb.irs + tcb.rcv_nxt) & MASK)


def _ack_of(tcb: Tcb, segment: Segment) -> int:
    return tcb.snd_nxt + distance(segment.ack, (tcb.iss + tcb.snd_nxt) & MASK)


# SYN-SENT


def _in_syn_sent(tcb: Tcb, segment: Segment) -> None:
    flags = segment.flags
    acceptable = not flags & ACK or tcb.snd_una < _ack_of(tcb, segment) <= tcb.snd_nxt
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
            establish(tcb)
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
    if ours.refused or theirs.refused:
        tcb.host.world.murky = "a SYN that was refused opens a connection from both ends"
    if ours is not theirs:
        first, second = sorted((ours, theirs), key=lambda conn: conn.number)
        second.twin = first
        first.simultaneous = True
        for side in (0, 1):
            first.tcbs[side] = first.tcbs[side] or second.tcbs[side]
    tcb.state = State.SYN_RECEIVED
    output.syn(tcb)


def establish(tcb: Tcb) -> None:
    """Enter ESTABLISHED and let the application know."""
    tcb.state = State.ESTABLISHED
    tcb.rto_ns = tcb.host.traits.rto_ns
    if tcb.app is not None:
        tcb.app.poke()


# SYN-RECEIVED of a listener: tcp_check_req


def _in_request(tcb: Tcb, segment: Segment, crossing: Crossing | None) -> None:
    flags, host = segment.flags, tcb.host
    if flags & (SYN | ACK | RST) == SYN and segment.seq == tcb.irs:
        output.syn(tcb)
        return
    if flags & ACK and _ack_of(tcb, segment) != 1:
        host.nobody(segment, crossing)  # goes to the listener, for which no ACK can be right
        return
    seq = _seq_of(tcb, segment)
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
        establish(tcb)
        _in_synchronised(tcb, segment)
    elif listener.refuses:
        bury(tcb, Gone.ANSWERED)
        tcb.host.answer(segment)


# TIME-WAIT: tcp_timewait_state_process


def _in_time_wait(tcb: Tcb, segment: Segment, crossing: Crossing | None) -> None:
    seq, flags = _seq_of(tcb, segment), segment.flags
    old = _outdated(tcb, segment)
    empty = not segment.length and not flags & (SYN | FIN)
    if not old and seq == tcb.rcv_nxt and (empty or flags & RST):
        if flags & RST:
            bury(tcb, Gone.FINISHED)  # RFC 1337: TIME-WAIT assassination
        else:
            close.expire_later(tcb, tcb.host.traits.time_wait_ns)
    elif flags & RST:
        pass
    elif flags & (SYN | ACK) == SYN and not old and _newer(tcb, segment, seq) and tcb.host.listens(tcb.lport):
        bury(tcb, Gone.FINISHED)
        tcb.host.nobody(segment, crossing, isn=(tcb.iss + tcb.snd_nxt + 65537) & MASK)
    else:
        if old or flags & ACK:
            close.expire_later(tcb, tcb.host.traits.time_wait_ns)
        output.acknowledge(tcb)


def _newer(tcb: Tcb, segment: Segment, seq: int) -> bool:
    stamp = segment.stamp if tcb.stamps else None
    return seq > tcb.rcv_nxt or (stamp is not None and distance(stamp[0], tcb.ts_recent) > 0)


def _outdated(tcb: Tcb, segment: Segment) -> bool:
    """Return whether the time stamp says that this is an old duplicate (RFC 7323 section 5)."""
    return tcb.stamps and segment.stamp is not None and distance(segment.stamp[0], tcb.ts_recent) < 0


# All other states


def _in_synchronised(tcb: Tcb, segment: Segment) -> None:
    flags = segment.flags
    seq = _seq_of(tcb, segment)
    end = seq + segment.length + (flags & FIN) + ((flags & SYN) >> 1)
    if flags & RST:
        _take_reset(tcb, segment, seq)
    elif _outdated(tcb, segment):
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
        and _ack_of(tcb, segment) == tcb.snd_nxt
    )


def _take_ack(tcb: Tcb, segment: Segment, seq: int) -> bool:
    """Take the acknowledgement and the window; False where the rest of the segment is not to be looked at."""
    ack = _ack_of(tcb, segment)
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
