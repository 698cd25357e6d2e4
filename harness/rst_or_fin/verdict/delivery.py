"""Counts what became of the bytes that the end under test sent: "sent N, the peer read M".

How a connection ended says nothing about that: an orderly FIN can follow a part of what was handed over, and
a RST can come after all of it was read. No opinion on the ending; no expectations.
"""

from __future__ import annotations

from dataclasses import dataclass

from rst_or_fin.evidence.records import PeerReport, Replay
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.sender_state import End


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Bytes of payload on their way from the application of one end to that of the other.

    `handed_over` is what the session handed over to be sent (None if it was not counted, as with a library),
    `on_wire` what was captured of it, each byte once, `acknowledged` what the peer's kernel has taken,
    `read` what the peer's application reports that it read (None without a report). Where they are
    `encrypted`, what is on the wire is more than what the applications count, and cannot be held against it.
    `is_exact` is false for a peer that counts whole requests: what it left out it may have read all the same.
    """

    handed_over: int | None
    on_wire: int
    acknowledged: int
    read: int | None
    encrypted: bool = False
    is_exact: bool = True

    @property
    def sent(self) -> int | None:
        """What was sent, by the application if that is known, else by the kernel; None if unknown."""
        return self.handed_over if self.encrypted else max(self.handed_over or 0, self.on_wire)

    @property
    def lost(self) -> int | None:
        """What was sent and never read; None if one of the two is unknown."""
        if self.read is None or self.sent is None or (self.read < self.sent and not self.is_exact):
            return None
        return max(0, self.sent - self.read)

    def __str__(self) -> str:
        """Return the statement, with what lies between the two applications only if that adds something."""
        if self.encrypted:
            said = "sent an unknown number of bytes" if self.sent is None else f"sent {_bytes(self.sent)}"
            said += f" ({self.on_wire} on the wire, encrypted)"
        else:
            said = f"sent {_bytes(self.sent)}"
            said += f" ({self.on_wire} of them on the wire)" if (self.sent or 0) > self.on_wire else ""
        if self.read is None:
            acknowledged = "" if self.encrypted else f", {self.acknowledged} acknowledged"
            return f"{said}{acknowledged}; what the peer read is not known"
        said += f", the peer read {self.read}"
        return f"{said}: {_bytes(self.lost)} lost" if self.lost else said


def delivery(
    connection: Connection,
    role: Role,
    replay: Replay | None = None,
    peer_report: PeerReport | None = None,
    *,
    encrypted: bool = False,
    is_exact: bool = True,
) -> Delivery:
    """Return what became of the bytes that this end sent.

    What a client behind a proxy received is not counted. `replay` is the session of the host at
    this end, `peer_report` what the other end's application reported.
    """
    own = connection.reading.end(connection.endpoint(role))
    return Delivery(
        handed_over=_handed_over(connection, replay) if replay is not None else None,
        on_wire=_payload_len(own, own.payload_to),
        acknowledged=_payload_len(own, own.acked_to),
        read=peer_report.received if peer_report is not None and peer_report.peer.port else None,
        encrypted=encrypted,
        is_exact=is_exact,
    )


def _handed_over(connection: Connection, replay: Replay) -> int | None:
    ends = {connection.client, connection.server}
    return next((sent.bytes for sent in replay.sent if {sent.local, sent.remote} == ends), None)


def _payload_len(end: End, to: int | None) -> int:
    """Count the payload bytes before a number, the SYN and the FIN not counted."""
    if to is None or end.start is None:
        return 0
    controls = (end.isn is not None) + (end.fin_end is not None and to >= end.fin_end)
    return max(0, to - end.start - controls)


def _bytes(count: int | None) -> str:
    return f"{count} byte" if count == 1 else f"{count} bytes"
