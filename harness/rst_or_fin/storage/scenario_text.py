"""Reads the text of a scenario file, or says in one sentence what there is instead of one."""

from __future__ import annotations

from pathlib import Path

from rst_or_fin.errors import UsageError
from rst_or_fin.storage import regular_file

MOST_BYTES = 1 << 20

_MARKS = {
    b"\xef\xbb\xbf": "begins with a byte order mark (BOM)",
    b"\xff\xfe": "is UTF-16",
    b"\xfe\xff": "is UTF-16",
}
_REMEDY = "save it as plain UTF-8, without a byte order mark"


def read(path: Path, shown: str) -> str:
    """Read a scenario's text from a regular file of at most MOST_BYTES. Raises UsageError.

    `shown` is what errors call the file.
    """
    data = _read(path, shown)
    for mark, what in _MARKS.items():
        if data.startswith(mark):
            raise UsageError(f"{shown}:1: {what}: {_REMEDY}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = "is a binary file" if b"\0" in data else f"is not UTF-8 (byte 0x{data[error.start]:02x})"
        raise UsageError(f"{shown}:{line}: {what}: {_REMEDY}") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UsageError(f"{shown}:{line}: is a binary file (a NUL byte): give a TOML file")
    return text


def _read(path: Path, shown: str) -> bytes:
    try:
        return regular_file.read(path, MOST_BYTES)
    except regular_file.NotRegularError as error:
        hint = "name the scenario files in it" if error.what == "a folder" else "give a regular file"
        raise UsageError(f"{shown}: is {error.what}: {hint}") from error
    except regular_file.TooLongError as error:
        raise UsageError(
            f"{shown}: is larger than {MOST_BYTES >> 20} MiB, too large for a scenario"
        ) from error
    except FileNotFoundError as error:
        raise UsageError(f"{shown}: there is no such file: check the path") from error
    except OSError as error:
        raise UsageError(f"{shown}: cannot be read ({error.strerror}): check its permissions") from error
    except ValueError as error:  # a NUL in its name
        raise UsageError(f"{shown}: the file name is not valid (it holds a NUL): check the path") from error
