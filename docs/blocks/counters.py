"""The kernel's counters that a verdict speaks of, in words."""

from __future__ import annotations

from rst_or_fin.evidence.records import COUNTERS
from rst_or_fin.tcp.causes import CAUSES, reasons_of

from docs.blocks.words import table

_MEANING = {
    "TcpExt:TCPAbortOnClose": "a RST because data lay unread at the close",
    "TcpExt:TCPAbortOnData": "a RST because the linger time was zero, or because data came after the close",
    "TcpExt:TCPAbortOnLinger": "a RST because the peer's FIN did not come within TCP_LINGER2",
    "TcpExt:TCPAbortOnTimeout": "given up after retransmissions, keepalive probes or TCP_USER_TIMEOUT",
    "TcpExt:TCPAbortOnMemory": "a RST because there was no memory left for the socket",
    "Tcp:OutRsts": "RSTs sent, for whatever reason",
    "Tcp:EstabResets": "connections that went from ESTABLISHED or CLOSE_WAIT straight to CLOSED",
    "Tcp:RetransSegs": "segments sent again",
}


def counters() -> str:
    """List every counter that is read around a close."""
    rows = ((f"`{name.partition(':')[2]}`", name.partition(":")[0], _MEANING[name]) for name in COUNTERS)
    return table(("counter", "group", "raised by"), rows)


def reasons() -> str:
    """List the tracepoint's reasons, with the causes that they go with."""
    found: dict[str, list[str]] = {}
    for row in CAUSES:
        for reason in reasons_of(row.cause):
            found.setdefault(reason, []).append(f"`{row.cause}`")
    return table(
        ("reason", "cause"), ((f"`{reason}`", " or ".join(c)) for reason, c in sorted(found.items()))
    )
