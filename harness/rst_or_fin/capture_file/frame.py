"""A captured frame."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One link-layer frame as captured: `t_ns` in nanoseconds since the epoch, Ethernet header included."""

    t_ns: int
    data: bytes
