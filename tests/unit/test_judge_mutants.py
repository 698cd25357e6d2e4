"""A judge that looked the other way would be caught: every mutant here gives some case another answer.

Each mutant is harness/judge.py with one thing changed in its syntax tree, loaded beside the real module.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from harness import judge
from tests.unit.cases import CASES

SOURCE = inspect.getsource(judge)

# What is wrong with the judge -> (the function that is changed, the statement that it now begins with).
BEGINS_WITH = {
    "ignores the gate": ("judge", "gate = None"),
    "ignores dropped frames": ("judge", "capture = CaptureFacts(dropped=0, fenced=capture.fenced)"),
    "ignores a missing fence": ("judge", "capture = CaptureFacts(dropped=capture.dropped, fenced=True)"),
    "ignores what the closing host told": ("judge", "replay = None"),
    "ignores the peer's application": ("judge", "testimony = None"),
    "ignores the kernel's counters": ("_delta", "return None"),
    "ignores the tracepoint": ("_reasons", "return None"),
    "takes any reason for the counter's": ("_tracepoint", "cause = Cause.UNKNOWN"),
    "takes the first RST for the abort": ("_abort", "return None"),
    "takes every RST with an ACK for the abort": ("_abort", "return resets[-1]"),
    "ignores a missing handshake": ("_handshake_seen", "return True"),
    "ignores a hole in the capture": ("_doubts_of_wire", "return []"),
    "ignores a peer that was not heard": ("judge", "must_testify = False"),
    "ignores a peer in trouble": ("_doubts_of_peer", "return []"),
    "takes any unread byte for all of them": ("_holds", 'wanted = "some" if wanted == "all" else wanted'),
    "takes every session for a whole one": ("_doubts_of_replay", "return []"),
    "sees a FIN in every ending": ("_ending", "return Ending.FIN"),
    "sees a RST in every ending": ("_ending", "return Ending.RST"),
    "blames every RST on unread data": ("_cause", "return Cause.UNREAD_DATA"),
    "knows no cause": ("_cause", "return Cause.UNKNOWN if _closing(connection, role) else None"),
    "always judges the client": ("_subject", "return Role.CLIENT"),
}


class Swap(ast.NodeTransformer):
    """Puts one attribute wherever the judge has the other, and the other way round."""

    def __init__(self, one: str, other: str) -> None:
        self.other = {one: other, other: one}

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = self.other.get(node.attr, node.attr)
        return node


class BeginWith(ast.NodeTransformer):
    """Puts one statement before all others of a function."""

    def __init__(self, function: str, statement: str) -> None:
        self.function, self.statement = function, statement

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name == self.function:
            node.body[:0] = ast.parse(self.statement).body
        return node


MUTANTS: dict[str, ast.NodeTransformer] = {
    "reads RST for FIN": Swap("rst", "fin"),
    "takes one cause for another": Swap("UNREAD_DATA", "ZERO_LINGER"),
    **{name: BeginWith(*change) for name, change in BEGINS_WITH.items()},
}


@contextmanager
def loaded(tree: ast.Module) -> Iterator[ModuleType]:
    """The module that a changed syntax tree makes, for as long as it is asked."""
    module = ModuleType("tests.unit.mutant")
    sys.modules[module.__name__] = module  # dataclasses look their own module up
    try:
        exec(compile(ast.fix_missing_locations(tree), "mutant", "exec"), module.__dict__)
        yield module
    finally:
        del sys.modules[module.__name__]


def wrong_answers(of: ModuleType) -> list[str]:
    return [name for name, case in CASES.items() if case.answer(of) != case.answer_owed]


def test_the_judge_itself_loaded_the_same_way_gives_every_answer_owed() -> None:
    with loaded(ast.parse(SOURCE)) as unchanged:
        assert wrong_answers(unchanged) == []


@pytest.mark.parametrize("mutant", MUTANTS)
def test_some_case_tells_the_judge_from_one_that(mutant: str) -> None:
    change = MUTANTS[mutant]
    with loaded(change.visit(ast.parse(SOURCE))) as changed:
        assert wrong_answers(changed), "no case notices"


@pytest.mark.parametrize("function", sorted({function for function, _ in BEGINS_WITH.values()}))
def test_every_mutant_changes_a_function_that_exists(function: str) -> None:
    assert inspect.isfunction(getattr(judge, function))
