"""The colours of the terminal, by what they mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Palette:
    """SGR codes by meaning, or nothing at all."""

    bold: str = ""
    dim: str = ""
    good: str = ""
    bad: str = ""
    warn: str = ""
    plain: str = ""


PLAIN = Palette()
COLOURS = Palette(
    bold="\x1b[1m", dim="\x1b[2m", good="\x1b[32m", bad="\x1b[31m", warn="\x1b[33m", plain="\x1b[0m"
)
