"""Where text goes: results to stdout, progress to stderr; colour only where a person looks at a terminal."""

from __future__ import annotations

import os
import sys
from typing import Any

import msgspec

from rst_or_fin.report.terminal import COLOURS, PLAIN, Palette


def palette() -> Palette:
    """Colours where stdout is a terminal that wants them (https://no-color.org), nothing otherwise."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return COLOURS if wanted else PLAIN


def progress(line: object) -> None:
    """One line of progress, for a person or a log; a build's chatter within a step is left out."""
    if getattr(line, "detail", False):
        return
    print(f"rst-or-fin: {line}", file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
