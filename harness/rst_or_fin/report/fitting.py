"""Lines made to fit a terminal's width. Pure; colours (SGR sequences) take no room and are never cut."""

from __future__ import annotations

import re
from collections.abc import Iterator

WIDTH = 100  # columns, where the output is not a terminal: a file, a pipe, a document
NARROWEST = 40  # columns; below that nothing would be readable

_SGR = re.compile("\x1b\\[[0-9;]*m")
_WORDS = re.compile(r" *[^ ]+")
_COLUMN = re.compile(r"(?<=\S) {2,}(?=\S)")


def fitted(text: str, width: int = WIDTH) -> str:
    """Break every longer line at blanks; the continuation is indented to the line's last column.

    A word longer than a line is cut. Lines that fit are left as they are.
    """
    return "\n".join(part for line in text.split("\n") for part in _lines(line, max(width, NARROWEST)))


def visible_len(text: str) -> int:
    """Return how many columns the text takes."""
    return len(_SGR.sub("", text))


def _lines(line: str, width: int) -> Iterator[str]:
    if len(line) <= width or visible_len(line) <= width:
        yield line
        return
    indent = " " * _hang(_SGR.sub("", line), width)
    parts: list[str] = []
    used = 0
    for word in _words(line, width - len(indent)):
        room = visible_len(word)
        if parts and used + room > width:
            yield "".join(parts).rstrip(" ")
            word = indent + word.lstrip(" ")
            parts, used, room = [], 0, visible_len(word)
        parts.append(word)
        used += room
    yield "".join(parts).rstrip(" ")


def _hang(line: str, width: int) -> int:
    """Return the column where a broken line goes on.

    It is that of its last column of text which leaves half the width, or else a step in.
    """
    columns = [found.end() for found in _COLUMN.finditer(line, 0, width // 2 + 1)]
    return columns[-1] if columns else min(len(line) - len(line.lstrip(" ")) + 2, width // 2)


def _words(line: str, room: int) -> Iterator[str]:
    """Yield the words with the blanks before them; a word longer than a line in pieces."""
    for word in _WORDS.findall(line):
        if visible_len(word.lstrip(" ")) <= room or "\x1b" in word:
            yield word
        else:
            yield from (word[start : start + room] for start in range(0, len(word), room))
