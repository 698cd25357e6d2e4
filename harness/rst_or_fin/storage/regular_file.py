"""Reads a file that the user names: only a regular one, and only up to a bound."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_CHUNK = 1 << 20  # bytes
_READ_AT_ONCE = os.O_RDONLY  # and without waiting, where a system knows of that: Windows does not
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    _READ_AT_ONCE |= getattr(os, _name, 0)

_SORTS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


class NotRegularError(Exception):
    """It is not a regular file; `what` says what it is instead."""

    def __init__(self, what: str) -> None:
        super().__init__(f"it is {what}")
        self.what = what


class TooLongError(Exception):
    """It is longer than may be read."""


def read(path: Path, most_bytes: int) -> bytes:
    """Read a regular file of at most `most_bytes`.

    Raises NotRegularError for anything else, TooLongError, OSError if it cannot be read, ValueError if
    its name is not valid (it holds a NUL).
    """
    _demand_regular(os.stat(path).st_mode)  # opening a device may do more than open it
    # Without waiting: by now it could be a pipe without a writer.
    descriptor = os.open(path, _READ_AT_ONCE)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _demand_regular(status.st_mode)
        if status.st_size > most_bytes:
            raise TooLongError(f"it has {status.st_size} bytes")
        data = b"".join(_chunks(file, most_bytes))
    if len(data) > most_bytes:
        raise TooLongError(f"it has more than {most_bytes} bytes")
    return data


def _chunks(file: BinaryIO, most_bytes: int) -> Iterator[bytes]:
    """Read to the end, or just beyond the bound, whatever length the file system reports."""
    taken = 0
    while taken <= most_bytes and (chunk := file.read(_CHUNK)):
        taken += len(chunk)
        yield chunk


def _demand_regular(mode: int) -> None:
    for is_it, what in _SORTS.items():
        if is_it(mode):
            raise NotRegularError(what)
