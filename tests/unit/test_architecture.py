"""The architecture's rules, kept by machine: who may import whom, what is pure, what runs on other hosts."""

from __future__ import annotations

import ast
import sys
import tomllib
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import rst_or_fin

HARNESS = Path(rst_or_fin.__file__).parent
REPOSITORY = HARNESS.parents[1]
CONTRACTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
MODULES = sorted(path.relative_to(HARNESS).as_posix() for path in HARNESS.rglob("*.py"))
ON_OTHER_HOSTS = [name for name in MODULES if name.startswith(("agents/", "guest/"))]
# A peer that speaks TCP for an address of its own: its image carries dpkt, the harness' other ones do not.
NOT_IN_THE_STANDARD_LIBRARY = {"agents/packets.py": {"dpkt"}}


def exempt(contract: dict[str, list[str]], name: str) -> bool:
    dotted = "rst_or_fin." + name.removesuffix(".py").replace("/", ".")
    return f"{dotted} -> *" in contract.get("ignore_imports", [])


PURE = [
    name
    for contract in CONTRACTS
    if "os" in contract.get("forbidden_modules", ())
    for package in (module.partition(".")[2].replace(".", "/") for module in contract["source_modules"])
    for name in MODULES
    if name.startswith((package + ".py", package + "/")) and not exempt(contract, name)
]
WORLDLY = {"open", "print", "input", "exec", "eval", "__import__", "breakpoint"}


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse((HARNESS / name).read_text(encoding="utf-8"), name)


def test_the_pure_packages_are_found() -> None:
    assert {"verdict/judge.py", "evidence/pcap.py", "report/terminal.py"} <= set(PURE)


def test_of_what_reads_captures_only_what_opens_them_is_not_pure() -> None:
    reading = {name for name in MODULES if name.startswith("capture_file/")}
    assert reading - set(PURE) == {"capture_file/opening.py"}


def imported(name: str) -> set[str]:
    """The top-level packages that a module imports by their full names."""
    return {
        (alias.name if isinstance(node, ast.Import) else node.module or "").partition(".")[0]
        for node in ast.walk(parsed(name))
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.level == 0)
        for alias in node.names
    }


def called(name: str) -> set[str]:
    """The functions that a module calls by a bare name."""
    return {
        node.func.id
        for node in ast.walk(parsed(name))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def test_a_pure_room_touches_nothing_outside_itself() -> None:
    assert [(name, touched) for name in PURE if (touched := called(name) & WORLDLY)] == []


def drawn() -> dict[str, set[str]]:
    """Every package, and module that is in none, with the others that it imports."""
    below: dict[str, set[str]] = {}
    for name in MODULES:
        here = name.partition("/")[0].removesuffix(".py")
        imports = (node for node in ast.walk(parsed(name)) if isinstance(node, ast.ImportFrom))
        full = (f"{node.module}.{alias.name}".split(".") for node in imports for alias in node.names)
        others = {parts[1] for parts in full if parts[0] == "rst_or_fin"} - {here, "__version__"}
        below.setdefault(here, set()).update(others)
    return below


def test_the_packages_are_nine_layers_at_most_without_a_circle() -> None:
    sorter = TopologicalSorter(drawn())
    sorter.prepare()  # raises CycleError
    layers = 0
    while sorter.is_active():
        sorter.done(*sorter.get_ready())
        layers += 1
    assert layers <= 9


def test_what_runs_on_another_host_imports_only_what_is_there() -> None:
    foreign = {name: imported(name) - sys.stdlib_module_names for name in ON_OTHER_HOSTS}
    assert {name: packages for name, packages in foreign.items() if packages} == NOT_IN_THE_STANDARD_LIBRARY


def test_what_runs_on_another_host_stays_within_its_folder() -> None:
    imports = [(name, node) for name in ON_OTHER_HOSTS for node in ast.walk(parsed(name))]
    assert [name for name, node in imports if isinstance(node, ast.ImportFrom) and node.level > 1] == []


@pytest.mark.parametrize("name", [name for name in ON_OTHER_HOSTS if name.startswith("agents/")])
def test_what_runs_on_a_tested_host_is_written_in_python_3_9(name: str) -> None:
    text = (HARNESS / name).read_text(encoding="utf-8")
    assert isinstance(ast.parse(text, name, feature_version=(3, 9)), ast.Module)


def test_every_file_opens_with_what_it_knows() -> None:
    assert [name for name in MODULES if not ast.get_docstring(parsed(name))] == []


def test_no_module_is_named_after_no_purpose() -> None:
    assert [name for name in MODULES if "utils" in name.removesuffix(".py").split("/")] == []


def test_no_class_is_named_after_no_purpose() -> None:
    nodes = [node for name in MODULES for node in ast.walk(parsed(name))]
    classes = [node.name for node in nodes if isinstance(node, ast.ClassDef)]
    assert [name for name in classes if name.endswith("Manager")] == []
