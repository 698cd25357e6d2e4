"""Finds errors in a session that show without a node: in its text, and in line numbers it lacks.

Pure. A "line" that a scenario counts is an expression, as the Erlang shell counts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from rst_or_fin.scenario.erlang_calls import unknown_calls
from rst_or_fin.scenario.erlang_lines import Expression, Token, UnreadableError, expressions
from rst_or_fin.scenario.erlang_syntax import SessionProblem, closer, is_closer, problems

_MOST_PROBLEMS = 20


def read(text: str) -> tuple[list[Expression], list[SessionProblem]]:
    """Return the expressions of a session, none where it cannot be read, and what is wrong with them."""
    try:
        found = expressions(text)
    except UnreadableError as error:
        return [], [_unparsable(error.line, error.why)]
    seen = (_unparsable(problem.line, problem.why) for each in found for problem in problems(each))
    calls = (problem for each in found for problem in unknown_calls(each))
    wrong = list(islice(seen, _MOST_PROBLEMS)) or list(islice(calls, _MOST_PROBLEMS))
    if not found:
        wrong.append(SessionProblem(line=0, why="the session has no expression"))
    elif not found[-1].has_dot:
        line = found[-1].tokens[-1].line
        wrong.append(
            SessionProblem(line=line, why="the last expression of the session does not end with a dot")
        )
    return found, wrong


def _unparsable(line: int, why: str) -> SessionProblem:
    """Make a problem that reads as a node's own complaint does."""
    return SessionProblem(line=line, why=f"line {line} of the session does not parse: {why}")


def waits_in_vain(found: Sequence[Expression], start_after_line: int) -> int:
    """Return the line, from 1, that waits for a client told to connect only later; 0 for none.

    A session that connects itself may be its own client.
    """
    for number, expression in enumerate(found[:start_after_line], start=1):
        if any(token.text == "connect" for token in expression.tokens):
            return 0
        if any(_needs_a_client(expression.tokens, index) for index in _accepts(expression.tokens)):
            return number
    return 0


def _accepts(tokens: Sequence[Token]) -> Iterator[int]:
    """Yield where the session itself calls accept: what is in a fun, another process may run."""
    opened: list[bool] = []  # whether each is a fun
    funs = 0
    for index, token in enumerate(tokens):
        if closer(tokens, index):
            opened.append(token.text == "fun")
            funs += opened[-1]
        elif is_closer(token) and opened:
            funs -= opened.pop()
        elif token.text == "accept" and not funs and _is_call_of_a_socket(tokens, index):
            yield index


def _is_call_of_a_socket(tokens: Sequence[Token], index: int) -> bool:
    around = [token.text for token in tokens[max(0, index - 2) : index + 2]]
    return around in (["gen_tcp", ":", "accept", "("], ["socket", ":", "accept", "("])


def _needs_a_client(tokens: Sequence[Token], index: int) -> bool:
    """Return whether it waits without end, or the session needs a connection to go on."""
    arguments = _arguments(tokens, index + 1)
    demands_ok = [token.text for token in tokens[:3]] == ["{", "ok", ","] and tokens[index - 3].text == "="
    return len(arguments) < 2 or arguments[1] == ["infinity"] or demands_ok


def _arguments(tokens: Sequence[Token], bracket: int) -> list[list[str]]:
    """Return the arguments of the call whose bracket stands there."""
    found: list[list[str]] = [[]]
    depth = 0
    for index in range(bracket, len(tokens)):
        depth += bool(closer(tokens, index)) - is_closer(tokens[index])
        if depth == 0:
            break
        if depth == 1 and tokens[index].text == ",":
            found.append([])
        elif index > bracket:
            found[-1].append(tokens[index].text)
    return found
