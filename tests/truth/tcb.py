"""Hold what one end knows of one connection: the transmission control block of RFC 9293 section 3.3.1.

Sequence numbers in here count from the initial ones (the SYN is 0, the first byte 1) and never wrap; `output`
and `receive` translate them from and to the 32 bit of the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.truth.segment import Conn

if TYPE_CHECKING:
    from tests.truth.app import App
    from tests.truth.host import Host


class State(StrEnum):
    """The states of RFC 9293 section 3.3.2; a listener has none of its own here."""

    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"
    CLOSED = "CLOSED"


class Gone(StrEnum):
    """Why a control block is no more."""

    NOT = ""
    FINISHED = "finished"  # both FINs acknowledged
    ABORTED = "aborted"  # by its own host's decision, which sent a RST
    RESET = "reset"  # by a RST that it took
    ANSWERED = "answered"  # its host answered a segment with a RST and dropped it
    SILENT = "silent"  # gave up, expired, or was forgotten: nothing told the other end


@dataclass(slots=True, eq=False, kw_only=True)
class Tcb:
    """One end of one connection."""

    host: Host
    conn: Conn
    lport: int
    rport: int
    state: State
    iss: int
    irs: int = 0
    app: App | None = None
    gone: Gone = Gone.NOT
    gone_ns: int = 0
    last: State = State.CLOSED  # the state before it was gone
    request: bool = False  # SYN-RECEIVED on behalf of a listener: Linux keeps a request there, no socket
    orphan: bool = False  # closed by its application
    pending: bool = False  # established, and waits in its listener's queue to be accepted

    snd_una: int = 0
    snd_nxt: int = 1
    snd_wnd: int = 0
    snd_wl1: int = 0
    max_wnd: int = 0
    snd_scale: int = 0
    mss: int = 536
    write_len: int = 0  # bytes that the application has written
    fin_queued: bool = False
    recover: int = 0  # after a time-out: everything below is sent again, one segment an ACK
    dup_acks: int = 0
    retries: int = 0
    probes: int = 0

    rcv_nxt: int = 0
    rcv_wup: int = 0  # RCV.NXT as it was last told to the other end
    rcv_edge: int = 0  # the right edge of the window that was last offered
    rcv_scale: int = 0
    read_len: int = 0  # bytes that the application has read
    later: list[tuple[int, int]] = field(default_factory=list)  # received out of order
    fin_at: int = -1  # where the other end's FIN is, once one was received
    got_fin: bool = False
    resent_with_fin: bool = False  # the FIN came with bytes that had come before
    unacked: int = 0  # segments received and not yet acknowledged

    stamps: bool = False
    ts_recent: int = 0
    ip_id: int = 0

    rto_ns: int = 0
    rto_at: int = 0
    delack_at: int = 0
    keepalive_ns: int = 0
    keepalive_at: int = 0
    keepalive_probes: int = 0
    expires_at: int = 0  # FIN-WAIT-2 or TIME-WAIT

    @property
    def received_len(self) -> int:
        """Return how many bytes of the other end's stream have arrived in order."""
        return max(self.rcv_nxt - 1 - self.got_fin, 0)

    @property
    def unread_len(self) -> int:
        """Return how many bytes wait for the application."""
        return self.received_len - self.read_len

    @property
    def fin_sent(self) -> bool:
        """Return whether this end's FIN has left."""
        return self.fin_queued and self.snd_nxt == self.write_len + 2

    @property
    def fin_acked(self) -> bool:
        """Return whether the other end has acknowledged this end's FIN."""
        return self.fin_queued and self.snd_una == self.write_len + 2


# What Linux aborts with a RST (tcp_need_reset, Linux 6.12); other states end without a word.
ABORTABLE = frozenset(
    {State.ESTABLISHED, State.CLOSE_WAIT, State.FIN_WAIT_1, State.FIN_WAIT_2, State.SYN_RECEIVED}
)
PEER_CLOSED = frozenset({State.CLOSE_WAIT, State.CLOSING, State.LAST_ACK, State.TIME_WAIT})


def bury(tcb: Tcb, why: Gone) -> None:
    """Make an end of a connection vanish from its host."""
    if tcb.gone is not Gone.NOT:
        return
    tcb.gone = why
    tcb.gone_ns = tcb.host.world.now
    tcb.last, tcb.state = tcb.state, State.CLOSED
    tcb.host.forget(tcb)
    if tcb.app is not None:
        tcb.app.poke()
