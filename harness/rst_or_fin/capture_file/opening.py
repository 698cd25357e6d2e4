"""Opens capture files and standard input as chunks of bytes: the package's only I/O."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import FileIO
from pathlib import Path

from rst_or_fin.capture_file.damage import DamageError
from rst_or_fin.capture_file.decoding import LARGEST_PAYLOAD
from rst_or_fin.capture_file.reading import CaptureReading, Source
from rst_or_fin.errors import UsageError

STANDARD_INPUT = "-"
_CHUNK = 262_144  # bytes
_WRITER_S = 30.0  # how long a named pipe is given to get a writer
_LOOK_EVERY_S = 0.05
_READ_AT_ONCE = os.O_RDONLY  # and without waiting, where a system knows of that: Windows does not
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    _READ_AT_ONCE |= getattr(os, _name, 0)


def open_captures(paths: Sequence[str | Path], *, payload_kept: int = LARGEST_PAYLOAD) -> CaptureReading:
    """Read capture files as one capture, in the order of time; `-` is standard input, read as it grows.

    Raises UsageError if one cannot be opened or is not a capture.
    """
    for path in paths:
        _check(path, alone=len(paths) == 1)
    return CaptureReading([_source(path) for path in paths], payload_kept=payload_kept)


def large_source(paths: Sequence[str | Path], at_least: int) -> Source | None:
    """Return a capture as a source that can be read again, if it is one file of at least that many bytes."""
    if len(paths) != 1 or str(paths[0]) == STANDARD_INPUT:
        return None
    path = Path(paths[0])
    return _source(path) if path.is_file() and path.stat().st_size >= at_least else None


def _check(path: str | Path, *, alone: bool) -> None:
    if str(path) == STANDARD_INPUT:
        if sys.stdin.isatty():
            raise UsageError("standard input is a terminal", "pipe a capture into it: tcpdump -U -w - | ...")
    elif not Path(path).exists():
        raise UsageError(f"{path}: no such file", "give a capture file, or - for standard input")
    elif Path(path).is_dir():
        raise UsageError(f"{path} is a folder", "give the capture files in it")
    elif _is_device(Path(path)):
        raise UsageError(f"{path} is a device", "give a capture file, or - for standard input")
    if not alone and not Path(path).is_file():
        raise UsageError(f"{path} can be read only once", "give it alone, or write it to a file first")


def _source(path: str | Path) -> Source:
    if str(path) == STANDARD_INPUT:
        return Source(name="standard input", open=_standard_input)
    return Source(name=str(path), open=partial(_file, Path(path)))


def _standard_input() -> Iterator[bytes]:
    return _chunks(FileIO(sys.stdin.fileno(), closefd=False).read)


def _is_device(path: Path) -> bool:
    mode = path.stat().st_mode
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _file(path: Path) -> Iterator[bytes]:
    try:  # without waiting: a pipe's writer may never come
        descriptor = os.open(path, _READ_AT_ONCE)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check its permissions") from error
    with FileIO(descriptor) as file:
        first = b""
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            first = _first_of_pipe(path, descriptor)
        if hasattr(os, "O_NONBLOCK"):
            os.set_blocking(descriptor, True)
        if first:
            yield first
        yield from _chunks(file.read)


def _first_of_pipe(path: Path, descriptor: int) -> bytes:
    """Read what a pipe's writer has written by now, after waiting for a writer.

    A read of a pipe says end of file where no process has it open for writing, and fails where one has
    (pipe(7)).
    """
    deadline = time.monotonic() + _WRITER_S
    while time.monotonic() < deadline:
        try:
            first = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return b""
        if first:
            return first
        time.sleep(_LOOK_EVERY_S)
    raise UsageError(f"no program writes to the pipe {path}", "start its writer, or give a capture file")


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Read to the end. Raises DamageError if, for example, the disk fails in the middle."""
    try:
        while chunk := read(_CHUNK):
            yield chunk
    except OSError as error:
        raise DamageError(f"it cannot be read on ({error.strerror})") from error
