"""Checks that each `[[wire]]` rule of a scenario file can match, beyond its types. Pure.

Rules (see misfits.Rule) for `rst_or_fin.scenario.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rst_or_fin.agents import fault_rules, tcp_frames
from rst_or_fin.agents.fault_rules import Pattern
from rst_or_fin.agents.script import ScriptError
from rst_or_fin.scenario.misfits import Misfit, Rule, at
from rst_or_fin.scenario.toml_places import Path
from rst_or_fin.scenario.wire import RandomFaults, Until, WireRule
from rst_or_fin.scenario.wording import did_you_mean, not_wanted, shown

# What belongs to which action; the rest belongs to all.
_ONLY = {
    "delay_ms": ("delay", "duplicate"),
    "until": ("hold",),
    "ways": ("cut",),
    "passes": ("cut", "reset"),
    "to": ("reset",),
    "ttl": ("reset",),
    "offset": ("reset",),
    "drops": ("reset",),
}
_ANYTHING = "any"


def rules() -> Mapping[tuple[type, str], Rule]:
    """Return the rules for the tables of the wire."""
    return {
        (WireRule, ""): _rule,
        (WireRule, "segment"): _segment,
        (Until, "segment"): _segment,
        (RandomFaults, ""): _random,
    }


def wire(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    """Check rules against each other: one that another makes useless, random faults not at the end."""
    found = table.get("wire")
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        return
    tables: Sequence[Mapping[str, Any]] = found
    for index, each in enumerate(tables):
        if "random" in each and index + 1 < len(tables):
            yield at(("wire", index, "random"), "[wire.random] comes once, after the last [[wire]]")
        for earlier in range(index):
            if _leaves_nothing(tables[earlier], each):
                why = f"it can never match: rule {earlier + 1} acts on every such segment before it"
                yield at(("wire", index), f"{why}; give it another `nth`, or leave one of them out")
                break


def _segment(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    if not isinstance(value, str):
        yield at(path, not_wanted("a segment such as `P. 1:486(485)`", value))
        return
    try:
        pattern = fault_rules.pattern(value)
    except ScriptError as error:
        known = ", ".join(fault_rules.WORDS) + did_you_mean(value, fault_rules.WORDS)
        neither = f"{shown(value)} is neither a segment, such as `P. 1:486(485)`, nor one of {known}"
        yield at(path, f"{neither}: {error.why}")
        return
    why = _never(pattern, table.get("from"))
    if why:
        yield at(path, f"{shown(value)} can never match: {why}")


def _never(pattern: Pattern, sender: Any) -> str:
    """Return why no segment of that end can look so; "" if one may."""
    if pattern.word:
        return ""
    syn, ack = bool(pattern.flags & tcp_frames.SYN), bool(pattern.flags & tcp_frames.ACK)
    if pattern.flags == 0:
        return "every segment has a flag"
    if syn and sender == "server" and not ack:
        return "the server answers the SYN with `S.`"
    if syn and sender == "client" and ack:
        return "the client's SYN is `S`"
    if syn and pattern.range is not None and pattern.range[0] != 0:
        return "a SYN has the number 0"
    if syn and ack and pattern.ack not in (None, 1):
        return "it acknowledges the SYN: `ack 1`"
    if not syn and not ack and not pattern.flags & tcp_frames.RST:
        return "but for a SYN and a RST, every segment carries an ACK (a dot)"
    return ""


def _rule(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    do = value.get("do")
    if do not in fault_rules.ACTIONS:
        return
    for name, actions in _ONLY.items():
        if name in value and do not in actions:
            yield at(
                (*path, name),
                f"{shown(do)} does not take it; it belongs to {' and '.join(map(shown, actions))}",
            )
    if do == "hold" and "until" not in value:
        yield at(path, '`until` is missing: which segment it waits for: { from = "server", segment = "FIN" }')
    if do == "delay" and not value.get("delay_ms"):
        yield at(path, "`delay_ms` is missing: the delay in milliseconds")
    after, until = value.get("after_ms", 0), value.get("until_ms", 0)
    if type(after) is int and type(until) is int and 0 < until <= after:
        yield at(
            (*path, "until_ms"), f"it can never match: `until_ms` ({until}) is not after `after_ms` ({after})"
        )


def _random(value: Any, path: Path, table: Mapping[str, Any]) -> Iterator[Misfit]:
    if not any(value.get(name) for name in RandomFaults.__struct_fields__ if name != "seed"):
        yield at(path, "it does nothing: give loss, duplicate, reorder, delay_ms or jitter_ms")


def _leaves_nothing(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether the first of two rules takes every segment that the second means."""
    if first.get("from") != second.get("from") or any(
        first.get(n) for n in ("until_ms", "after_ms", "idle_ms")
    ):
        return _cuts_before(first, second)
    theirs, own = first.get("segment", _ANYTHING), second.get("segment", _ANYTHING)
    if theirs == _ANYTHING and first.get("times") == "all" and first.get("nth", 1) == 1:
        return True
    if theirs != own or any(second.get(n) for n in ("until_ms", "after_ms", "idle_ms")):
        return _cuts_before(first, second)
    return _covers(_span(first), _span(second)) or _cuts_before(first, second)


def _cuts_before(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether the first rule stops all traffic already at the SYN."""
    stops = first.get("do") == "cut" and first.get("ways", "both") == "both"
    stops |= first.get("do") == "reset" and first.get("drops", True) is True
    timed = any(first.get(name) for name in ("after_ms", "idle_ms"))
    at_syn = first.get("segment", _ANYTHING) in ("S", "SYN", _ANYTHING) and first.get("nth", 1) == 1
    is_syn = second.get("from") == "client" and second.get("segment", _ANYTHING) in ("S", "SYN", _ANYTHING)
    return stops and not timed and at_syn and first.get("from") == "client" and not is_syn


def _span(rule: Mapping[str, Any]) -> tuple[int, int]:
    nth, times = rule.get("nth", 1), rule.get("times", 1)
    first = nth if type(nth) is int else 1
    return first, fault_rules.ALL if times == "all" else first + (times if type(times) is int else 1) - 1


def _covers(theirs: tuple[int, int], own: tuple[int, int]) -> bool:
    return theirs[0] <= own[0] and own[1] <= theirs[1]
