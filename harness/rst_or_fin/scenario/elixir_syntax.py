"""Finds errors in an Elixir session that show without a parser. Pure.

The node parses, as its release does. What is told here is an error on every release: a bracket, a block or a
quote without its other half, and a session's own word with a slip in it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from rst_or_fin.scenario.erlang_calls import SESSION_WORDS
from rst_or_fin.scenario.erlang_syntax import SessionProblem

_CLOSING = {"(": ")", "[": "]", "{": "}", "<<": ">>", "fn": "end", "do": "end", "#{": "}"}
_DELIMITERS = {"(": ")", "[": "]", "{": "}", "<": ">"}
# What brings names of its own: nothing follows from a name that is like a session's word.
_NAMING = frozenset({"import", "use", "require", "defmodule", "def", "defp", "defmacro"})
_NEAR = 0.8

# What stands outside of quotes, the first that fits.
_CODE = re.compile(
    r"""(?P<skip> \#[^\n]* | (?<!:):(?:<<>>|%?\{\}|\(\)|\[\]) | <<<|<<~|~>>|>>> | (?<![\w])\?(?:\\.|[^\\]))
      | (?P<sigil> ~(?:[a-z]|[A-Z][A-Z0-9]*)(?:\"{3}|'{3}|[/|"'(\[{<]))
      | (?P<quote> \"{3}|'{3}|["'])
      | (?P<bracket> <<|>>|[()\[\]{}])
      | (?P<word> [^\W\d]\w*[?!]?)
      | (?P<number> \d\w*)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """What waits for its other half: `closes` is that; `quotes`: it is text in between, which may `embed`."""

    text: str
    closes: str
    line: int
    quotes: bool = False
    embeds: bool = False


def problems(text: str) -> list[SessionProblem]:
    """Return what is wrong: the first half without its other, and every slip in a word before it."""
    return _Scan(text).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._opened: list[_Opened] = []
        self._slips: list[SessionProblem] = []
        self._names_more = False

    def run(self) -> list[SessionProblem]:
        problem = None
        while self._at < len(self._text) and problem is None:
            within = self._opened[-1] if self._opened else None
            problem = self._quoted(within) if within and within.quotes else self._code()
        if problem is None and self._opened:
            problem = _not_closed(self._opened[-1])
        return ([] if self._names_more else self._slips) + ([problem] if problem else [])

    def _go(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _code(self) -> SessionProblem | None:
        found = _CODE.search(self._text, self._at)
        if found is None:
            self._go(len(self._text))
            return None
        self._go(found.start())
        kind, text = found.lastgroup or "", found.group()
        problem = None
        if kind in ("sigil", "quote"):
            self._open_quote(text)
        elif kind == "bracket":
            problem = self._bracket(text)
        elif kind == "word":
            problem = self._word(text, found.start(), found.end())
        self._go(found.end())
        return problem

    def _open_quote(self, text: str) -> None:
        mark = text if len(text) in (1, 3) and text[0] in "\"'" else text.lstrip("~").lstrip(_LETTERS)
        embeds = not text.startswith("~") or text[1].islower()
        closes = _DELIMITERS.get(mark, mark)
        self._opened.append(_Opened(text=text, closes=closes, line=self._line, quotes=True, embeds=embeds))

    def _quoted(self, within: _Opened) -> SessionProblem | None:
        """Go on to the end of the quoted text, or to the code that it embeds."""
        end = ("^[ \\t]*" if len(within.closes) == 3 else "") + re.escape(within.closes)
        embedded = r"|\#\{" if within.embeds else ""
        found = re.compile(rf"\\.|{end}{embedded}", re.DOTALL | re.MULTILINE).search(self._text, self._at)
        if found is None:
            return _not_closed(within)
        self._go(found.end())
        if found.group().lstrip(" \t") == within.closes:
            self._opened.pop()
        elif found.group() == "#{":
            self._opened.append(_Opened(text="#{", closes="}", line=self._line))
        return None

    def _bracket(self, text: str) -> SessionProblem | None:
        if text in _CLOSING:
            self._opened.append(_Opened(text=text, closes=_CLOSING[text], line=self._line))
            return None
        if text == ">>" and (not self._opened or self._opened[-1].closes != text):
            return None
        return self._close(text)

    def _word(self, word: str, start: int, end: int) -> SessionProblem | None:
        before, after = self._text[max(0, start - 1) : start], self._text[end : end + 2]
        if before in (".", ":", "@") or (after[:1] == ":" and after != "::"):
            return None  # a field, an atom, an attribute, a key
        if word in ("fn", "do"):
            self._opened.append(_Opened(text=word, closes="end", line=self._line))
        elif word == "end":
            return self._close(word)
        elif word in _NAMING:
            self._names_more = True
        elif after[:1] == "(" and word not in SESSION_WORDS:
            near = difflib.get_close_matches(word[:60], SESSION_WORDS, n=1, cutoff=_NEAR)
            if near:
                why = f"line {self._line} of the Elixir session calls `{word}`, which a session does not know"
                self._slips.append(SessionProblem(line=self._line, why=f"{why} (did you mean `{near[0]}`?)"))
        return None

    def _close(self, text: str) -> SessionProblem | None:
        if not self._opened:
            return _unparsable(self._line, f"`{text}` closes nothing")
        opened = self._opened.pop()
        if opened.closes == text:
            return None
        return _unparsable(self._line, f"`{opened.text}` is closed by `{opened.closes}`, not by `{text}`")


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def _not_closed(opened: _Opened) -> SessionProblem:
    if opened.quotes:
        return _unparsable(opened.line, f"the text that begins here has no closing `{opened.closes}`")
    return _unparsable(opened.line, f"`{opened.text}` is not closed: `{opened.closes}` is missing")


def _unparsable(line: int, why: str) -> SessionProblem:
    return SessionProblem(line=line, why=f"line {line} of the session does not parse: {why}")
