"""What a scenario file's values must satisfy beyond their types, field by field. Pure.

Each rule is told a value, its path and the table that it stands in (see misfits.Rule).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from rst_or_fin.agents import script
from rst_or_fin.scenario import axes, elixir_syntax, peer_rules, session_check, wire_rules
from rst_or_fin.scenario.applications import APPLICATIONS, ELIXIR
from rst_or_fin.scenario.axes import When
from rst_or_fin.scenario.erlang_lines import Expression
from rst_or_fin.scenario.misfits import Misfit, Rule, at
from rst_or_fin.scenario.model import MOST_LINES, Expectation, LineExpectation, Node, Scenario, Server
from rst_or_fin.scenario.sysctls import PINNED_SYSCTLS
from rst_or_fin.scenario.toml_places import Path
from rst_or_fin.scenario.wording import did_you_mean, not_known, not_wanted, shown
from rst_or_fin.tcp.causes import SILENT
from rst_or_fin.tcp.ending import Cause, Ending
from rst_or_fin.tcp.precondition import MOST_BYTES, Precondition
from rst_or_fin.tcp.zeek_conn_state import MEANING

_KEEPALIVE = "keepalive"  # gen_tcp's option, and a part of the socket module's

_NUMBER = re.compile("[0-9]{1,10}")
_MOST_NAME_BYTES = 200  # it is part of a folder's name, which holds 255 (Linux, NAME_MAX)


def rules(kind: str, cases: Collection[str], session: str) -> Mapping[tuple[type, str], Rule]:
    """Return the rules for a file with that session, whose server is of that kind.

    `cases` are the scenarios that `remedy_for` can name.
    """
    return {
        (Scenario, ""): _whole,
        (Scenario, "name"): _name,
        (Scenario, "remedy_for"): _case(cases),
        (Scenario, "parameters"): _nothing,  # rst_or_fin.scenario.parameters has told
        (Server, ""): peer_rules.server,
        (Server, "kind"): peer_rules.kind,
        (Server, "options"): peer_rules.options,
        (Node, "applications"): _each(APPLICATIONS),
        (Node, "sysctls"): _sysctls,
        (Precondition, ""): _precondition,
        (LineExpectation, ""): _line,
        (Expectation, ""): _expectation(session),
        (Expectation, "peer_sees"): peer_rules.peer_sees(kind),
        (Expectation, "conn_state"): _known(MEANING),
        (Expectation, "closing_segment"): _closing_segment,
        **wire_rules.rules(),
        (When, "runtime"): _each(axes.RUNTIMES),
        (When, "backend"): _each(axes.BACKENDS),
        (When, "family"): _each(axes.FAMILIES),
        (When, "otp"): _comparisons,
        (When, "kernel"): _comparisons,
    }


def name_problem(name: str) -> str:
    """Return why that cannot be a scenario's name; "" if it can."""
    if not name.isprintable() or "/" in name or name in (".", ".."):
        return "a name holds printable characters, and no slash"
    if len(name.encode("utf-8", "replace")) > _MOST_NAME_BYTES:
        return f"a name is at most {_MOST_NAME_BYTES} bytes long"
    return ""


def _nothing(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    return iter(())


def _known(words: Collection[str]) -> Rule:
    def rule(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
        if not isinstance(value, str) or value not in words:
            yield at(path, not_known(value, words))

    return rule


def _case(names: Collection[str]) -> Rule:
    def rule(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
        if not isinstance(value, str):
            yield at(path, not_wanted("a scenario's name", value))
        elif value and value not in names:
            near = did_you_mean(value, names) or ": `rst-or-fin list` names them all"
            yield at(path, f"no scenario is called {shown(value)}{near}")

    return rule


def _each(words: Sequence[object]) -> Rule:
    def rule(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
        if not isinstance(value, list):
            yield at(path, not_wanted("an array", value))
            return
        for index, each in enumerate(value):
            if each not in words or isinstance(each, bool):
                yield at((*path, index), not_known(each, words))

    return rule


def _sysctls(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    if not isinstance(value, dict):
        yield at(path, not_wanted("a table", value))
        return
    for name, each in value.items():
        if name not in PINNED_SYSCTLS:
            yield at((*path, name), not_known(name, list(PINNED_SYSCTLS)))
            continue
        pinned = PINNED_SYSCTLS[name].split()
        numbers = str(each).split() if isinstance(each, int | str) and not isinstance(each, bool) else []
        if len(numbers) != len(pinned) or not all(_NUMBER.fullmatch(number) for number in numbers):
            several = f'{len(pinned)} numbers such as "{" ".join(pinned)}"'
            yield at((*path, name), not_wanted("a whole number" if len(pinned) == 1 else several, each))


def _comparisons(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    if not isinstance(value, list):
        yield at(path, not_wanted('an array such as [">=6.12.57 <6.13"]', value))
        return
    for index, each in enumerate(value):
        if not isinstance(each, str) or not axes.is_comparison(each):
            wanted = 'a comparison of versions such as ">=6.12.57 <6.13"'
            exactly = f" (did you mean {shown('==' + each)}?)" if _is_version(each) else ""
            yield at((*path, index), not_wanted(wanted, each) + exactly)


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and value.replace(".", "").isdigit() and bool(axes.version(value))


def _name(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    why = name_problem(value) if isinstance(value, str) else not_wanted("a string", value)
    if why:
        yield at(path, why)


def _precondition(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    unread, received = table.get("unread"), table.get("received")
    if type(unread) is int and type(received) is int and received < unread <= MOST_BYTES:
        why = f"`unread` ({unread}) is greater than `received` ({received})"
        yield at((*path, "unread"), why)


def _line(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    least, most = table.get("takes_at_least_ms"), table.get("takes_at_most_ms")
    if type(least) is int and type(most) is int and most < least:
        why = f"`takes_at_least_ms` ({least}) is greater than `takes_at_most_ms` ({most})"
        yield at((*path, "takes_at_most_ms"), why)


def _expectation(session: str) -> Rule:
    def rule(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
        cause = table.get("cause")
        no_reset = table.get("ending") in (Ending.FIN, Ending.NONE)
        if cause is not None and no_reset and cause not in (*SILENT, Cause.NOT_SENT):
            why = f"a cause explains a RST, and the ending {shown(table['ending'])} has none: leave it out"
            yield at((*path, "cause"), why)
        elif cause == Cause.KEEPALIVE_TIMEOUT and _KEEPALIVE not in session:
            why = (
                f"{shown(cause)} cannot come about: no socket of the session has the option {_KEEPALIVE}"
                f" (inet:setopts/2); the causes are: {', '.join(Cause)}"
            )
            yield at((*path, "cause"), why)

    return rule


def _closing_segment(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    example = "such as `R. 19:19(0) ack 486`"
    if not isinstance(value, str):
        yield at(path, not_wanted(f"a segment {example}", value))
    elif value:
        why = _segment_problem(value)
        if why:
            yield at(path, f"{shown(value)} is not a closing segment, {example}: {why}")


def _segment_problem(text: str) -> str:
    """Return why that is not a closing segment in tcpdump's notation; "" if it is one."""
    try:
        _, step = script.parse(f"expect S\nexpect {text}")
    except script.ScriptError as error:
        return error.why
    except ValueError:
        return "it must be one line"
    assert isinstance(step, script.Expect)
    written = script.notation(step.flags, step.range, step.ack)
    if step.range is None:
        return "its numbers are missing"
    if not set("FR") & set(step.flags):
        return "it has neither F nor R among its flags"
    return "" if written == text else f"write it as `{written}`"


def _whole(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    """Check several fields against each other."""
    yield from wire_rules.wire(value, path, table)
    yield from _session(table)


def _session(table: Mapping[str, Any]) -> Iterator[Misfit]:
    """Check the session itself, and the line numbers in other fields."""
    text = table.get("session")
    if not isinstance(text, str) or not text.strip():
        return
    if table.get("language") == ELIXIR:  # its lines are counted by the node, before the first is evaluated
        for problem in elixir_syntax.problems(text):
            yield Misfit(path=("session",), why=problem.why, line=problem.line)
        return
    found, problems = session_check.read(text)
    for problem in problems:
        yield Misfit(path=("session",), why=problem.why, line=problem.line)
    if found:
        server = table.get("server", {})
        after = server.get("start_after_line", 0) if isinstance(server, dict) else 0
        yield from _beyond(("close_line",), table.get("close_line", 0), len(found))
        yield from _beyond(("server", "start_after_line"), after, len(found))
        for index, line in enumerate(_tables(table.get("line"))):
            yield from _beyond(("line", index, "number"), line.get("number", 0), len(found))
        if type(after) is int and 0 < after <= len(found):
            yield from _in_vain(found, after)


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _beyond(path: Path, line: Any, count: int) -> Iterator[Misfit]:
    if type(line) is int and count < line <= MOST_LINES:  # the type's bound tells of more
        yield at(
            path, f"there is no line {line}: the session has {count} (expressions, which end with a dot)"
        )


def _in_vain(found: Sequence[Expression], after: int) -> Iterator[Misfit]:
    waiting = session_check.waits_in_vain(found, after)
    if waiting:
        why = f"line {waiting} of the session waits for a client that connects only after line {after}"
        hint = f"it never comes; let it connect after the line that listens, before line {waiting}"
        yield at(("server", "start_after_line"), f"{why}: {hint}")
