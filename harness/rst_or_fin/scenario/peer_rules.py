"""What a scenario file may say of the peer: its kind's options, its script, how it sees a connection end.

Pure: rules (see misfits.Rule) made of the data in agents/kinds.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rst_or_fin.agents import client_steps, script
from rst_or_fin.agents.kinds import ENDS, OPTIONS, RESERVED, Option, ends
from rst_or_fin.scenario.misfits import Misfit, Rule, at
from rst_or_fin.scenario.peers import KINDS
from rst_or_fin.scenario.toml_places import Path
from rst_or_fin.scenario.wording import did_you_mean, dotted, not_known, not_wanted, shown, whole_number


def kind(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    """Check that there is such a kind."""
    if not isinstance(value, str):
        yield at(path, not_known(value, KINDS))
    elif value not in KINDS:
        near = f"known: {', '.join(KINDS)}{did_you_mean(value, KINDS)}"
        yield at(path, f"no server is called '{_short(value)}'; {near}")


def options(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    """Check that the options are those of the kind in the same table; skip an unknown kind."""
    kind = table.get("kind", "origin")
    if not isinstance(value, dict):
        yield at(path, not_wanted("a table", value))
    elif isinstance(kind, str) and kind in OPTIONS:
        for name, each in value.items():
            if name in OPTIONS[kind]:
                yield from _option(OPTIONS[kind][name], each, (*path, name), KINDS[kind].connects)
            else:
                yield Misfit(path=(*path, name), why=f"{dotted(path)}: {_unknown(name, kind)}")
        yield from _excluded(OPTIONS[kind], value, path)


def _unknown(name: str, kind: str) -> str:
    if name.replace("-", "_") in RESERVED:
        return f"`{name}` is set by rst-or-fin and cannot be set here"
    known = OPTIONS[kind]
    others = [other for other in OPTIONS if name in OPTIONS[other]]
    near = f" (it is one of {' and '.join(others)})" if others else did_you_mean(name, known)
    return f"unknown option `{_short(name)}` of server kind {kind}{near}; known: {', '.join(known)}"


def _option(option: Option, value: Any, path: Path, connects: bool) -> Iterator[Misfit]:
    if option.type is bool:
        if not isinstance(value, bool):
            yield at(path, not_wanted("a Boolean (true or false)", value))
    elif option.type is int:
        if type(value) is not int or not option.least <= value <= option.most:
            yield at(path, not_wanted(whole_number(option.least, option.most, option.unit), value))
    elif option.choices:
        if value not in option.choices:
            yield at(path, not_known(value, option.choices))
    elif not isinstance(value, str):
        yield at(path, not_wanted("a string", value))
    elif len(value) > option.most or "\0" in value:
        yield at(path, f"at most {option.most} {option.unit}, without NUL")
    else:
        wrong = (
            client_steps.errors(value)
            if option.grammar == "steps"
            else script.errors(value, connects=connects)
        )
        for error in wrong:
            yield Misfit(path=path, why=f"{dotted(path)}: {error}", line=error.line)


def _excluded(options: Mapping[str, Option], given: Mapping[str, Any], path: Path) -> Iterator[Misfit]:
    for name, option in options.items():
        for other in option.excludes:
            if name < other and name in given and other in given:
                why = f"{dotted(path)}: `{name}` and `{other}` exclude each other: leave one out"
                yield Misfit(path=(*path, other), why=why)


def server(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    """Check that what the kind needs is there, and what it cannot use is not."""
    kind = table.get("kind", "origin")
    if not isinstance(kind, str) or kind not in KINDS:
        return
    given = table.get("options", {})
    for name, option in OPTIONS[kind].items():
        if option.required and isinstance(given, dict) and name not in given:
            yield at(path, f"a server of kind {kind!r} needs `options.{name}`: {option.meaning}")
    if KINDS[kind].connects != bool(table.get("start_after_line")):
        needs = "needs" if KINDS[kind].connects else "takes no"
        after = "the line of the session, from 1, after which a client connects"
        yield at(path, f"a server of kind {kind!r} {needs} `start_after_line`: {after}")


def peer_sees(kind: str) -> Rule:
    """Make the rule for how a peer of that kind saw the connection end; any kind's where it is unknown."""
    known = ends(kind) if kind in ENDS else tuple(dict.fromkeys(end for each in ENDS for end in ends(each)))

    def rule(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
        if value not in known:
            yield at(path, not_known(value, known))

    return rule


def _short(word: str) -> str:
    """Return the word on one line, cut where it is long."""
    return shown(word)[1:-1]
