"""Finds errors in an Erlang expression that show without a parser. Pure.

The node parses, as its release does. What is told here is an error on every release: a bracket without its
other half, or two terms with nothing between them, which is what a dot that the line before lacks looks like.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rst_or_fin.scenario.erlang_lines import Expression, Kind, Token

_CLOSING = {"(": ")", "[": "]", "{": "}", "<<": ">>"}
_CLOSERS = (*_CLOSING.values(), "end")
_BLOCKS = ("begin", "case", "if", "receive", "try")
# Keywords of some releases and plain atoms of others: nothing follows from where they stand.
UNSETTLED = ("maybe", "else")
_TERMS = (Kind.ATOM, Kind.VARIABLE, Kind.NUMBER, Kind.CHARACTER, Kind.STRING)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionProblem:
    """One thing that is wrong, and the session's line (from 1) that it is on; 0: it is on none."""

    line: int
    why: str


def problems(expression: Expression) -> Iterator[SessionProblem]:
    """Yield what is wrong with one expression: at most one problem of each sort."""
    tokens = expression.tokens
    if len(tokens) == 1 and expression.has_dot:
        yield SessionProblem(line=tokens[0].line, why="nothing stands before this dot")
    if not any(token.text in UNSETTLED for token in tokens):
        yield from _unbalanced(tokens)
        yield from _run_together(tokens)


def closer(tokens: Sequence[Token], index: int) -> str:
    """Return what closes that which this token opens; "" if it opens nothing."""
    text = tokens[index].text
    if text == "fun":  # `fun (` and `fun Name (` have an end; `fun name/1` and `fun module:name/1` have none
        return "end" if "(" in [token.text for token in tokens[index + 1 : index + 3]] else ""
    return "end" if text in _BLOCKS else _CLOSING.get(text, "")


def is_closer(token: Token) -> bool:
    """Return whether it closes what another token opened."""
    return token.text in _CLOSERS


def _unbalanced(tokens: Sequence[Token]) -> Iterator[SessionProblem]:
    opened: list[tuple[Token, str]] = []
    for index, token in enumerate(tokens):
        wanted = closer(tokens, index)
        if wanted:
            opened.append((token, wanted))
        elif is_closer(token):
            problem = _mismatch(token, opened.pop() if opened else None)
            if problem is not None:
                yield problem
                return
    if opened:
        token, wanted = opened[-1]
        yield SessionProblem(line=token.line, why=f"`{token.text}` is not closed: `{wanted}` is missing")


def _mismatch(token: Token, opened: tuple[Token, str] | None) -> SessionProblem | None:
    if opened is None:
        return SessionProblem(line=token.line, why=f"`{token.text}` closes nothing")
    begin, wanted = opened
    if token.text == wanted:
        return None
    return SessionProblem(
        line=token.line, why=f"`{begin.text}` is closed by `{wanted}`, not by `{token.text}`"
    )


def _run_together(tokens: Sequence[Token]) -> Iterator[SessionProblem]:
    for index, (before, after) in enumerate(pairwise(tokens)):
        if before.kind is Kind.SIGN and before.text == "." and not _near_a_record(tokens, index):
            yield SessionProblem(
                line=before.line, why="white space has to follow a dot that ends an expression"
            )
            return
        if (before.text, after.text) == ("=<", "<"):
            yield SessionProblem(
                line=before.line, why="`=<<` is read as `=<` and `<`: put a blank before `<<`"
            )
            return
        if _ends_a_term(before) and _begins_a_term(after) and not _may_follow(tokens, index):
            missing = "a dot, a comma or an operator is missing between"
            yield SessionProblem(
                line=before.line, why=f"{missing} `{_cut(before.text)}` and `{_cut(after.text)}`"
            )
            return


def _ends_a_term(token: Token) -> bool:
    return token.kind in _TERMS or is_closer(token)


def _begins_a_term(token: Token) -> bool:
    return token.kind in _TERMS or token.text in ("[", "{", "<<", "fun", *_BLOCKS)


def _may_follow(tokens: Sequence[Token], index: int) -> bool:
    """Return whether two terms may touch: strings are joined, a record's name precedes its fields."""
    before, after = tokens[index], tokens[index + 1]
    if before.kind is Kind.STRING and after.kind is Kind.STRING:
        return True
    return after.text == "{" and _near_a_record(tokens, index)


def _near_a_record(tokens: Sequence[Token], index: int) -> bool:
    """Return whether a `#name{`, `#name.field` or `#module:name{` may end there."""
    return any(token.text == "#" for token in tokens[max(0, index - 4) : index])


def _cut(text: str) -> str:
    first = text.partition("\n")[0]
    return first if len(first) <= 30 else first[:29] + "…"
