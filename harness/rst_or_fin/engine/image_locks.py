"""Locks image builds against each other and against `clean`: file locks, which end with their process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rst_or_fin import own_files
from rst_or_fin.errors import MachineError

_WAIT_S = 1200
_LOOK_EVERY_S = 0.2  # flock(2) has no time-out of its own
_ALL = "images.lock"


@contextmanager
def making(image: str, wait_is_told: Callable[[], None]) -> Iterator[None]:
    """Hold the lock for building an image; wait up to 20 minutes for a process that is building it.

    Raises MachineError after that.
    """
    with _held(f"{image.replace('/', '-').replace(':', '-')}.lock", fcntl.LOCK_EX, image, wait_is_told):
        yield


@contextmanager
def using() -> Iterator[None]:
    """Keep `clean` from removing images while one is being made or is about to be run."""
    with _held(_ALL, fcntl.LOCK_SH, "images", lambda: None):
        yield


@contextmanager
def removing() -> Iterator[bool]:
    """Yield whether no process makes or is about to run an image; if so, none can begin to meanwhile."""
    lock = own_files.open_lock("locks", _ALL)
    try:
        yield _taken(lock, fcntl.LOCK_EX)
    finally:
        os.close(lock)


@contextmanager
def _held(name: str, kind: int, what: str, wait_is_told: Callable[[], None]) -> Iterator[None]:
    lock = own_files.open_lock("locks", name)
    try:
        if not _taken(lock, kind):
            wait_is_told()
            _await(lock, kind, what)
        yield
    finally:
        os.close(lock)


def _await(lock: int, kind: int, what: str) -> None:
    until_s = time.monotonic() + _WAIT_S
    while not _taken(lock, kind):
        if time.monotonic() > until_s:
            raise MachineError(
                f"another process has been busy with {what} for {_WAIT_S // 60} minutes",
                "end it, then run again",
            )
        time.sleep(_LOOK_EVERY_S)


def _taken(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
