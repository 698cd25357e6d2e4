"""A scenario's parameters: numbers with a name, which its session knows as Erlang variables.

    [parameters]
    Read = 10                                     # a name, and the value unless another is given

    [server.options]
    response_bytes = { parameter = "Response" }   # a server option or a gate may take its number from one

Where a value other than the default is given, the file's own numbers of unread bytes are demanded no more:
how much lies unread is what a parameter changes. A gate that moves along refers to the parameter instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")
_BOUND_BEFORE = ("Server", "Port", "Self")  # by the conductor, in every session


class ParameterError(ValueError):
    """The parameters of a scenario file are not in order; says what is wrong with which one."""


def bind(document: dict[str, Any], given: Mapping[str, int]) -> dict[str, Any]:
    """The document with every reference replaced by its value: the given one, or else the default.

    Raises ParameterError.
    """
    defaults = _checked(document)
    unknown = sorted(given.keys() - defaults.keys())
    if unknown:
        raise ParameterError(f"no parameter is called {unknown[0]!r}; it has {_listed(defaults)}")
    values = {**defaults, **given}
    bound = dict(document)
    if "server" in bound and isinstance(bound["server"], dict):
        bound["server"] = {
            **bound["server"],
            "options": _replaced(bound["server"].get("options", {}), values),
        }
    varied = values != defaults
    if "gate" in bound:
        bound["gate"] = _gate(bound["gate"], values, varied)
    if isinstance(bound.get("variants"), list):
        bound["variants"] = [
            {**variant, "gate": _gate(variant["gate"], values, varied)}
            if isinstance(variant, dict) and "gate" in variant
            else variant
            for variant in bound["variants"]
        ]
    return bound


def _checked(document: Mapping[str, Any]) -> dict[str, int]:
    if "given" in document:
        raise ParameterError("unknown field `given`")  # only a caller gives values, never the file
    defaults = document.get("parameters", {})
    if not isinstance(defaults, dict):
        raise ParameterError("`parameters` is not a table of names and numbers")
    for name, value in defaults.items():
        if not _NAME.fullmatch(name):
            raise ParameterError(
                f"parameters.{name}: is no Erlang variable: a capital, then letters, digits, underscores"
            )
        if name in _BOUND_BEFORE:
            raise ParameterError(f"parameters.{name}: every session has a variable of that name already")
        if type(value) is not int:
            raise ParameterError(f"parameters.{name}: {value!r} is not a whole number")
    used = set(_references(document))
    for name in used - defaults.keys():
        raise ParameterError(f"{{ parameter = {name!r} }}: there is none; it has {_listed(defaults)}")
    for name in defaults.keys() - used:
        if not re.search(rf"\b{name}\b", str(document.get("session", ""))):
            raise ParameterError(f"parameters.{name}: neither the session nor an option or gate uses it")
    return defaults


def _references(value: Any) -> Iterator[str]:
    """The names in every `{ parameter = "Name" }` within a document."""
    if isinstance(value, dict):
        if value.keys() == {"parameter"}:
            yield str(value["parameter"])
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _replaced(table: Any, values: Mapping[str, int]) -> Any:
    if not isinstance(table, dict):
        return table  # whoever checks the document's types says so
    return {
        key: values[value["parameter"]]
        if isinstance(value, dict) and value.keys() == {"parameter"}
        else value
        for key, value in table.items()
    }


def _gate(gate: Any, values: Mapping[str, int], varied: bool) -> Any:
    replaced = _replaced(gate, values)
    if varied and isinstance(gate, dict) and not isinstance(gate.get("unread"), dict):
        return {key: value for key, value in replaced.items() if key != "unread"}
    return replaced


def _listed(defaults: Mapping[str, int]) -> str:
    return ", ".join(defaults) or "no parameters"
