"""What a receive buffer must hold right before a close: with other contents, that close is another case."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

MOST_BYTES = 2**31 - 1  # relative sequence numbers go no further
Length = Annotated[int, msgspec.Meta(ge=0, le=MOST_BYTES)]


class Precondition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the receive buffer must hold right before the close, in bytes; None demands nothing.

    Where the length depends on the server, `unread` is "all" (something has arrived, and none of it was
    read) or "some" (at least one byte).
    """

    unread: Length | Literal["all", "some"] | None = None
    received: Length | None = None

    def __post_init__(self) -> None:
        if isinstance(self.unread, int) and self.received is not None and self.unread > self.received:
            raise ValueError(f"{self.unread} bytes unread of {self.received} received: no buffer holds that")
