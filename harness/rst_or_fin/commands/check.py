"""`check`, `new` and `schema`: scenario files while they are written, before anything is played."""

from __future__ import annotations

import argparse
import shlex
import sys
from importlib.resources import files
from pathlib import Path

from rst_or_fin.commands.console import print_json
from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_USAGE, MachineError, UsageError
from rst_or_fin.escaping import visible
from rst_or_fin.scenario.model import SUFFIX
from rst_or_fin.scenario.rules import name_problem
from rst_or_fin.scenario.schema import schema as scenario_schema
from rst_or_fin.storage import scenario_files
from rst_or_fin.storage.scenario_files import ScenarioError


def check_options(parser: argparse.ArgumentParser) -> None:
    """Add what `check` takes."""
    parser.add_argument("scenarios", nargs="+", metavar="FILE", help="a .toml file, or a scenario's name")


def check(options: argparse.Namespace) -> int:
    """Print everything that is wrong with each file, a line each. Nothing is started."""
    code = EXIT_AS_EXPECTED
    for name in options.scenarios:
        faults = _faults(name)
        for line in faults:
            print(f"rst-or-fin: {line}", file=sys.stderr, flush=True)
        if faults:
            code = EXIT_USAGE
        else:
            print(f"{visible(name)}: ok", flush=True)
    return code


def new_options(parser: argparse.ArgumentParser) -> None:
    """Add what `new` takes."""
    parser.add_argument("name", metavar="NAME", help="the file is NAME.scenario.toml")


def new(options: argparse.Namespace) -> int:
    """Write a scenario to begin with, and say where it is. Nothing is overwritten."""
    path = Path(options.name.removesuffix(SUFFIX) + SUFFIX)
    name = path.name.removesuffix(SUFFIX)
    why = name_problem(name) if name else "a name is missing"
    if why:
        raise UsageError(f"{visible(options.name)!r}: {why}", "`rst-or-fin new my-close`")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write((files("rst_or_fin.commands") / "new_scenario.toml").read_text(encoding="utf-8"))
    except FileExistsError as error:
        raise UsageError(f"{visible(str(path))} exists already", "choose another name") from error
    except FileNotFoundError as error:
        raise UsageError(f"there is no folder {visible(str(path.parent))}", "make it first") from error
    except OSError as error:
        raise MachineError(
            f"cannot write {visible(str(path))}: {error.strerror}", "go to a folder that can be written to"
        ) from error
    word = shlex.quote(str(path))
    print(f"{path}: check it with `rst-or-fin check {word}`, play it with `rst-or-fin run {word}`")
    return EXIT_AS_EXPECTED


def schema_options(parser: argparse.ArgumentParser) -> None:
    """Add nothing: `schema` takes no options."""


def schema(options: argparse.Namespace) -> int:
    """Print the JSON schema of scenario files, for editors that know TOML."""
    print_json(scenario_schema())
    return EXIT_AS_EXPECTED


def _faults(name: str) -> list[str]:
    try:
        scenario_files.find(name)
    except ScenarioError as error:
        return error.lines
    except UsageError as error:
        return [f"{error}: {error.hint}" if error.hint else str(error)]
    return []
