"""Finds evidence: a folder that a run wrote, or one that holds such folders, however deep."""

from __future__ import annotations

import re
from pathlib import Path

from rst_or_fin.errors import UsageError
from rst_or_fin.storage.evidence_format import MANIFEST

_NUMBERS = re.compile(r"(\d+)")


def find_runs(path: Path) -> list[Path]:
    """Return the folder itself where a run wrote it, else every run's folder inside it.

    Numbers in names sort as numbers: Read=9 comes before Read=10. Raises UsageError if there is none.
    """
    if not path.exists():
        raise UsageError(
            f"{path}: there is no such folder", "`rst-or-fin report --last` takes the newest run"
        )
    if (path / MANIFEST).is_file() or not path.is_dir():
        return [path]
    inside = (manifest.parent for manifest in path.glob(f"**/{MANIFEST}"))
    whole = [folder for folder in inside if not _is_hidden(folder.relative_to(path))]
    if not whole:
        raise UsageError(
            f"{path} holds no evidence",
            "give folders that runs wrote (runs/...), or a sweep's or matrix's folder",
        )
    return sorted(whole, key=_by_numbers)


def newest_run(path: Path) -> Path:
    """Return what was written there last: a run's folder, a sweep's or a matrix's. Raises UsageError."""
    try:
        folders = [folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    except OSError as error:
        raise UsageError(f"there is no folder {path}", "name the folder: `report --last DIR`") from error
    written = [(max(m.stat().st_mtime_ns for m in found), f) for f in folders if (found := _manifests(f))]
    if not written:
        raise UsageError(f"{path} holds no evidence", "name the folder: `report --last DIR`")
    return max(written)[1]


def _manifests(folder: Path) -> list[Path]:
    own = folder / MANIFEST
    return [own] if own.is_file() else list(folder.glob(f"**/{MANIFEST}"))


def _is_hidden(inside: Path) -> bool:
    """Return whether the folder is a cell that is just being put in its place (`execution.cache`)."""
    return any(part.startswith(".") for part in inside.parts)


def _by_numbers(folder: Path) -> list[tuple[int, int, str]]:
    parts = _NUMBERS.split(str(folder))
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part]
