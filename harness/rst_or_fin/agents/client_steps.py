r"""What a client is to do on its connections, as text: one step a line. Pure.

    steps     = line { NEWLINE line }
    line      = [ [ number ":" ] step ] [ "#" comment ]    which connection, 1 to 9; 1 where none is named
    step      = "connect"                                  else a connection's first step connects
              | "send" ( text | number "bytes" )
              | "request" [ "body" number ] [ "continue" [ "within" duration ] ]
              | "read" ( number | "answer" | "all" ) [ "within" duration ]
              | "expect" "end" [ "within" duration ]
              | "wait" duration
              | "FIN" | "RST" | "close"
    text      = '"' characters '"'                         with \r \n \t \" \\ and \x00 to \xff
    duration  = number ( "ms" | "s" )

The steps are done one after another, whichever connection each is of; a connection is closed after its last.
`request` is a GET, or a POST with a body of so many bytes. With `continue` its header has
`Expect: 100-continue` (RFC 9110, section 10.1.1): the body follows the interim answer, or that time (1 s)
without any; a final answer keeps it from being sent. `read` takes so many bytes from the kernel and no more,
or one answer to its end (its length, its last chunk, or the connection's end), or `all` to the connection's
end. `expect end` waits for the other end's FIN or RST, and reads nothing. `within` bounds a silence, 5 s if
it is not said; what has not come then makes the replay inconclusive. `wait` does nothing for a while. `FIN`
ends what is sent, not what is read; `RST` closes with a linger time of zero.

Where a write or a read fails, the connection's later steps are left out; with `reads_after_error` its reads
are done all the same. Over TLS a close_notify goes before a FIN or a close.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Union

from .script import DEFAULT_WITHIN_S, ScriptError, Wait, seconds

MOST_BYTES = 100_000_000  # a host has 512 MB of memory, and holds a request more than once
_CONTINUE_WITHIN_S = 1.0  # what curl waits
_WORD = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<comment>\#.*)|(?P<open>").*|(?P<word>[^\s"#]+))"""
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {"r": "\r", "n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_CONNECTION = re.compile(r"([1-9]):")
_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True)
class Connect:
    """Connect, and no more."""


@dataclass(frozen=True)
class SendBytes:
    """Send these bytes."""

    data: bytes


@dataclass(frozen=True)
class SendCount:
    """Send so many bytes, the same on every host."""

    count: int


@dataclass(frozen=True)
class Request:
    """Send a whole request. `continue_s`: how long to wait for an interim answer; None: it asks for none."""

    body_len: int = 0
    continue_s: float | None = None


@dataclass(frozen=True)
class Read:
    """Read `count` bytes, or one answer, or (`to_end`) all that comes."""

    count: int | None = None
    to_end: bool = False
    within_s: float = DEFAULT_WITHIN_S


@dataclass(frozen=True)
class AwaitEnd:
    """Wait for the other end's FIN or RST without reading. `may_fail`: nothing is wrong where none comes."""

    within_s: float = DEFAULT_WITHIN_S
    may_fail: bool = False


@dataclass(frozen=True)
class Fin:
    """Send nothing more."""


@dataclass(frozen=True)
class Rst:
    """Close with a linger time of zero."""


@dataclass(frozen=True)
class Close:
    """Close."""


Action = Union[Connect, SendBytes, SendCount, Request, Read, AwaitEnd, Wait, Fin, Rst, Close]  # noqa: UP007
_ENDING = (Rst, Close)
_SENDING = (SendBytes, SendCount, Request, Fin)


@dataclass(frozen=True)
class Step:
    """One step of one connection. `line` counts from 1; 0: it stands in no text."""

    line: int
    connection: int
    action: Action


def parse(text: str) -> tuple[Step, ...]:
    """Return the steps of a text. Raises ScriptError with the line and what is wrong with it."""
    steps, wrong = _read(text)
    if wrong:
        raise wrong[0]
    return tuple(steps)


def errors(text: str) -> list[ScriptError]:
    """Return every error in a text, in the order of its lines; empty if `parse` accepts it."""
    return _read(text)[1]


def _read(text: str) -> tuple[list[Step], list[ScriptError]]:
    steps: list[Step] = []
    wrong: list[ScriptError] = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            words = list(_words(number, line))
            if words:
                steps.append(_step(number, words))
        except ScriptError as error:
            wrong.append(error)
    if not steps and not wrong:
        return [], [ScriptError(0, "there is no step")]
    return steps, sorted([*wrong, *_misplaced(steps)], key=lambda error: error.line)


def _misplaced(steps: Sequence[Step]) -> Iterator[ScriptError]:
    """Yield what cannot follow what came before it on the same connection."""
    last: dict[int, Action] = {}
    done_sending: set[int] = set()
    for step in steps:
        before, action = last.get(step.connection), step.action
        if isinstance(before, _ENDING):
            yield ScriptError(step.line, f"connection {step.connection} is closed already")
        elif before is not None and isinstance(action, Connect):
            yield ScriptError(step.line, f"connection {step.connection} is connected already")
        elif step.connection in done_sending and isinstance(action, _SENDING):
            yield ScriptError(step.line, f"connection {step.connection} has sent its FIN already")
        if isinstance(action, Fin):
            done_sending.add(step.connection)
        if not isinstance(before, _ENDING):
            last[step.connection] = action


def _words(line: int, text: str) -> Iterator[str]:
    """Return the words of a line, a text with the quotation mark that it begins with."""
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            return  # nothing but blanks is left
        if found["open"]:
            raise ScriptError(line, "the text is not closed: a quotation mark is missing")
        if found["text"]:
            yield '"' + _plain(line, found["text"][1:-1])
        elif found["word"]:
            yield found["word"]
        at = found.end()


def _plain(line: int, text: str) -> str:
    def character(found: re.Match[str]) -> str:
        escape = found[1]
        if len(escape) == 3:
            return chr(int(escape[1:], 16)) if escape < "x80" else chr(0xDC00 + int(escape[1:], 16))
        if escape not in _ESCAPED:
            raise ScriptError(line, f'`\\{escape}` is none of \\r \\n \\t \\" \\\\ \\x00 to \\xff')
        return _ESCAPED[escape]

    return _ESCAPE.sub(character, text)


def _step(line: int, words: list[str]) -> Step:
    connection = 1
    named = _CONNECTION.match(words[0])
    if named:
        connection = int(named[1])
        words = [*([words[0][2:]] if words[0][2:] else []), *words[1:]]
        if not words:
            raise ScriptError(line, "a step is missing after the connection's number")
    verb, rest = words[0], words[1:]
    if verb == "wait":
        if len(rest) != 1:
            raise ScriptError(line, "`wait` takes one duration, such as `wait 50ms`")
        return Step(line, connection, Wait(line, seconds(line, rest[0])))
    if verb in _ALONE:
        _nothing_more(line, verb, rest)
        return Step(line, connection, _ALONE[verb])
    if verb not in _WITH_WORDS:
        known = ", ".join([*_WITH_WORDS, "wait", *_ALONE])
        shown = "a text" if verb[:1] == '"' else repr(verb)
        raise ScriptError(line, f"{shown} is not a step; a step begins with one of: {known}")
    return Step(line, connection, _WITH_WORDS[verb](line, rest))


def _send(line: int, words: list[str]) -> Action:
    if words and words[0][:1] == '"':
        _nothing_more(line, "send", words[1:])
        if len(words[0]) == 1:
            raise ScriptError(line, "an empty text sends nothing")
        return SendBytes(words[0][1:].encode("utf-8", "surrogateescape"))
    if len(words) == 2 and words[1] == "bytes":
        return SendCount(_count(line, words[0]))
    raise ScriptError(
        line, '`send` takes a text, such as `send "GET / HTTP/1.1\\r\\n"`, or `send 5000 bytes`'
    )


def _request(line: int, words: list[str]) -> Action:
    body_len, continue_s = 0, None
    if words[:1] == ["body"]:
        body_len, words = _count(line, words[1] if len(words) > 1 else ""), words[2:]
    if words[:1] == ["continue"]:
        if not body_len:
            raise ScriptError(line, "`continue` is about a body: `request body 5000 continue`")
        within_s, words = _within(line, words[1:])
        continue_s = _CONTINUE_WITHIN_S if within_s is None else within_s
    _nothing_more(line, "request", words)
    return Request(body_len, continue_s)


def _reading(line: int, words: list[str]) -> Action:
    what = words[0] if words else ""
    if what not in ("answer", "all") and not _NUMBER.fullmatch(what):
        raise ScriptError(line, "`read` takes a number of bytes, `answer` or `all`")
    within_s, rest = _within(line, words[1:])
    _nothing_more(line, "read", rest)
    return Read(
        count=None if what in ("answer", "all") else _count(line, what),
        to_end=what == "all",
        within_s=DEFAULT_WITHIN_S if within_s is None else within_s,
    )


def _expect(line: int, words: list[str]) -> Action:
    if words[:1] != ["end"]:
        raise ScriptError(line, "a client can expect one thing: `expect end`, the other end's FIN or RST")
    within_s, rest = _within(line, words[1:])
    _nothing_more(line, "expect end", rest)
    return AwaitEnd(DEFAULT_WITHIN_S if within_s is None else within_s)


_ALONE: dict[str, Action] = {"connect": Connect(), "FIN": Fin(), "RST": Rst(), "close": Close()}
_WITH_WORDS = {"send": _send, "request": _request, "read": _reading, "expect": _expect}


def _within(line: int, words: list[str]) -> tuple[float | None, list[str]]:
    if words[:1] != ["within"]:
        return None, words
    if len(words) == 1:
        raise ScriptError(line, "`within` needs a value")
    return seconds(line, words[1]), words[2:]


def _nothing_more(line: int, verb: str, words: list[str]) -> None:
    if words:
        shown = "a text" if words[0][:1] == '"' else repr(words[0])
        raise ScriptError(line, f"{shown} is not known after `{verb}`")


def _count(line: int, text: str) -> int:
    if not _NUMBER.fullmatch(text) or not 0 < int(text) <= MOST_BYTES:
        shown = "a text" if text[:1] == '"' else repr(text)
        raise ScriptError(line, f"expected a number of bytes from 1 to {MOST_BYTES}, got {shown}")
    return int(text)
