"""Finds the line of each value in a TOML file, which tomllib does not tell. Pure.

Reads only as much of TOML 1.0 as it takes to find keys and the ends of values; whether the text is TOML is
tomllib's to say. Bounds what tomllib does not: the parts of a key (50,000 of them take it 39 s, Python 3.11)
and the depth of a nest.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

Path = tuple[str | int, ...]

MOST_DEEP = 20

_WHITE = re.compile(r"[ \t]*")
_BETWEEN = re.compile(r"(?:[ \t\n]|#[^\n]*)*+")
_KEY_PART = re.compile(r"""([A-Za-z0-9_-]+)|"((?:[^"\\\n]|\\.)*+)"|'([^'\n]*)'""")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+"{3,5}|\'\'\'(?:[^\']|\'(?!\'\'))*+\'{3,5}'
    r'|"(?:[^"\\\n]|\\.)*+"|\'[^\'\n]*\'',
    re.DOTALL,
)
_SCALAR = re.compile(r"[^\s,\[\]{}#=\"']+(?: [0-9][^\s,\]}#]*)?")  # a blank may part a date and its time
_BREAKS = {'"': re.compile(r"\\[ \t]*\n[ \t\n]*|\\.|\n", re.DOTALL), "'": re.compile("\n")}


class TooDeepError(ValueError):
    """A key or a nest with more levels than any scenario has; `line` is where it becomes too deep."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


@dataclass(slots=True)
class Places:
    """The lines of the file, from 1, by the paths of keys and values in the document.

    `inside` has, for every string, the line that each line of its value stands on.
    """

    lines: dict[Path, int] = field(default_factory=dict)
    inside: dict[Path, tuple[int, ...]] = field(default_factory=dict)

    def line(self, path: Sequence[str | int]) -> int:
        """Return the line of the value at that path, or of what it would stand in; 0 for the file itself."""
        at = tuple(path)
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 0)

    def line_within(self, path: Sequence[str | int], line: int) -> int:
        """Return the file's line of a line, from 1, of the string at that path."""
        inside = self.inside.get(tuple(path), ())
        return inside[line - 1] if 0 < line <= len(inside) else self.line(path)


def places(text: str) -> Places:
    """Find the places of keys and values, up to the first error in the TOML. Raises TooDeepError."""
    reader = _Reader(text.replace("\r\n", "\n"))
    with suppress(_NotTomlError):  # tomllib says what it is
        reader.read()
    return reader.found


class _NotTomlError(Exception):
    """From here on it is not TOML."""


class _Reader:
    """One pass over the text, from one key and value to the next."""

    def __init__(self, text: str) -> None:
        self.found = Places()
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._counts: dict[Path, int] = {}  # of the tables in each array of tables
        self._table: Path = ()

    def read(self) -> None:
        while self._skip(_BETWEEN) < len(self._text):
            if self._text[self._at] == "[":
                self._header()
            else:
                self._key_and_value(self._table)

    def _header(self) -> None:
        is_array = self._text.startswith("[[", self._at)
        begin = self._at
        self._at += 2 if is_array else 1
        key = self._key()
        self._expect("]]" if is_array else "]")
        path = self._resolved(key[:-1] if is_array else key)
        if is_array:
            path = (*path, key[-1])
            number = self._counts[path] = self._counts.get(path, -1) + 1
            path = (*path, number)
        self._table = path
        self._note(path, begin)

    def _resolved(self, key: Sequence[str]) -> Path:
        """Return a header's path: an array of tables on the way means its last table."""
        path: Path = ()
        for part in key:
            path = (*path, part)
            if path in self._counts:
                path = (*path, self._counts[path])
        return path

    def _key_and_value(self, table: Path) -> None:
        begin = self._at
        path = table + self._key()
        self._note(path, begin)
        self._expect("=")
        self._skip(_WHITE)
        self._value(path)

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while True:
            self._skip(_WHITE)
            found = self._match(_KEY_PART)
            parts.append(_decoded(found))
            if len(parts) > MOST_DEEP:
                raise TooDeepError(self._line(found.start()), f"a key of more than {MOST_DEEP} parts")
            self._skip(_WHITE)
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _value(self, path: Path) -> None:
        begin = self._at
        if len(path) > MOST_DEEP:
            raise TooDeepError(self._line(begin), f"nested more than {MOST_DEEP} levels deep")
        first = self._text[begin : begin + 1]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        elif first in ('"', "'"):
            raw = self._match(_STRING).group()
            self.found.inside[path] = self._lines_within(begin, raw)
        else:
            self._match(_SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        for index in count():
            self._skip(_BETWEEN)
            if self._closes("]"):
                return
            self._note((*path, index), self._at)
            self._value((*path, index))
            self._skip(_BETWEEN)
            if self._closes("]"):
                return
            self._expect(",")

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        self._skip(_WHITE)
        if self._closes("}"):
            return
        while True:
            self._skip(_WHITE)
            self._key_and_value(path)
            self._skip(_WHITE)
            if self._closes("}"):
                return
            self._expect(",")

    def _lines_within(self, begin: int, raw: str) -> tuple[int, ...]:
        r"""Return the file's line of each line of a string's value, whose newlines may be written as `\n`."""
        first = 0
        if raw[:3] in ('"""', "'''"):
            first = 4 if raw[3] == "\n" else 3
        lines = [self._line(begin + first)]
        for found in _BREAKS[raw[0]].finditer(raw, first):
            if found.group() in ("\n", "\\n"):
                lines.append(self._line(begin + (found.end() if found.group() == "\n" else found.start())))
        return tuple(lines)

    def _closes(self, bracket: str) -> bool:
        if not self._text.startswith(bracket, self._at):
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        self._skip(_WHITE)
        if not self._text.startswith(text, self._at):
            raise _NotTomlError
        self._at += len(text)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _NotTomlError
        self._at = found.end()
        return found

    def _note(self, path: Path, begin: int) -> None:
        """Note that the path begins there, and with it every part of the path without a place yet."""
        line = self._line(begin)
        for length in range(len(path), 0, -1):
            if path[:length] in self.found.lines:
                break
            self.found.lines[path[:length]] = line

    def _line(self, at: int) -> int:
        return bisect_right(self._starts, at)


def _decoded(part: re.Match[str]) -> str:
    bare, basic, literal = part.groups()
    if basic is None:
        return bare if literal is None else literal
    try:
        return str(tomllib.loads(f'key = "{basic}"')["key"])
    except tomllib.TOMLDecodeError as error:
        raise _NotTomlError from error
