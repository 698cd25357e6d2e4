"""Judges a captured connection with the evidence of one of its hosts: counters, traces, sockets.

The rules are those of a replay, and one more: a real host has other connections. Its counters belong to the
capture only if every RST that it counted was captured.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rst_or_fin.evidence.host_tools import SocketLine
from rst_or_fin.evidence.tracepoint import Reset
from rst_or_fin.tcp import causes
from rst_or_fin.tcp.causes import ABORT_COUNTERS, Abort
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Cause, Ending, Role
from rst_or_fin.verdict import witnesses
from rst_or_fin.verdict.aborts import abort_of
from rst_or_fin.verdict.verdict import Verdict
from rst_or_fin.verdict.witnesses import Witness

_T = TypeVar("_T")
_OUT_RSTS = "Tcp:OutRsts"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvidence:
    """What stock tools gathered on the host with `address`.

    `raised` are the counters that grew, and by how much; None if they were not given. `captured` is how
    many RSTs of that host the capture shows in all, `aborted` how many connections it gave up with them.
    `resets` are None if no trace was given.
    """

    address: str
    raised: Mapping[str, int] | None = None
    captured: int = 0
    aborted: int = 0
    resets: Sequence[Reset] | None = None
    sockets: Sequence[SocketLine] = ()


def corroborated(found: Verdict, connection: Connection, evidence: HostEvidence, *, is_only: bool) -> Verdict:
    """Compare a verdict with the evidence of a host. `is_only`: no other connection has its two ends."""
    for role in Role:
        if connection.endpoint(role).address == evidence.address:
            found = _of_end(found, connection, role, evidence, is_only)
    return found


def _of_end(
    found: Verdict, connection: Connection, role: Role, evidence: HostEvidence, is_only: bool
) -> Verdict:
    abort = abort_of(connection, role)
    ending = found.client if role is Role.CLIENT else found.server
    reasons = _reasons(connection, role, evidence) if is_only else None
    said: list[Witness] = []
    raised = None
    if evidence.raised is not None:
        witness, raised = _counters(evidence, abort)
        said.append(witness)
    cause, candidates = _cause(found, role, abort, raised, reasons)
    said += witnesses.tracepoint(reasons, ending, cause)
    said += _sockets(connection, role, evidence.sockets)
    doubts = [f"{w.name} contradicts the wire: {w.says}" for w in said if w.agrees is False]
    changed = (
        {"cause": cause, "candidates": candidates}
        if role is found.subject
        else {"peer_cause": cause, "peer_candidates": candidates}
    )
    return replace(
        found,
        witnesses=_once(*found.witnesses, *said),
        doubts=_once(*found.doubts, *doubts),
        **changed,  # type: ignore[arg-type]
    )


def _once(*said: _T) -> tuple[_T, ...]:
    """Drop repetitions: on loopback both ends share one host and its counters."""
    return tuple(dict.fromkeys(said))


def _counters(evidence: HostEvidence, abort: Abort | None) -> tuple[Witness, Collection[str] | None]:
    """Return what the counters say, and which this connection may have raised; None if that is open."""
    raised = {name: count for name, count in (evidence.raised or {}).items() if count > 0}
    says = ", ".join(f"{name.partition(':')[2]} +{count}" for name, count in raised.items()) or "unchanged"
    name = f"the counters of {evidence.address}"
    if _OUT_RSTS not in (evidence.raised or {}):
        return Witness(
            name=name, says=f"{says}; without OutRsts they cannot be assigned to a connection", agrees=None
        ), None
    others = raised.get(_OUT_RSTS, 0) - evidence.captured
    if others > 0:
        says += f"; {others} RSTs left that are not in the capture: the counters may be of other connections"
        return Witness(name=name, says=says, agrees=None), None
    if others < 0:
        says += f"; the capture has {evidence.captured} RSTs of that host"
        return Witness(name=name, says=says, agrees=False), None
    kinds = [counter for counter in raised if counter in ABORT_COUNTERS]
    alone = evidence.aborted <= 1 or (len(kinds) == 1 and raised[kinds[0]] >= evidence.aborted)
    if abort is not None and not alone:
        says += f"; {evidence.aborted} connections were reset in that time"
    return Witness(name=name, says=says, agrees=True), tuple(raised) if alone else None


def _reasons(connection: Connection, role: Role, evidence: HostEvidence) -> tuple[str, ...] | None:
    """Return the kernel's reasons for this end's RSTs; None if the trace has none."""
    own, other = connection.endpoint(role), connection.endpoint(role.other)
    told = [r.reason for r in evidence.resets or () if (r.source, r.destination) == (own, other)]
    return tuple(told) or None


def _cause(
    found: Verdict,
    role: Role,
    abort: Abort | None,
    raised: Collection[str] | None,
    reasons: Collection[str] | None,
) -> tuple[Cause | None, tuple[Cause, ...]]:
    own = role is found.subject
    before = (found.cause, found.candidates) if own else (found.peer_cause, found.peer_candidates)
    ending = found.client if role is Role.CLIENT else found.server
    if abort is None or ending is Ending.NONE or (raised is None and reasons is None):
        return before
    abort = replace(abort, raised=raised, reasons=reasons)
    cause = causes.cause_of(abort)
    return cause, causes.candidates(abort) if cause is Cause.UNKNOWN else ()


def _sockets(connection: Connection, role: Role, lines: Sequence[SocketLine]) -> list[Witness]:
    """Return what a socket's receive queue held when looked at, some unknown time before the close."""
    own, other = connection.endpoint(role), connection.endpoint(role.other)
    return [
        Witness(
            name=f"the socket on {own.address}",
            says=f"{line.state}, {line.unread} bytes unread when it was looked at",
            agrees=None,
        )
        for line in lines
        if (line.local, line.remote) == (own, other)
    ]
