"""Names a replay's connections by the session's variables, and finds the one under test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rst_or_fin.evidence.records import Replay
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.segment import Endpoint

_UNDER_TEST = ("Sock", "sock")  # as Erlang and as Elixir call their variables


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionNames:
    """The variables that hold a replay's connections, and which connection is under test.

    `variables` has one for each connection, empty if it was bound to no variable; `under_test` is an index,
    None if the connection under test was not captured.
    """

    variables: tuple[str, ...]
    under_test: int | None


def identify_connections(replay: Replay, connections: Sequence[Connection]) -> ConnectionNames:
    """Find the connection under test: the one bound to `Sock`, or else the first bound, or else the first."""
    names = [""] * len(connections)
    first_bound: int | None = None
    missing = False
    for name, local, remote, line in _bound(replay):
        found = _of_socket(replay, connections, names, local, remote, line)
        if found is None:
            missing = missing or name in _UNDER_TEST
            continue
        if names[found] not in _UNDER_TEST:
            names[found] = name
        first_bound = found if first_bound is None else first_bound
    if missing:
        return ConnectionNames(variables=tuple(names), under_test=None)
    tested = next((index for index, name in enumerate(names) if name in _UNDER_TEST), None)
    if tested is not None:
        return ConnectionNames(variables=tuple(names), under_test=tested)
    if first_bound is None and connections:
        first_bound = 0
    return ConnectionNames(variables=tuple(names), under_test=first_bound)


def _bound(replay: Replay) -> Iterator[tuple[str, Endpoint, Endpoint, int]]:
    """Yield every name with its two ends and the line that bound it; 0 if that is unknown."""
    if replay.bound:
        yield from ((b.name, b.local, b.remote, b.line) for b in replay.bound)
    else:
        yield from ((s.name, s.local, s.remote, 0) for s in replay.sockets)


def _of_socket(
    replay: Replay,
    connections: Sequence[Connection],
    names: Sequence[str],
    local: Endpoint,
    remote: Endpoint,
    line: int,
) -> int | None:
    """Return which connection a socket is: of those with its two ends the last begun when it was bound.

    Where the time is unknown, the first that has no name yet.
    """
    alike = [i for i, c in enumerate(connections) if {c.client, c.server} == {local, remote}]
    bound_ns = replay.calls[line - 1].end_ns if 0 < line <= len(replay.calls) else None
    if bound_ns is not None:
        alike = [i for i in alike if connections[i].segments[0].t_ns <= bound_ns][-1:] or alike[:1]
    return next((i for i in alike if not names[i]), alike[0] if alike else None)
