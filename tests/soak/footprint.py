"""What a soak takes of the machine: its processes, network namespaces, open files and memory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.support.killing import descendants, namespaces

_LOOK_EVERY_S = 0.05
_WORKER = b"spawn_main"
_OF_PYTHON = b"multiprocessing.resource_tracker"  # it leaves with the process that it serves


def measured() -> dict[str, int]:
    """Return the sums over all processes below this one, and over this one and its workers alone."""
    found = _own()
    workers = {os.getpid()} | {pid for pid in found if _WORKER in _read(pid, "cmdline")}
    return {
        "processes": len(found),
        "namespaces": len(namespaces(found)),
        "memory_kb": _memory_kb(found),
        "workers": len(workers),
        "workers_memory_kb": _memory_kb(workers),
        "workers_largest_kb": max(map(_rss_kb, workers)),
        "workers_open_files": sum(map(_open_files, workers)),
    }


def left(timeout_s: float) -> str:
    """Return which processes are still there once they had that long to leave; "" where none is."""
    deadline = time.monotonic() + timeout_s
    while (found := _own()) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
    return ", ".join(f"process {pid}" for pid in sorted(found))


def _own() -> set[int]:
    return {pid for pid in descendants() if _OF_PYTHON not in _read(pid, "cmdline")}


def _memory_kb(pids: Iterable[int]) -> int:
    return sum(map(_rss_kb, pids))


def _rss_kb(pid: int) -> int:
    pages = _read(pid, "statm").split()[1:2]
    return int(pages[0]) * os.sysconf("SC_PAGE_SIZE") // 1024 if pages else 0


def _open_files(pid: int) -> int:
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""
