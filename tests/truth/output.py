"""Send: what a connection's end puts on the wire (RFC 9293 section 3.10.2, tcp_output.c of Linux)."""

from __future__ import annotations

from tests.truth.segment import ACK, FIN, PSH, RST, SYN, Segment
from tests.truth.sequence import MASK
from tests.truth.tcb import State, Tcb

BEFORE_FIN = frozenset({State.ESTABLISHED, State.CLOSE_WAIT})
SENDING = BEFORE_FIN | {State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK}


def emit(tcb: Tcb, flags: int, seq: int, *, length: int = 0, reason: str = "") -> Segment:
    """Send one segment with what the control block says now; `seq` counts from the initial number."""
    host, opening = tcb.host, flags & SYN
    segment = Segment(
        side=host.side,
        conn=tcb.conn,
        sport=tcb.lport,
        dport=tcb.rport,
        seq=(tcb.iss + seq) & MASK,
        ack=(tcb.irs + tcb.rcv_nxt) & MASK if flags & ACK else 0,
        flags=flags,
        window=_offer(tcb, opening),
        ttl=host.traits.ttl,
        ip_id=host.next_id(tcb),
        length=length,
        offset=seq - 1,
        mss=host.traits.mss if opening else 0,
        wscale=tcb.rcv_scale if opening else -1,
        stamp=(host.stamp(), tcb.ts_recent) if tcb.stamps else None,
        reason=reason,
    )
    if flags & ACK:
        tcb.unacked = 0
        tcb.delack_at = 0
    host.send(segment)
    return segment


def _offer(tcb: Tcb, opening: int) -> int:
    """Return the window field; the right edge never moves back (RFC 9293 section 3.8.6)."""
    scale = 0 if opening or tcb.rcv_scale < 0 else tcb.rcv_scale
    buffer_len = tcb.host.traits.buffer_len
    free = buffer_len - tcb.unread_len
    window = -((tcb.rcv_nxt - tcb.rcv_edge) >> scale)  # what was offered before, rounded up
    if free >= min(tcb.mss, buffer_len // 2):
        window = max(window, free >> scale)
    window = min(window, 0xFFFF)
    tcb.rcv_edge = max(tcb.rcv_edge, tcb.rcv_nxt + (window << scale))
    tcb.rcv_wup = tcb.rcv_nxt
    return window


def acknowledge(tcb: Tcb) -> None:
    """Send an ACK without anything else; also what RFC 5961 calls a challenge ACK."""
    emit(tcb, ACK, tcb.snd_nxt)


def probe(tcb: Tcb) -> None:
    """Ask for an ACK: a segment just before what was acknowledged (tcp_xmit_probe_skb)."""
    emit(tcb, ACK, tcb.snd_una - 1)


def abort(tcb: Tcb, reason: str) -> None:
    """Send the RST of an end that decides to give up its connection (tcp_send_active_reset)."""
    edge = tcb.snd_una + tcb.snd_wnd
    segment = emit(tcb, RST | ACK, tcb.snd_nxt if tcb.snd_nxt <= edge else edge, reason=reason)
    segment.abort = True


def syn(tcb: Tcb) -> None:
    """Send (again) the SYN, or the SYN ACK of one that was received."""
    emit(tcb, SYN | ACK if tcb.state is State.SYN_RECEIVED else SYN, 0)


def push(tcb: Tcb) -> None:
    """Send what the application has written, as far as the other end's window goes, and the FIN behind it."""
    if tcb.state not in SENDING:
        return
    edge = min(tcb.snd_una + tcb.snd_wnd, tcb.snd_una + tcb.host.traits.window_segments * tcb.mss + 1)
    last = tcb.write_len + 1 + tcb.fin_queued
    while tcb.snd_nxt < last:
        if not _send_piece(tcb, tcb.snd_nxt, edge, tcb.snd_nxt > tcb.snd_una):
            break
    if tcb.snd_nxt > tcb.snd_una:
        arm(tcb)
    elif tcb.snd_nxt < last and not tcb.rto_at:
        arm(tcb)  # to probe a closed window


def _send_piece(tcb: Tcb, at: int, edge: int, in_flight: bool) -> bool:
    """Send one segment from `at` on; False where the window, or thrift (RFC 9293 3.8.6.2.1), forbids it."""
    have, room = tcb.write_len + 1 - at, edge - at
    length = min(have, tcb.mss, room)
    wanted = min(have, tcb.mss)
    if room <= 0 or (length < wanted and in_flight):
        return False
    fin = FIN if tcb.fin_queued and length == have and room > length else 0
    if not length and not fin:
        return False
    tcb.snd_nxt = max(tcb.snd_nxt, at + length + fin)
    emit(tcb, (PSH if length and length == have else 0) | fin | ACK, at, length=length)
    return True


def send_again(tcb: Tcb) -> None:
    """Send the first segment that was not acknowledged once more."""
    if tcb.state in (State.SYN_SENT, State.SYN_RECEIVED):
        syn(tcb)
    else:
        _send_piece(tcb, tcb.snd_una, max(tcb.snd_nxt, tcb.snd_una + 1), False)


def arm(tcb: Tcb, after_ns: int = 0) -> None:
    """Set the retransmission timer, unless it is running."""
    if not tcb.rto_at:
        tcb.rto_at = tcb.host.world.now + (after_ns or tcb.rto_ns)
        tcb.host.world.at(tcb.rto_at, tcb.host.on_retransmission, tcb)
