"""Print a conversation as tcpdump would, with what only its maker knows beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.truth.adapter import Said
from tests.truth.conversation import Conversation
from tests.truth.segment import ACK, FIN, PSH, RST, SYN, A, Conn, Crossing, Segment
from tests.truth.sequence import distance
from tests.truth.truth import Truth

_LETTERS = ((FIN, "F"), (SYN, "S"), (RST, "R"), (PSH, "P"), (ACK, "."))


def notation(segment: Segment) -> str:
    """Return flags and numbers, counted from the initial ones."""
    conn = segment.conn.root()
    tcb = conn.tcbs
    base = [0, 0]
    for side in (0, 1):
        found = tcb[side]
        base[side] = found.iss if found else conn.isn if side == conn.client else 0
    seq = distance(segment.seq, base[segment.side])
    ack = f" ack {distance(segment.ack, base[1 - segment.side])}" if segment.flags & ACK else ""
    letters = "".join(letter for bit, letter in _LETTERS if segment.flags & bit)
    return f"{letters} {seq}:{seq + segment.length}({segment.length}){ack}"


def lines(conversation: Conversation, verdicts: Sequence[Said]) -> Iterable[str]:
    """Yield everything about a conversation, line by line."""
    plan = conversation.plan
    yield f"hosts: A {plan.traits[A]}"
    yield f"       B {plan.traits[1]}"
    yield f"path: {plan.weather}, tap at {plan.tap}, {plan.hops} hops"
    yield from (f"middlebox: {forgery}" for forgery in plan.forgeries)
    yield f"capture: {plan.capture}"
    for scene in plan.scenes:
        yield f"scene: {scene}"
    yield from _frames(conversation)
    yield from (_truth(truth) for truth in conversation.truths)
    for said in verdicts:
        doubts = "; ".join(said.doubts) or "conclusive"
        yield f"verdict: client {said.client} {said.endings} {said.causes} {said.conn_state}, {doubts}"


def _frames(conversation: Conversation) -> Iterable[str]:
    shown: dict[Crossing, int] = {}
    for at, (crossing, _) in enumerate(conversation.shown):
        shown[crossing] = at
    passed = set(conversation.world.crossings)
    rest = [crossing for crossing in conversation.world.crossings if crossing not in shown]
    order = [(at_ns, crossing) for crossing, at_ns in conversation.shown]
    order += [(crossing.at_ns, crossing) for crossing in rest]
    for at_ns, crossing in sorted(order, key=lambda pair: (pair[0], pair[1] in passed)):
        number = f"#{shown[crossing]}" if crossing in shown else "--"
        yield f"{number:>5} {at_ns / 1e9:12.6f} {_frame(crossing)}"


def _frame(crossing: Crossing) -> str:
    segment = crossing.segment
    way = "A > B" if segment.side == A else "B > A"
    ports = "{}:{}".format(*segment.conn.ports)
    states = " | ".join(crossing.states)
    return (
        f"{way} {notation(segment):30} win {segment.window:5} ttl {crossing.ttl:3} id {segment.ip_id:5}"
        f" [{ports} #{_number(crossing.conn)}] {states} {_remarks(crossing)}"
    )


def _number(conn: Conn) -> int:
    return conn.root().number


def _remarks(crossing: Crossing) -> str:
    segment = crossing.segment
    remarks = {
        "corrupted": crossing.corrupted,
        "never arrived": not crossing.used and not crossing.corrupted,
        segment.reason: True,
        "decided": segment.decided,
        "taken": segment.counts,
        "would have been taken": segment.may_count and not segment.counts,
    }
    return ", ".join(word for word, holds in remarks.items() if holds and word)


def _truth(truth: Truth) -> str:
    client = "AB"[truth.client] if truth.client is not None else "both"
    ends = [" or ".join(sorted(endings)) for endings in truth.endings]
    causes = [" or ".join(sorted(causes)) or "-" for causes in truth.causes]
    return (
        f"truth: #{truth.conn.number} {truth.conn.ports} client {client}; A: {ends[0]} ({causes[0]});"
        f" B: {ends[1]} ({causes[1]}); over at {truth.over_at}; opened {truth.opened},"
        f" answered {truth.answered}"
    )
