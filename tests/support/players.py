"""What a worker process is told to do in tests of what watches it: well behaved, and every other way.

A module of its own: a worker process imports it anew, and finds these functions by name.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from pathlib import Path

from rst_or_fin.analysis.matrix import Cell
from rst_or_fin.execution.worker import WorkerReply


def open_nothing(cell: Cell) -> WorkerReply:
    return WorkerReply()


def open_excluded(cell: Cell) -> WorkerReply:
    return WorkerReply(excluded="not on this kernel")


def open_never(cell: Cell) -> WorkerReply:
    return WorkerReply(error="the testbed does not open", hint="open it")


def open_slowly(cell: Cell) -> WorkerReply:
    threading.Event().wait(30)
    return WorkerReply()


def play_on_a_full_disk(cell: Cell, folder: str, command_line: tuple[str, ...]) -> WorkerReply:
    raise OSError(errno.ENOSPC, "No space left on device")


def play(cell: Cell, folder: str, command_line: tuple[str, ...]) -> WorkerReply:
    """Does as the scenario is called; leaves a file with its process id in any case."""
    Path(folder).mkdir()
    (Path(folder) / "pid").write_text(str(os.getpid()))
    match cell.scenario.name:
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hangs":
            threading.Event().wait()
        case "breaks":
            raise KeyError("a mistake")
        case "fails":
            return WorkerReply(error="the wire is cut", hint="mend it")
    return WorkerReply()


def discard() -> None:
    return None
