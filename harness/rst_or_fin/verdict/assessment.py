"""The records of a judged replay, and what verdicts.jsonl and `--json` hold of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rst_or_fin.evidence.records import PeerReport, Replay, SocketState
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role
from rst_or_fin.verdict.delivery import Delivery
from rst_or_fin.verdict.outcome import Comparison, Outcome
from rst_or_fin.verdict.verdict import NODE, PEER, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessedConnection:
    """One connection of a replay.

    `order` counts from 1 as they opened; `name` is the variable that it was bound to, if any; `socket` its
    state right before the close line, None if it was not looked at.
    """

    order: int
    name: str
    connection: Connection
    socket: SocketState | None
    peer_report: PeerReport | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One replay with everything that is known of it.

    `connection`, `socket`, `peer_report` and `verdict` are of the connection under test; `connection` is None
    if nothing of it was captured. `others` are all other connections of the replay.
    """

    replay: Replay
    peer_report: PeerReport | None
    connection: Connection | None
    socket: SocketState | None
    verdict: Verdict
    others: tuple[AssessedConnection, ...]
    comparisons: tuple[Comparison, ...]
    outcome: Outcome

    def record(self) -> dict[str, Any]:
        """Return what verdicts.jsonl and `--json` hold of it: plain values under stable names."""
        return {
            "index": self.replay.index,
            "outcome": self.outcome,
            **verdict_record(self.verdict, self.connection),
            "connections": [
                {
                    "order": other.order,
                    "variable": other.name,
                    "client": other.connection.client,
                    "server": other.connection.server,
                    **verdict_record(other.verdict, other.connection),
                }
                for other in self.others
            ],
            "comparisons": [
                {"what": c.what, "expected": c.expected, "actual": c.actual, "same": c.same}
                for c in self.comparisons
            ],
        }


def verdict_record(verdict: Verdict, connection: Connection | None) -> dict[str, Any]:
    """Return a verdict under stable names. `subject` is the Erlang node's role in the connection."""
    return {
        "validity": verdict.validity,
        "doubts": verdict.doubts,
        "ending": verdict.ending,
        "peer_ending": verdict.peer_ending,
        "subject": verdict.subject,
        "active_closer": verdict.active_closer,
        "closed_first": _host_of(verdict, verdict.active_closer),
        "cause": verdict.cause,
        "cause_candidates": verdict.candidates,
        "told_apart_by": verdict.told_apart_by,
        "peer_cause": verdict.peer_cause,
        "closing_segment": verdict.closing_segment,
        "deciding": [
            {"index": index, "notation": connection.notation(connection.segments[index])}
            for index in verdict.deciding
            if connection is not None
        ],
        "conn_state": verdict.conn_state,
        "delivery": _delivery_record(verdict.delivery),
        "remarks": verdict.remarks,
        "witnesses": verdict.witnesses,
    }


def _delivery_record(found: Delivery | None) -> dict[str, int | bool | None] | None:
    if found is None:
        return None
    return {
        "sent": found.sent,
        "handed_over": found.handed_over,
        "encrypted": found.encrypted,
        "on_wire": found.on_wire,
        "acknowledged": found.acknowledged,
        "peer_read": found.read,
        "lost": found.lost,
    }


def _host_of(verdict: Verdict, role: Role | None) -> str | None:
    """Return which host has that role in the connection."""
    if role is None:
        return None
    return NODE if role is verdict.subject else PEER
