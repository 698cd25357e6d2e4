"""Parses the command lines of the peers' programs: options common to all, and those of each kind."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from .kinds import OPTIONS, WITHOUT_KERNEL, Option, flag


def parser(kind: str, description: str, port: int) -> argparse.ArgumentParser:
    """Make the parser of that kind's program, which takes no abbreviation. `port` is its default."""
    made = argparse.ArgumentParser(prog=kind, description=description, allow_abbrev=False)
    made.add_argument("--bind", required=True, help="its address, IPv4 or IPv6")
    made.add_argument("--port", type=int, default=port, help="where the server listens")
    made.add_argument(
        "--clean-offloads",
        required=kind in WITHOUT_KERNEL,
        metavar="ADDRESS",
        help="this host's own address: switch offloads off on the interface carrying it",
    )
    made.add_argument("--drop-to-uid", type=int, metavar="UID", help="become this user once it is ready")
    for name, option in OPTIONS[kind].items():
        if option.type is bool:
            made.add_argument(flag(name), action="store_true", help=option.meaning)
        else:
            made.add_argument(
                flag(name),
                type=_number(option) if option.type is int else str,
                default=option.default,
                required=option.required,
                choices=option.choices or None,
                metavar="N" if option.type is int else "TEXT",
                help=option.meaning,
            )
    return made


def parse(program: argparse.ArgumentParser, kind: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments; exit with status 2 where options exclude each other."""
    options = program.parse_args(arguments)
    for name, option in OPTIONS[kind].items():
        for other in option.excludes:
            if _is_given(options, kind, name) and _is_given(options, kind, other):
                program.error(f"{flag(name)} and {flag(other)} exclude each other")
    return options


def with_defaults(kind: str, given: Mapping[str, object]) -> argparse.Namespace:
    """Return the options that `parse` would return for these values of a scenario, defaults filled in."""
    defaults = {name: option.default for name, option in OPTIONS[kind].items()}
    return argparse.Namespace(**{**defaults, **given})


def _is_given(options: argparse.Namespace, kind: str, name: str) -> bool:
    return bool(getattr(options, name) != OPTIONS[kind][name].default)


def _number(option: Option) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
        if not option.least <= number <= option.most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {option.least} to {option.most} ({option.unit})"
            )
        return number

    return read
