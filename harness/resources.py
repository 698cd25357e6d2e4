"""Where the data files lie that are no Python: Erlang sources, container folders, scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent

Name = Literal["erlang", "containers", "scenarios"]


def path(name: Name) -> Path:
    """The folder of that name: carried inside an installed wheel, beside the package in a checkout."""
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name
