"""Writes results to stdout and progress to stderr; colour only on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from rst_or_fin.commands.progress import Progress, Verbosity
from rst_or_fin.report.fitting import WIDTH, fitted
from rst_or_fin.report.palette import COLOURS, PLAIN, Palette

_progress = Progress()


def set_verbosity(verbosity: Verbosity) -> None:
    """Print more or less from now on: what -q and -v ask for."""
    _progress.verbosity = verbosity


def is_quiet() -> bool:
    """Return whether only results are wanted, a line each."""
    return _progress.verbosity is Verbosity.QUIET


def is_verbose() -> bool:
    """Return whether details of little interest are wanted as well."""
    return _progress.verbosity is Verbosity.VERBOSE


def palette() -> Palette:
    """Return colours where stdout is a terminal that wants them (https://no-color.org), else none."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return COLOURS if wanted else PLAIN


def columns() -> int:
    """Return how wide a line may be: the terminal's width (or $COLUMNS), or what suits a file."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def updates_a_line() -> bool:
    """Return whether progress is one line that is updated, rather than a log."""
    return _progress.updates


def show(text: str = "") -> None:
    """Print a result, fitted to the terminal."""
    _progress.clear()
    print(fitted(text, columns()), flush=True)


def progress(line: object) -> None:
    """Print a line of progress, a build's own output only with --verbose."""
    _progress.say(line)


def counting(total: int | None, what: str) -> AbstractContextManager[Callable[[], None]]:
    """Show how far a long job is; yield what to call after each step."""
    return _progress.counting(total, what)


def print_json(value: Any) -> None:
    """Print a JSON document."""
    _progress.clear()
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
