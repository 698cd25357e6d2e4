"""Finds the data files (Erlang sources, containers, scenarios), and remembers facts of this machine."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from rst_or_fin import own_files

_PACKAGE = Path(__file__).resolve().parent

Name = Literal["erlang", "containers", "scenarios", "docs"]


def path(name: Name) -> Path:
    """Return the folder of that name: carried inside an installed wheel, beside the package in a checkout."""
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent.parent / name


def remembered(name: str) -> tuple[str, float] | None:
    """Return what was remembered of this machine under that name, and its age in seconds; None for nothing.

    It is in this user's cache folder (XDG Base Directory Specification).
    """
    path = _cache() / name
    try:
        return path.read_text(encoding="utf-8"), time.time() - path.stat().st_mtime
    except (OSError, UnicodeDecodeError):
        return None


def remember(name: str, text: str) -> None:
    """Keep that for later, whole or not at all. A full disk is no error: it can be found out again."""
    path = _cache() / name
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        own_files.replace(path, text.encode())


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rst-or-fin"
