"""A module of the harness with one thing changed, put in place of the real one for as long as it is asked."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class BeginWith(ast.NodeTransformer):
    """Puts one statement before all others of a function, wherever that stands in the module."""

    def __init__(self, function: str, statement: str) -> None:
        self.function, self.statement = function, statement

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        if node.name == self.function:
            node.body[:0] = ast.parse(self.statement).body
        return node


class Swap(ast.NodeTransformer):
    """Puts one attribute wherever the module has the other, and the other way round."""

    def __init__(self, one: str, other: str) -> None:
        self.other = {one: other, other: one}

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = self.other.get(node.attr, node.attr)
        return node


def functions(of: ModuleType) -> set[str]:
    return {node.name for node in ast.walk(_tree(of)) if isinstance(node, ast.FunctionDef)}


@contextmanager
def mutated(of: ModuleType, change: ast.NodeTransformer) -> Iterator[None]:
    """The changed module's functions and classes stand for the real ones, in every module that has them."""
    changed = ModuleType(of.__name__)
    tree = ast.fix_missing_locations(change.visit(_tree(of)))
    real = sys.modules[of.__name__]
    sys.modules[of.__name__] = changed  # dataclasses look their own module up
    exec(compile(tree, "mutant", "exec"), changed.__dict__)
    sys.modules[of.__name__] = real
    replaced = {
        id(thing): changed.__dict__[name]
        for name, thing in vars(of).items()
        if getattr(thing, "__module__", None) == of.__name__ and name in changed.__dict__
    }
    before = [(module, name, value) for module, name, value in _names() if id(value) in replaced]
    try:
        for module, name, value in before:
            setattr(module, name, replaced[id(value)])
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _names() -> list[tuple[ModuleType, str, Any]]:
    loaded = [module for name, module in sys.modules.items() if name.split(".")[0] in ("rst_or_fin", "tests")]
    return [(module, name, value) for module in loaded for name, value in list(vars(module).items())]


def _tree(of: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(of))
