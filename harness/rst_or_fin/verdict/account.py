"""Compares the peer's own count of its bytes with the capture: a difference was not captured. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rst_or_fin.agents.kinds import END_OF_FILE
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role


def differences(
    connection: Connection, peer: Role, peer_report: PeerReport | None, *, has_kernel: bool
) -> Iterator[str]:
    """Yield a doubt for each number of the peer that does not fit the capture.

    The peer counts what its writes took and what its reads gave. A kernel may never have sent all that it
    took (a reset empties the queue), unless its FIN shows that it did; `has_kernel` is false for a peer that
    sends its segments itself. An application that read the end of file has read all before it.
    """
    if peer_report is None or not connection.reading.opened:
        return
    sent, received = _payload_len(connection, peer), _payload_len(connection, peer.other)
    whole = not has_kernel or connection.reading.end(connection.endpoint(peer)).fin is not None
    if sent > peer_report.sent or (whole and sent < peer_report.sent):
        yield f"the peer sent {peer_report.sent} bytes by its own account, the capture has {sent}"
    closed = connection.reading.end(connection.endpoint(peer.other)).fin is not None
    read_all = closed and peer_report.end == END_OF_FILE
    if peer_report.received > received or (read_all and peer_report.received < received):
        yield f"the peer read {peer_report.received} bytes by its own account, the capture has {received}"


def _payload_len(connection: Connection, role: Role) -> int:
    """Count the stream bytes that this end's segments cover, up to the last that carries any."""
    ends = (
        connection.relative(segment)[0] + segment.payload_len - 1
        for segment in connection.segments
        if segment.payload_len and not segment.rst and connection.role(segment) is role
    )
    return max(ends, default=0)
