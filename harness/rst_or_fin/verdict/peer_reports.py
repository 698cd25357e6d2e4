"""Finds which report of the peer's application belongs to which connection."""

from __future__ import annotations

from collections.abc import Sequence

from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.tcp.acceptance import ConnectionReading
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.verdict.connection_names import ConnectionNames


def reports_by_connection(
    connections: Sequence[Connection], peer_reports: Sequence[PeerReport], under_test: int | None
) -> list[PeerReport | None]:
    """Return each connection's report: by the end that connected, in the order of the reports.

    One that names no port is of all connections from there, and goes with the connection under test.
    """
    left = list(peer_reports)
    found: list[PeerReport | None] = []
    for index, connection in enumerate(connections):
        clients = [connection.client]
        if under_test in (index, None):
            clients.append(Endpoint(connection.client.address, 0))
        told = next((t for t in left if t.peer in clients and may_be_of(connection.reading, t)), None)
        if told is not None:
            left.remove(told)
        found.append(told)
    return found


def may_be_of(reading: ConnectionReading, peer_report: PeerReport) -> bool:
    """Return False if the report is older than the SYN ACK: an earlier connection had the same ports."""
    if peer_report.t_ns is None or reading.answered_ns is None:
        return True
    return peer_report.t_ns > reading.answered_ns


def tested_peer_report(
    names: ConnectionNames, connections: Sequence[Connection], peer_reports: Sequence[PeerReport]
) -> PeerReport | None:
    """Return what the peer's application saw of the connection under test; None without a report."""
    if names.under_test is None:
        return None
    return reports_by_connection(connections, peer_reports, names.under_test)[names.under_test]
