"""Words that several reports share."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Write `1 replay`, `2 replays`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
