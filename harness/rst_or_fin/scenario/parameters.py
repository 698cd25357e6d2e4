"""A scenario's parameters: numbers with a name, which its session knows as Erlang variables.

    [parameters]
    Read = 10                                     # a name, and the value unless another is given

    [server.options]
    response_bytes = { parameter = "Response" }   # so may a precondition take its number

Where a value other than the default is given, the file's own numbers of unread bytes are demanded no more:
how much lies unread is what a parameter changes. A precondition that moves along refers
to the parameter instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from rst_or_fin.scenario.toml_places import Path
from rst_or_fin.scenario.wording import did_you_mean, dotted, not_wanted, shown, whole_number

MOST = 2**31 - 1  # and as many below zero

_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")
_MOST_LISTED = 50
_WORD = re.compile(r"\w+")
_BOUND_BEFORE = ("Server", "Port", "Self")  # by the runner, in every session


class ParameterError(ValueError):
    """A problem in the parameters of a scenario file; the message says which parameter and why."""


def bind(document: dict[str, Any], given: Mapping[str, int]) -> dict[str, Any]:
    """Replace every reference in the document by its value: the given one, else the default.

    Raises ParameterError.
    """
    defaults = _checked(document)
    unknown = sorted(given.keys() - defaults.keys())
    if unknown:
        raise ParameterError(f"there is no parameter {unknown[0]!r}; the scenario has {_listed(defaults)}")
    for name, value in given.items():
        if not -MOST <= value <= MOST:
            raise ParameterError(f"{name}: {not_wanted(whole_number(-MOST, MOST), value)}")
    values = {**defaults, **given}
    bound = dict(document)
    if "server" in bound and isinstance(bound["server"], dict):
        bound["server"] = {
            **bound["server"],
            "options": _replaced(bound["server"].get("options", {}), values),
        }
    varied = values != defaults
    if "precondition" in bound:
        bound["precondition"] = _precondition(bound["precondition"], values, varied)
    if isinstance(bound.get("variants"), list):
        bound["variants"] = [
            {**variant, "precondition": _precondition(variant["precondition"], values, varied)}
            if isinstance(variant, dict) and "precondition" in variant
            else variant
            for variant in bound["variants"]
        ]
    return bound


def problems(document: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield every problem in the parameters of a document: where, and what."""
    if "given" in document:
        yield ("given",), "unknown field `given`"  # only a caller gives values, never the file
    defaults = document.get("parameters", {})
    if not isinstance(defaults, dict):
        yield ("parameters",), "`parameters` is not a table of names and numbers"
        return
    for name, value in defaults.items():
        for why in _problems(name, value):
            yield ("parameters", name), f"{dotted(('parameters', name))}: {why}"
    references = list(_references(document, ()))
    lost = [(path, name) for path, name in references if name not in defaults]
    for path, name in lost:
        known = f"the scenario has {_listed(defaults)}{did_you_mean(name, defaults)}"
        yield path, f"{{ parameter = {shown(name)} }}: there is no such parameter; {known}"
    if lost:
        return  # an unused parameter may be the one that was meant
    used = {name for _, name in references} | set(_WORD.findall(str(document.get("session", ""))))
    for name in defaults:
        if _NAME.fullmatch(name) and name not in used:
            why = f"parameters.{name}: neither the session nor an option or precondition uses it"
            yield ("parameters", name), why


def _checked(document: Mapping[str, Any]) -> dict[str, int]:
    for _, why in problems(document):
        raise ParameterError(why)
    defaults: dict[str, int] = document.get("parameters", {})
    return defaults


def _problems(name: str, value: Any) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield "is not an Erlang variable: a capital, then letters, digits, underscores"
    if name in _BOUND_BEFORE:
        yield "every session has a variable of that name already"
    if type(value) is not int or not -MOST <= value <= MOST:
        yield not_wanted(whole_number(-MOST, MOST), value)


def without_references(value: Any) -> Any:
    """Remove whatever refers to a parameter: the rest of the document can still be checked."""
    if isinstance(value, list):
        return [without_references(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: without_references(each) for key, each in value.items() if not _is_reference(each)}


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"parameter"}


def _references(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the place and the name of every `{ parameter = "Name" }` within a document."""
    if isinstance(value, dict):
        if _is_reference(value):
            yield path, str(value["parameter"])
        for key, inner in value.items():
            yield from _references(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _references(inner, (*path, index))


def _replaced(table: Any, values: Mapping[str, int]) -> Any:
    if not isinstance(table, dict):
        return table  # the check of the document's types says so
    return {
        key: values[value["parameter"]] if _is_reference(value) else value for key, value in table.items()
    }


def _precondition(precondition: Any, values: Mapping[str, int], varied: bool) -> Any:
    replaced = _replaced(precondition, values)
    if varied and isinstance(precondition, dict) and not isinstance(precondition.get("unread"), dict):
        return {key: value for key, value in replaced.items() if key != "unread"}
    return replaced


def _listed(defaults: Mapping[str, int]) -> str:
    return ", ".join(islice(defaults, _MOST_LISTED)) or "no parameters"
