"""Plays sessions on a node without a scenario."""

from __future__ import annotations

from collections.abc import Mapping

from rst_or_fin.node import session
from rst_or_fin.node.link import Link


def begin(
    link: Link,
    text: str,
    bindings: Mapping[str, str] | None = None,
    *,
    close_line: int = 0,
    line_timeout_s: float = 10,
) -> bytes:
    """Ask the node to play a session; return the ref to collect it by."""
    order = session.encode_play(
        session=text,
        bindings=bindings or {},
        close_line=close_line,
        line_timeout_s=line_timeout_s,
        live=True,
    )
    return link.send(order)
