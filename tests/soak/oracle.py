"""The judge of a soak: what the two captures show at each end, read by dpkt, and what the peer's socket said.

It shares no code with the judge under test, and knows no expectations. It does not say what a verdict has to
be; it says which verdicts cannot be.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dpkt.ethernet
import dpkt.ip
import dpkt.ip6
import dpkt.pcap
import dpkt.tcp

_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_SPACE = 1 << 32
_HALF = 1 << 31


@dataclass
class Side:
    """What one host's capture shows of one connection: what it sent, and what came."""

    sent: list[dpkt.tcp.TCP] = field(default_factory=list)
    came: list[dpkt.tcp.TCP] = field(default_factory=list)
    order: list[tuple[bool, dpkt.tcp.TCP]] = field(default_factory=list)


def side(capture: Path, own: str, ports: tuple[int, int]) -> Side:
    """Read a capture: the connection between these two ports, `own` being the address of the host."""
    found = Side()
    with capture.open("rb") as file:
        for _, frame in dpkt.pcap.Reader(file):
            packet = dpkt.ethernet.Ethernet(frame).data
            if not isinstance(packet, dpkt.ip.IP | dpkt.ip6.IP6) or not isinstance(packet.data, dpkt.tcp.TCP):
                continue
            if {packet.data.sport, packet.data.dport} != set(ports):
                continue
            family = socket.AF_INET if isinstance(packet, dpkt.ip.IP) else socket.AF_INET6
            is_own = socket.inet_ntop(family, packet.src) == own
            (found.sent if is_own else found.came).append(packet.data)
            found.order.append((is_own, packet.data))
    return found


def endings(found: Side) -> set[str]:
    """The endings that a host's own segments leave possible.

    A RST that left once both FINs had been acknowledged, or a RST had come, as that host saw it, answers
    something late; whether it counts is not for this judge to say. One before a SYN of its own ends nothing:
    it tells a host that still has an older connection of these ports (RFC 9293 section 3.5.1, figure 9).
    """
    begun_at = max((i for i, (own, t) in enumerate(found.order) if own and t.flags & _SYN), default=-1)
    fin_at = next((i for i, (own, t) in enumerate(found.order) if own and t.flags & _FIN), None)
    resets = [i for i, (own, t) in enumerate(found.order) if own and t.flags & _RST and i > begun_at]
    without = "FIN" if fin_at is not None else "none"
    if not resets:
        return {without}
    ended = [i for i, (own, t) in enumerate(found.order) if not own and t.flags & _RST][:1]
    closed = _closed_at(found, fin_at) if fin_at is not None else None
    ended += [closed] if closed is not None else []
    with_it = "RST" if fin_at is None or resets[0] < fin_at else "FIN then RST"
    return {with_it, without} if ended and resets[0] > min(ended) else {with_it}


def _closed_at(found: Side, fin_at: int) -> int | None:
    """Where both FINs had been acknowledged, as this host saw it; None: never."""
    fin = found.order[fin_at][1]
    fin_end = (fin.seq + len(fin.data) + 1) % _SPACE
    own_acked = peer_acked = None
    peer_end: int | None = None
    for index, (own, tcp) in enumerate(found.order):
        if not own and tcp.flags & _FIN:
            peer_end = (tcp.seq + len(tcp.data) + 1) % _SPACE
        if not own and tcp.flags & _ACK and index > fin_at and _reaches(tcp.ack, fin_end):
            own_acked = index if own_acked is None else own_acked
        if own and peer_end is not None and tcp.flags & _ACK and _reaches(tcp.ack, peer_end):
            peer_acked = index if peer_acked is None else peer_acked
    return None if own_acked is None or peer_acked is None else max(own_acked, peer_acked)


def _reaches(number: int, end: int) -> bool:
    return (number - end + _HALF) % _SPACE - _HALF >= 0


def contradictions(
    verdict: dict[str, object], node: Side, peer: Side, peer_says: str | None
) -> Iterator[str]:
    """Why a conclusive verdict cannot be right; nothing where it may be."""
    for what, said, at in (
        ("ending", verdict["ending"], node),
        ("peer_ending", verdict["peer_ending"], peer),
    ):
        possible = endings(at)
        if said not in possible:
            yield f"{what} is {said}, but that host's own segments leave {' or '.join(sorted(possible))}"
    if verdict["cause"] == "not sent by that end":
        yield "a middlebox is blamed, and there was none"
    if peer_says == "end of file" and not any(t.flags & _FIN for t in peer.came):
        yield "the peer saw an end of file, and no FIN had come"
    if peer_says == "ECONNRESET" and not any(t.flags & _RST for t in peer.came):
        yield "the peer was reset, and no RST had come"
