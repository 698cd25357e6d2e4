"""Call the judge under test: the only file here that knows it."""

from __future__ import annotations

from dataclasses import dataclass

from rst_or_fin.evidence.records import CaptureFacts
from rst_or_fin.tcp import connection as trace
from rst_or_fin.tcp import tracker
from rst_or_fin.verdict import judge

from tests.support.decoding import segments_of

_WHOLE = CaptureFacts(dropped=0, fenced=True)
# What the judge calls the reasons that `close` and `timers` give; all others are called alike.
_CAUSES = {
    "unread data at close": "unread",
    "zero linger": "linger",
    "keepalive timeout": "keepalive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the judge says of one connection, in words that do not depend on it.

    `client` and `server` are (address, port); `endings` and `causes` are the client's and the server's;
    `times_ns` are those of the segments that it takes to be of this connection.
    """

    client: tuple[str, int]
    server: tuple[str, int]
    endings: tuple[str, str]
    causes: tuple[str, str]
    conn_state: str
    doubts: tuple[str, ...]
    times_ns: tuple[int, ...]


def verdicts(capture: bytes) -> list[Said]:
    """Return what the judge says of every connection in a capture."""
    return [_said(connection) for connection in tracker.connections(segments_of(capture))]


def _said(connection: trace.Connection) -> Said:
    verdict = judge.judge(connection, capture=_WHOLE)
    return Said(
        client=(connection.client.address, connection.client.port),
        server=(connection.server.address, connection.server.port),
        endings=(str(verdict.client), str(verdict.server)),
        causes=(_cause(verdict.cause), _cause(verdict.peer_cause)),
        conn_state=verdict.conn_state,
        doubts=verdict.doubts,
        times_ns=tuple(segment.t_ns for segment in connection.segments),
    )


def _cause(cause: str | None) -> str:
    word = str(cause or "unknown")
    return _CAUSES.get(word, word)
