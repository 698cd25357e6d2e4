"""Computes windows, and which sequence numbers the receiver of a RST accepts, as far as was captured.

Sources: RFC 9293, RFC 7323, and Linux 6.12 where it deviates.
"""

from __future__ import annotations

from rst_or_fin.tcp.options import options
from rst_or_fin.tcp.segment import Segment
from rst_or_fin.tcp.sender_state import CandidateReset, End

_UNKNOWN_SCALE = 14  # the largest window scale (RFC 7323 section 2.3): an unseen SYN may have offered it
_WINDOW_SCALE = 3
_SYN_ACKS = 3


def candidate(
    index: int, segment: Segment, seq: int, own: End, peer: End, *, refuses: bool
) -> CandidateReset:
    """Describe a RST that may count, and what both ends had sent when it was captured."""
    return CandidateReset(
        index=index,
        t_ns=segment.t_ns,
        seq=seq,
        has_ack=segment.has_ack,
        acked=peer.unwrap(segment.ack) if segment.has_ack else None,
        refuses=refuses,
        ttl=segment.ttl,
        ip_id=segment.ip_id,
        sent_to=seq if own.sent_to is None else own.sent_to,
        peer_sent_to=peer.sent_to,
        is_certain=refuses or segment.has_ack or _is_expected(own, peer, seq),
        is_exact=refuses or segment.has_ack or own.sent_to in {None, seq},
    )


def answers_nothing(own: End, peer: End) -> bool:
    """Return whether nothing came after this end's FIN, nor was on its way by then, that a RST may answer."""
    if own.fin is None or peer.last_other > own.fin:
        return False
    return (own.acks_to or 0) >= (peer.sent_to or 0)


def _is_expected(own: End, peer: End, seq: int) -> bool:
    """Return whether the other end's TCP expects this number next if everything has arrived.

    Once that end has taken a FIN, and sent none, the FIN's own number will do (tcp_reset_check, Linux 6.12);
    not every TCP is so lenient, so if the FIN had been acknowledged before, it is unknown.
    """
    if own.sent_to is None or seq == own.sent_to:
        return True
    if peer.syn_acks >= _SYN_ACKS and own.isn is not None and seq == own.isn + 1:
        return True  # in SYN-RECEIVED, which takes no data
    unacked = own.acked_to is None or own.acked_to <= seq  # what acknowledges the FIN has not been sent yet
    return unacked and own.fin_end == own.sent_to == seq + 1 and peer.fin is None


def is_refusal(segment: Segment, peer: End) -> bool:
    """Return whether a RST says that its sender knows no connection for this SYN.

    Source: RFC 9293 section 3.10.7.1.
    """
    return (
        segment.has_ack
        and segment.seq == 0
        and peer.isn is not None
        and peer.unwrap(segment.ack) == peer.isn + 1
    )


def acceptable(own: End, seq: int) -> tuple[int, int]:
    """Return the lowest and highest number of a RST that the other end may take, as far as was captured.

    What it acknowledged is behind its window; what this end has sent it may have received, or not. A FIN's
    own number will do once the FIN was received (tcp_reset_check, Linux 6.12).
    """
    low = own.acked_to if own.acked_to is not None else own.start
    if low is None:
        return seq, seq
    high = low if own.sent_to is None else max(low, own.sent_to)
    return (low - 1 if own.fin_end == low else low), high


def shift(segment: Segment, own: End, peer: End) -> int:
    """Return by how many bits the segment's window is shifted (RFC 7323 section 2.2): never on a SYN."""
    if segment.syn:
        return 0
    if own.syn is None or peer.syn is None:
        return _UNKNOWN_SCALE
    return own.scale if own.scale is not None and peer.scale is not None else 0


def window_scale(data: bytes) -> int | None:
    """Return the window scale option of a SYN, at most 14; None if it has none."""
    found = (value[0] for kind, value in options(data) if kind == _WINDOW_SCALE and len(value) == 1)
    return next((min(scale, _UNKNOWN_SCALE) for scale in found), None)
