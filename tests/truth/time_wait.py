"""Take what arrives in TIME-WAIT (tcp_timewait_state_process of Linux)."""

from __future__ import annotations

from tests.truth import close, output
from tests.truth.acceptance import outdated, seq_of
from tests.truth.segment import ACK, FIN, RST, SYN, Crossing, Segment
from tests.truth.sequence import MASK, distance
from tests.truth.tcb import Gone, Tcb, bury


def take(tcb: Tcb, segment: Segment, crossing: Crossing | None) -> None:
    """Take a segment, and perhaps let a new connection begin."""
    seq, flags = seq_of(tcb, segment), segment.flags
    old = outdated(tcb, segment)
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
