"""Where the data files lie that are no Python (Erlang sources, container folders, scenarios), and where what
was found out about this machine is kept.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent

Name = Literal["erlang", "containers", "scenarios"]


def path(name: Name) -> Path:
    """The folder of that name: carried inside an installed wheel, beside the package in a checkout."""
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name


def cache() -> Path:
    """This user's folder for what can be found out again (XDG Base Directory Specification).

    It may not exist yet.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rst-or-fin"
