"""`compare`: shows how stored runs differ, and whether that is known. No Docker, no root."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from rst_or_fin.analysis.compare import Findings, exit_code
from rst_or_fin.analysis.compare import compare as find
from rst_or_fin.analysis.counters import CounterDifferences, moves
from rst_or_fin.commands.console import columns, palette
from rst_or_fin.commands.saved_reports import write
from rst_or_fin.execution import cache
from rst_or_fin.report import differences
from rst_or_fin.report.fitting import fitted
from rst_or_fin.storage.find_runs import find_runs


def compare_options(parser: argparse.ArgumentParser) -> None:
    """Add what `compare` takes."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="an evidence folder, or a folder of these")
    parser.add_argument("--format", choices=tuple(_FORMATS), default="text")
    parser.add_argument("--out", metavar="FILE", help="write to FILE instead of stdout")
    parser.add_argument(
        "--counters",
        choices=("close", "all"),
        default="close",
        help="all: also report the kernel's other counters that change in some configurations only",
    )


def compare(options: argparse.Namespace) -> int:
    """Compare the runs, print the differences, and return the exit code of `analysis.compare`."""
    folders = dict.fromkeys(folder for given in options.runs for folder in find_runs(Path(given)))
    unplayed = [place for given in options.runs for place in cache.unplayed(Path(given))]
    runs = [cache.read(folder) for folder in folders]
    found = find(runs, unplayed)
    content = _FORMATS[options.format](found, moves(runs) if options.counters == "all" else None)
    if options.out is None:
        sys.stdout.write(fitted(content, columns()) if options.format == "text" else content)
        sys.stdout.flush()
    else:
        write(Path(options.out), content.encode())
    return exit_code(found, unplayed)


_Moves = Sequence[CounterDifferences] | None


def _text(found: Findings, others: _Moves) -> str:
    return differences.text(found, palette(), others, columns()) + "\n"


def _json(found: Findings, others: _Moves) -> str:
    document = msgspec.json.encode(differences.document(found, others))
    return msgspec.json.format(document, indent=2).decode() + "\n"


def _markdown(found: Findings, others: _Moves) -> str:
    return differences.markdown(found, others)


def _html(found: Findings, others: _Moves) -> str:
    from rst_or_fin.report import differences_html

    return differences_html.render(found, others) + "\n"


_FORMATS: dict[str, Callable[[Findings, _Moves], str]] = {
    "text": _text,
    "json": _json,
    "markdown": _markdown,
    "html": _html,
}
