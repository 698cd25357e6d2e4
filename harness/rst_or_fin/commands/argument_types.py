"""Reads the values of options as they are typed; argparse prints what is wrong with them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rst_or_fin.scenario.wire import RandomFaults

_Word = TypeVar("_Word", bound=StrEnum)


def count(text: str) -> int:
    """Read a whole number from 1 on. Raises ArgumentTypeError, as all of these do."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise ArgumentTypeError(f"{text!r} is not a count of 1 or more")
    return number


def port(text: str) -> int:
    """Read a TCP port."""
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 16):
        raise ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def comma_separated(*choices: str) -> Callable[[str], list[str]]:
    """Return a reader of a comma-separated list, which keeps one of each item."""

    def parse(text: str) -> list[str]:
        items = list(dict.fromkeys(item.strip() for item in text.split(",")))
        for item in items:
            if not item or (choices and item not in choices):
                known = f" (choose from {', '.join(choices)})" if choices else ""
                raise ArgumentTypeError(f"invalid choice {item!r} in {text!r}{known}")
        return items

    return parse


def one_of(words: type[_Word]) -> Callable[[str], _Word]:
    """Return a reader of one of these words, in upper or lower case."""

    def parse(text: str) -> _Word:
        for word in words:
            if word.lower() == text.lower():
                return word
        raise ArgumentTypeError(f"invalid choice {text!r} (choose from {', '.join(words)})")

    return parse


def random_faults(text: str) -> RandomFaults:
    """Read random faults, such as `loss=0.1 seed=7`."""
    from rst_or_fin.agents.script import ScriptError
    from rst_or_fin.scenario.wire import parse_random

    try:
        return parse_random(text)
    except ScriptError as error:
        raise ArgumentTypeError(str(error)) from error
