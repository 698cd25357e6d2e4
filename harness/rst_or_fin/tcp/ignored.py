"""Names why a segment decides nothing, and why it may be open whether it decides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IgnoredReason(StrEnum):
    """Why a segment decides nothing."""

    CORRUPT = "its checksum is wrong, so nobody received it"
    OUT_OF_WINDOW = "it is outside the receiver's window"
    EARLIER = "it answers an ACK of an earlier connection with these ports"
    ACKS_NO_SYN = "it does not acknowledge the SYN"
    AFTER_THE_END = "it came after the connection's end"
    WENT_ON = "the end that it claims to come from went on sending"
    FOREIGN = "the end that it claims to come from uses another TTL or IP ID, and went on sending"
    STRAY_SYN = "it opens nothing inside a live connection"
    FORGED = "that end never sent it"
    COPY = "it is a duplicate made in transit"


class Question(StrEnum):
    """Why it is unknown whether a segment decides: its sender's ending is open to doubt."""

    WENT_ON = "may not be its own: that end went on sending"
    FIN_AGAIN = "answers a retransmitted FIN: the ACK of that FIN may have been lost"
    OPENS_AGAIN = "opens the connection again after that end had reset it"
    AFTER_A_RESET = "came after the other end's RST: had that arrived?"
    OLD_NUMBER = "has a sequence number that may be old for the other end: did that accept the RST?"
    UNSEEN_ACK = "answers a segment that was not captured: had that ended the connection?"
    STRAY_SYN = "is another connection's: does the RST belong to that one?"
    SIMULTANEOUS = "opens the connection from the other side too: which SYN did the RST answer?"
    REFUSES_LATE = "refuses the SYN after that end had answered it"
    NUMBERED = "has a sequence number other than 0, unlike a refusal: did a SYN ACK precede it?"
    LATE_SYN = "was captured after other segments of that end"
    BEFORE_ITS_SYN = "was captured before the SYN that it answers"
    FORGOTTEN = (
        "answers the SYN again with another initial sequence number: that end had forgotten the connection"
    )
    LATE_FIN = "was captured after it had been acknowledged: had it ended the connection before the RST?"
    MISSING = "skips a sequence number that was not captured: was that a FIN?"
    LAST_WORD = "is outside the receiver's window, and the last segment from that end"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A segment, by its index, that decides nothing."""

    index: int
    why: IgnoredReason
