"""Shows progress: one line that is updated on a terminal, plain lines every 10 s elsewhere.

Everything goes to stderr, so that stdout holds the results alone.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TextIO

from rst_or_fin.escaping import clipped, visible

_REDRAW_S = 0.1
_PLAIN_EVERY_S = 10.0
ERASE = "\r\x1b[K"  # the one thing that may take something back (escaping.EscapingStream)


class Verbosity(IntEnum):
    """How much is said beside the results."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


class Progress:
    """One stream for progress. `now_s` is a clock that never goes back."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        verbosity: Verbosity = Verbosity.NORMAL,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.verbosity = verbosity
        self._stream = stream
        self._now_s = now_s
        self._drawn = False

    def say(self, line: object) -> None:
        """Print a line that stays: a build's output only if verbose, nothing if quiet."""
        if self.verbosity < (Verbosity.VERBOSE if getattr(line, "detail", False) else Verbosity.NORMAL):
            return
        self.clear()
        print(f"rst-or-fin: {line}", file=self._out, flush=True)

    def clear(self) -> None:
        """Remove the updated line, before anything else is printed."""
        if self._drawn:
            self._out.write(ERASE)
            self._out.flush()
            self._drawn = False

    @contextmanager
    def counting(self, total: int | None, what: str) -> Iterator[Callable[[], None]]:
        """Count up to `total` (None: unknown); yield what to call after each step."""
        count = _Count(total, what, self._now_s())
        due_s = count.begun_s + (_REDRAW_S if self.updates else _PLAIN_EVERY_S)

        def one_more() -> None:
            nonlocal due_s
            now_s = self._now_s()
            count.add(now_s)
            if now_s < due_s or self.verbosity is Verbosity.QUIET:
                return
            due_s = now_s + (_REDRAW_S if self.updates else _PLAIN_EVERY_S)
            self._show(count.line(now_s))

        try:
            yield one_more
        finally:
            self.clear()

    def _show(self, line: str) -> None:
        if not self.updates:
            self.say(line)
            return
        columns = shutil.get_terminal_size().columns
        self._out.write(f"{ERASE}{clipped(f'rst-or-fin: {line}', columns - 1)}")
        self._out.flush()
        self._drawn = True

    @property
    def _out(self) -> TextIO:
        return sys.stderr if self._stream is None else self._stream

    @property
    def updates(self) -> bool:
        """Whether the stream is a terminal that can update a line."""
        return self._out.isatty() and os.environ.get("TERM") != "dumb"


class _Count:
    """How many of how many, and since when: since the first one, as preparation came before."""

    def __init__(self, total: int | None, what: str, begun_s: float) -> None:
        self.done = 0
        self.begun_s = begun_s
        self._total = total
        self._what = what

    def add(self, now_s: float) -> None:
        """Count one more."""
        self.done += 1
        if self.done == 1:
            self.begun_s = now_s

    def line(self, now_s: float) -> str:
        """Write `1,234 of 10,000 replays, 512 per second, 17 s left`."""
        of = "" if self._total is None else f" of {self._total:,}"
        text = f"{self.done:,}{of} {visible(self._what)}"
        if self.done < 2:
            return text
        rate = (self.done - 1) / max(now_s - self.begun_s, 1e-6)
        text += f", {rate:,.0f} per second" if rate >= 10 else f", {1 / rate:.2g} s each"
        if self._total is None:
            return text
        left_s = max(0, self._total - self.done) / rate
        return f"{text}, {_duration(left_s)} left"


def _duration(seconds: float) -> str:
    """Write `17 s`, `3 min`, `1 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
