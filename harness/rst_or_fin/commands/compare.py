"""`compare`: shows how stored runs differ, and whether that is known. No Docker, no root."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from rst_or_fin.analysis.compare import Findings, is_doubtful
from rst_or_fin.analysis.compare import compare as find
from rst_or_fin.commands.console import columns, palette
from rst_or_fin.errors import (
    EXIT_AS_EXPECTED,
    EXIT_DIFFERS,
    EXIT_INCONCLUSIVE,
    EXIT_USAGE,
    MachineError,
)
from rst_or_fin.execution import cache
from rst_or_fin.report import differences
from rst_or_fin.report.fitting import fitted
from rst_or_fin.storage.find_runs import find_runs


def compare(options: argparse.Namespace) -> int:
    """Compare the runs, print the differences, and return the exit code.

    1 where a difference is unexplained, else 3 where a run was inconclusive or a cell of a matrix failed,
    else 2 where no two runs played the same, else 0.
    """
    folders = dict.fromkeys(folder for given in options.runs for folder in find_runs(Path(given)))
    unplayed = [place for given in options.runs for place in cache.unplayed(Path(given))]
    found = find((cache.read(folder) for folder in folders), unplayed)
    content = _FORMATS[options.format](found)
    if options.out is None:
        sys.stdout.write(fitted(content, columns()) if options.format == "text" else content)
        sys.stdout.flush()
    else:
        _write(Path(options.out), content)
    if found.unexplained:
        return EXIT_DIFFERS
    if any(map(is_doubtful, found.set_aside)) or any(place.in_trouble for place in unplayed):
        return EXIT_INCONCLUSIVE
    compared = found.differences or found.same or any(part.seen > 1 for part in found.in_part)
    return EXIT_AS_EXPECTED if compared else EXIT_USAGE


def _text(found: Findings) -> str:
    return differences.text(found, palette()) + "\n"


def _json(found: Findings) -> str:
    return msgspec.json.format(msgspec.json.encode(differences.document(found)), indent=2).decode() + "\n"


def _html(found: Findings) -> str:
    from rst_or_fin.report import differences_html

    return differences_html.render(found) + "\n"


_FORMATS: dict[str, Callable[[Findings], str]] = {
    "text": _text,
    "json": _json,
    "markdown": differences.markdown,
    "html": _html,
}


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise MachineError(
            f"cannot write {path}: {error.strerror}", "choose another file with --out"
        ) from error
