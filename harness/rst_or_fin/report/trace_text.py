"""Writes a connection in tcpdump's notation, line by line; the middle of long runs in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rst_or_fin.report.stretches import left_out
from rst_or_fin.tcp.connection import Connection, Roles
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.two_ends import Fate, Passage
from rst_or_fin.verdict.verdict import NODE, PEER


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLine:
    """One line. `index` is the segment's, None if the line is about several or none."""

    text: str
    index: int | None = None


def trace_lines(
    connection: Connection,
    deciding: Sequence[int] = (),
    node: Role | None = None,
    *,
    everything: bool = False,
    passages: Sequence[Passage] = (),
) -> Iterator[TraceLine]:
    """Yield the two ends, then the segments with seconds since the first and relative numbers.

    `node` is the role of the Erlang node, where there is one. Of long runs the middle is left out, unless
    `everything` is wanted. `passages` say what became of each segment, where both ends were captured: then
    times are those at which segments left.
    """
    start_ns = connection.segments[0].t_ns
    names = {role: short_name(connection, role, node) for role in Role}
    yield TraceLine(text=", ".join(long_name(connection, role, node) for role in left_first(node)))
    gaps = {gap.start: gap for gap in ([] if everything else left_out(connection, deciding))}
    index = 0
    while index < len(connection.segments):
        if index in gaps:
            yield TraceLine(text=_told(connection, gaps[index], names))
            index = gaps[index].stop
            continue
        segment = connection.segments[index]
        role = connection.role(segment)
        yield TraceLine(
            text=f"{(segment.t_ns - start_ns) / 1e9:9.6f}  {names[role]} > {names[role.other]}  "
            f"{connection.notation(segment)} win {segment.window}"
            + (f"  ({passed(passages[index], start_ns)})" if passages else ""),
            index=index,
        )
        index += 1


def passed(passage: Passage, start_ns: int) -> str:
    """Say what became of a segment on its way.

    One of `arrived 0.031948`, `never arrived`, `not sent by that end`.
    """
    if passage.fate is not Fate.ARRIVED or passage.arrived_ns is None:
        return str(passage.fate)
    return f"arrived {(passage.arrived_ns - start_ns) / 1e9:.6f}"


def left_first(node: Role | None) -> tuple[Role, Role]:
    """Return the ends in the order in which they are shown: the Erlang node first."""
    return (node, node.other) if node is not None else (Role.CLIENT, Role.SERVER)


def short_name(connection: Connection, role: Role, node: Role | None) -> str:
    """Return `node` or `peer`; the connection's own name for an end where there is no node."""
    if node is None:
        return connection.name(role)
    return "node" if role is node else "peer"


def long_name(connection: Connection, role: Role, node: Role | None) -> str:
    """Return `Erlang node 10.0.0.2:40000 (client)`, or `client 10.0.0.2:40000` without a node."""
    endpoint = connection.endpoint(role)
    if node is not None:
        return f"{NODE if role is node else PEER} {endpoint} ({role})"
    return str(endpoint) if connection.roles is Roles.NOT_SEEN else f"{role} {endpoint}"


def _told(connection: Connection, gap: range, names: dict[Role, str]) -> str:
    """Say in one line what a run held.

    For example `… 212 segments, 302,000 bytes peer > node …`.
    """
    carried = dict.fromkeys(Role, 0)
    for segment in connection.segments[gap.start : gap.stop]:
        carried[connection.role(segment)] += segment.payload_len
    told = [f"{count:,} bytes {names[r]} > {names[r.other]}" for r, count in carried.items() if count]
    return f"…          {len(gap)} segments, {', '.join(told) or 'no data'} …"
