"""Makes text from outside safe to look at: nothing in it moves a cursor, hides, or turns a line around.

Peers, captures and evidence folders are other people's. Control characters, bidirectional overrides,
surrogates and what XML 1.0 forbids (section 2.2) are shown as escapes; each format escapes its own marks
after that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TextIO

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


# What colours text, and nothing else: the palette's codes (report.terminal).
_COLOUR = re.compile(r"(\x1b\[(?:[012]|3[123])m)")


def printed(text: str, *, colours: bool = False) -> str:
    r"""Return the text as it may be printed: each character that does not print as \\uXXXX.

    That is how JSON writes such a character, so a document stays the same document. `colours` leaves the
    palette's codes alone.
    """
    if all(line.isprintable() for line in text.split("\n")):
        return text
    parts = _COLOUR.split(text) if colours else [text]
    return "".join(part if number % 2 else _spelled(part) for number, part in enumerate(parts))


class EscapingStream:
    """Standard output or error, to which no control character gets through, from wherever.

    Colours, and what takes back the line that begins with `erase`, get through only to a terminal.
    """

    def __init__(self, stream: TextIO, erase: str = "") -> None:
        self._stream = stream
        self._erase = erase

    def write(self, text: str) -> int:
        """Write the text, escaped; return its length."""
        terminal = self._stream.isatty()
        erased = self._erase if terminal and self._erase and text.startswith(self._erase) else ""
        self._stream.write(erased + printed(text[len(erased) :], colours=terminal))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def visible(text: str) -> str:
    """Return the text on one line, with everything that does not print as an escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def on_one_line(text: str) -> str:
    """Return the text with every run of white space as one blank."""
    return " ".join(text.split())


def visible_lines(text: str) -> list[str]:
    """Return the text's own lines (at least one), each of them visible; a tab becomes blanks."""
    return [visible(line.expandtabs(4)) for line in text.replace("\r\n", "\n").split("\n")]


def clipped(text: str, width: int) -> str:
    """Return at most `width` characters; the last is an ellipsis where something was left out."""
    return text if len(text) <= width else text[: width - 1] + "…"


def wrapped(text: str, width: int) -> list[str]:
    """Cut the text's lines at `width` characters, at a blank where one is near."""
    return [part for line in visible_lines(text) for part in _cut(line, width)]


def preview(payload: bytes, width: int) -> str:
    """Return the first line of a payload; bytes that are not printable ASCII as dots."""
    line = payload[: width + 1].partition(b"\n")[0].rstrip(b"\r")
    return clipped("".join(chr(byte) if 32 <= byte < 127 else "." for byte in line), width)


def _escape(character: str) -> str:
    short = _SHORT.get(character)
    if short:
        return short
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{{{number:x}}}"


def _spelled(text: str) -> str:
    return "".join(c if c == "\n" or c.isprintable() else _unit_codes(c) for c in text)


def _unit_codes(character: str) -> str:
    """Write a character as JSON does in ASCII (RFC 8259 section 7): its UTF-16 code units."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _cut(line: str, width: int) -> Iterator[str]:
    while len(line) > width:
        blank = line.rfind(" ", width // 2, width + 1)
        at = blank if blank > 0 else width
        yield line[:at]
        line = line[at:].lstrip(" ")
    yield line
