"""Runs a program for the holder, and keeps its last output, which tells why it ended."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from . import namespaces

_LAST_WORDS_LEN = 4096
_COULD_NOT_START = 127
_FD_MAX = 1 << 20


class Program:
    """A child process with its standard error kept at hand. Single-threaded callers only: it forks."""

    def __init__(self, name: str, body: Callable[[], object], inputs: int, output: int | None = None) -> None:
        """Run `body` in a child: standard input is `inputs`, standard output `output` or else standard error.

        The child has no other file descriptor. It ends when `body` returns.
        """
        self._name = name
        self._last_words = b""
        self.errors, errors = os.pipe()
        os.set_blocking(self.errors, False)
        self.pid = os.fork()
        if self.pid == 0:
            status = _COULD_NOT_START
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                namespaces.die_with_parent()
                _take_over(inputs, errors if output is None else output, errors)
                body()
                status = 0
            except SystemExit as left:
                status = left.code if isinstance(left.code, int) else 1
            except BaseException as error:  # noqa: BLE001 - nothing may unwind into the parent's frames
                sys.excepthook(type(error), error, error.__traceback__)
            finally:
                os._exit(status)
        os.close(errors)

    def read_errors(self) -> bool:
        """Take what it wrote to standard error since; return False once it has closed that."""
        try:
            while words := os.read(self.errors, 65536):
                self._last_words = (self._last_words + words)[-_LAST_WORDS_LEN:]
        except BlockingIOError:
            return True
        return False

    def exit_message(self, status: int) -> dict[str, Any]:
        """Make the message "ended" for a wait status."""
        self.read_errors()
        code = os.waitstatus_to_exitcode(status)
        return {
            "event": "ended",
            "who": self._name,
            # A process 1 tells of its child's signal as a shell does: none can kill it from inside.
            "status": 128 - code if code > 128 else code,
            "output": self._last_words.decode(errors="replace").strip(),
        }


def _take_over(inputs: int, output: int, errors: int) -> None:
    """Make these the three standard file descriptors, and close all others."""
    for number, fd in enumerate((inputs, output, errors)):
        os.dup2(fd, number)
    os.closerange(3, _FD_MAX)
