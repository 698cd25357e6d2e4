"""Splits an Erlang session into its expressions as `erl_scan` does: each ends with a dot. Pure.

A dot ends an expression where white space, a comment or the end of the text follows it (erl_scan:tokens/3,
OTP 23 to 29). Everything that can hide a dot is told apart: strings, quoted atoms, characters (`$.`),
comments, numbers, `..` and `...`, the triple-quoted strings and sigils of OTP 27. A text that releases read
differently is read as the newest does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_WHITE = r"\x00-\x20\x80-\xa0"  # erl_scan's own notion of it
_DIGITS = "[0-9]+(?:_[0-9]+)*"
_ESCAPE = r"\\(?:\^.|.)"
_NAME = r"[a-zA-Z0-9_@ß-öø-ÿÀ-ÖØ-Þ]"
_TRIPLE = r'(?P<{0}>"{{3,}})[^\S\n]*\n(?:.*?\n)??[^\S\n]*(?P={0})'
_SIGIL_ENDS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "<": ">",
    "/": "/",
    "|": "|",
    "'": "'",
    '"': '"',
    "`": "`",
    "#": "#",
}


class Kind(StrEnum):
    """What a token is. SIGN is everything else: brackets, operators, separators."""

    ATOM = "atom"
    VARIABLE = "variable"
    NUMBER = "number"
    CHARACTER = "character"
    STRING = "string"
    KEYWORD = "keyword"
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token of a session; `line` is the one that it begins on, counted from 1."""

    kind: Kind
    text: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """One expression of a session, its dot included; only the last one of a session can lack it."""

    tokens: tuple[Token, ...]

    @property
    def has_dot(self) -> bool:
        """Whether its dot is there."""
        return self.tokens[-1].kind is Kind.END


class UnreadableError(ValueError):
    """From `line` on it is not Erlang: an unclosed quote, or a character without a meaning."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


_KEYWORDS = """
after and andalso band begin bnot bor bsl bsr bxor case catch cond div end fun if let not of or orelse receive
rem try when xor
"""
KEYWORDS = frozenset(_KEYWORDS.split())


def expressions(text: str) -> list[Expression]:
    """Return the expressions of a session, in their order. Raises UnreadableError."""
    found: list[Expression] = []
    tokens: list[Token] = []
    for token in _tokens(text):
        tokens.append(token)
        if token.kind is Kind.END:
            found.append(Expression(tokens=tuple(tokens)))
            tokens = []
    return [*found, Expression(tokens=tuple(tokens))] if tokens else found


def _sigils() -> Iterator[str]:
    """Yield the patterns of sigils: `~s(...)` and the like with escapes, `~S` and `~B` without."""
    yield "~[a-zA-Z]*" + _TRIPLE.format("sigil_quotes")
    for begin, end in _SIGIL_ENDS.items():
        first, last = re.escape(begin), re.escape(end)
        yield rf"~[SB]{first}[^{last}]*+{last}"
        yield rf"~[a-zA-RT-Z]*{first}(?:[^{last}\\]|{_ESCAPE})*+{last}"


_PATTERNS = {
    "white": rf"[{_WHITE}]+|%[^\n]*",
    Kind.STRING: "|".join([_TRIPLE.format("quotes"), rf'"(?:[^"\\]|{_ESCAPE})*+"', *_sigils()]),
    "quoted": rf"'(?:[^'\\]|{_ESCAPE})*+'",
    Kind.CHARACTER: rf"\$\\x\{{[0-9a-fA-F]+\}}|\$\\x[0-9a-fA-F]{{2}}|\$\\[0-7]{{1,3}}|\${_ESCAPE}|\$[^\\]",
    Kind.NUMBER: rf"{_DIGITS}(?:#[0-9a-zA-Z]+(?:_[0-9a-zA-Z]+)*|(?:\.{_DIGITS}(?:[eE][+-]?{_DIGITS})?)?)",
    Kind.ATOM: rf"[a-zß-öø-ÿ]{_NAME}*",
    Kind.VARIABLE: rf"[A-Z_À-ÖØ-Þ]{_NAME}*",
    "dots": r"\.\.\.?",
    Kind.END: rf"\.(?=[{_WHITE}%]|\Z)",
    "broken": r"[\"'$]",
    Kind.SIGN: (
        r"=:=|=/=|=<|=>|==|<<|<-|<=|<:-|<:=|>>|>=|->|--|\+\+|/=|\|\||:=|::|\?=|&&|[\x21-\x7f\xa1-\xff]"
    ),
    "foreign": r".",
}
_TOKEN = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PATTERNS.items()), re.DOTALL)
_HALVES = {
    '"': "the string that begins here has no closing quote",
    "'": "the quoted atom that begins here has no closing quote",
    "$": "a character has to follow `$`",
}


def _tokens(text: str) -> Iterator[Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        found, name = match.group(), match.lastgroup
        if name == "broken":
            raise UnreadableError(line, _HALVES[found])
        if name == "foreign":
            raise UnreadableError(line, f"{found!r} means nothing in Erlang outside of quotes")
        if name != "white":
            yield Token(kind=_kind(str(name), found), text=found, line=line)
        line += found.count("\n")


def _kind(name: str, found: str) -> Kind:
    if name == Kind.ATOM and found in KEYWORDS:
        return Kind.KEYWORD
    return {"quoted": Kind.ATOM, "dots": Kind.SIGN}.get(name) or Kind(name)
