"""How one end of a connection ended, why, and whether that may be relied on: the words of every verdict."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The two ends of a connection: who sent the SYN, and who answered it."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Role:
        """The other end."""
        return Role.SERVER if self is Role.CLIENT else Role.CLIENT


class Ending(StrEnum):
    """How one endpoint ended its side, as the wire shows it. A boolean is too small for this."""

    FIN = "FIN"
    RST = "RST"
    FIN_THEN_RST = "FIN then RST"
    NONE = "none"


class Cause(StrEnum):
    """Why an endpoint sent a RST, or gave up. UNKNOWN is a legitimate answer: packets alone often cannot say.

    What proves each of them is in `rst_or_fin.tcp.causes`.
    """

    UNREAD_DATA = "unread data at close"
    ZERO_LINGER = "zero linger"
    DATA_AFTER_CLOSE = "data after close"
    LATE_SEGMENT = "late segment after close"
    CLOSED_PORT = "closed port"
    LISTENER_CLOSED = "listener closed"
    KEEPALIVE_TIMEOUT = "keepalive timeout"
    USER_TIMEOUT = "user timeout"
    RETRANSMISSIONS = "retransmissions given up"
    FIN_WAIT2_TIMEOUT = "linger timeout in FIN_WAIT2"
    OUT_OF_MEMORY = "out of memory"
    NOT_SENT = "not sent by that end"
    UNKNOWN = "unknown"


class Validity(StrEnum):
    """Whether a verdict may be relied on; an inconclusive one is never a pass."""

    CONCLUSIVE = "conclusive"
    INCONCLUSIVE = "inconclusive"
