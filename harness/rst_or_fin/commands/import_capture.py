"""`import`: a connection of a capture as a scenario that replays it. Nothing is started."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from rst_or_fin.analysis.importing import CaseSource, Imported, end_to_play, imported
from rst_or_fin.commands.argument_types import count
from rst_or_fin.commands.captures import names, one_case
from rst_or_fin.errors import EXIT_AS_EXPECTED, MachineError, UsageError
from rst_or_fin.escaping import visible
from rst_or_fin.report import times
from rst_or_fin.scenario import check
from rst_or_fin.scenario.model import SUFFIX
from rst_or_fin.scenario.rules import name_problem
from rst_or_fin.tcp.ending import Role


def import_capture_options(parser: argparse.ArgumentParser) -> None:
    """Add what `import` takes."""
    parser.add_argument("paths", nargs="+", metavar="FILE", help="capture files")
    parser.add_argument(
        "--connection",
        type=count,
        metavar="N",
        help="the connection's number (`judge` lists them; default: the only one)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the scenario to write (default: the first FILE's name with .scenario.toml)",
    )
    parser.add_argument(
        "--end",
        choices=("client", "server"),
        help="the end to replay (default: the one that sent the RST, else the one that closed first)",
    )
    parser.add_argument(
        "--payload",
        action=argparse.BooleanOptionalAction,
        help="keep the captured payload, or send as many filler bytes (default: keep plain HTTP only)",
    )


def import_capture(options: argparse.Namespace) -> int:
    """Write one scenario, or one for each candidate of an open cause. Nothing is overwritten."""
    out = _out(options)
    case = one_case(options.paths, options.connection, payload_kept=65_535)
    source = CaseSource(case=case, where=visible(names(options.paths)), when=times.date_time(case.first_ns))
    own = Role(options.end) if options.end else end_to_play(case)
    found = imported(source, own, payload=options.payload)
    paths = [_path(out, each, several=len(found) > 1) for each in found]
    for path, each in zip(paths, found, strict=True):
        _check(path, each)
    for path, each in zip(paths, found, strict=True):
        _write(path, each.text)
        why = f" ({each.cause})" if each.cause is not None else ""
        print(f"{path}: the {own}'s end{why}; play it with `rst-or-fin run {shlex.quote(str(path))}`")
    return EXIT_AS_EXPECTED


def _out(options: argparse.Namespace) -> Path:
    """Return where the scenario goes: by default into this folder, named as the capture is."""
    name = options.out or Path(options.paths[0]).name.partition(".")[0] or "imported"
    return Path(name.removesuffix(SUFFIX).removesuffix(".toml") + SUFFIX)


def _path(out: Path, each: Imported, *, several: bool) -> Path:
    """Return the file's path; of several files, one that names its cause."""
    if not several or each.cause is None:
        return out
    cause = str(each.cause).replace(" ", "-")
    return out.with_name(f"{out.name.removesuffix(SUFFIX)}-{cause}{SUFFIX}")


def _check(path: Path, each: Imported) -> None:
    """Raise UsageError if the file exists already, or a scenario cannot have its name."""
    name = path.name.removesuffix(SUFFIX)
    why = name_problem(name) if name else "a name is missing"
    if why:
        raise UsageError(f"{visible(str(path))}: {why}", "choose another name with --out")
    if path.exists():
        raise UsageError(f"{visible(str(path))} exists already", "choose another name with --out")
    wrong = check.problems(each.text, path.name)
    if wrong:
        raise AssertionError(f"what was imported is not a valid scenario: {wrong[0].told(path.name)}")


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise MachineError(
            f"cannot write {visible(str(path))}: {error.strerror}", "choose another place with --out"
        ) from error
