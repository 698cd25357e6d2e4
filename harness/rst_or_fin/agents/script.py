"""Parses what a scripted peer does: one step a line, in the notation that tcpdump prints. Pure.

    script    = line { NEWLINE line }
    line      = [ step ] [ "#" comment ]
    step      = "expect" pattern [ "unless" flags ] [ "within" duration ]
              | "send" flags range [ "ack" number ] [ "win" number ] [ "mss" number ]
              | "wait" duration
    pattern   = flags [ range ] [ "ack" number ]
    flags     = letters out of F S R P U E W, then "." for ACK: S, S., P., F., FP., R., R, "."
    range     = number ":" number "(" number ")"          first byte, the one after the last, how many
    duration  = number ( "ms" | "s" )

Numbers are relative to each end's initial sequence number, as everywhere in this project: a SYN is `0:0(0)`,
the first byte of data is 1. Windows mean what they say: the peer never offers to scale them, nor time stamps,
nor SACK. A window that is not given stays as it was (65535 at first); `mss` belongs on a SYN.

The peer waits to be connected to: the first step is `expect S`; a script that connects begins with
`send S 0:0(0)`. An expectation is met by the next segment
that says something new, and that must fit it: flags exactly, range and ack where they are given. A bare ACK
and a repetition say nothing new; they are passed over, unless a bare ACK is what is expected. Where kernels
differ, `unless R.` lets a segment with those flags end the script in place of the one that is expected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Union

_FLAGS = re.compile(r"[FSRPUEW]*\.?")
_RANGE = re.compile(r"(\d{1,10}):(\d{1,10})\((\d{1,10})\)")
_DURATION = re.compile(r"(\d{1,6})(ms|s)")
_NUMBER = re.compile(r"\d{1,10}")
_MAX_WAIT_S = 60.0
_MAX_PAYLOAD_LEN = 1460  # what fits an Ethernet frame
_MAX_SEQ = (1 << 31) - 1  # relative numbers stay on one side of the sequence space
DEFAULT_WITHIN_S = 5.0
_LETTERS = "FSRPUEW"


class ScriptError(ValueError):
    """The text is not a valid script. `line` counts from 1; 0 stands for the script as a whole."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}" if line else why)
        self.line = line
        self.why = why


@dataclass(frozen=True)
class Expect:
    """Wait for a segment, at most `within_s` seconds; what is None is left open."""

    line: int
    flags: str
    range: tuple[int, int] | None
    ack: int | None
    within_s: float
    unless: str = ""


@dataclass(frozen=True)
class Send:
    """Send one segment: `range` is its first sequence number and the one after its payload."""

    line: int
    flags: str
    range: tuple[int, int]
    ack: int | None
    window: int | None
    mss: int | None


@dataclass(frozen=True)
class Wait:
    """Do nothing for a while; what arrives meanwhile is heard afterwards."""

    line: int
    duration_s: float


Step = Union[Expect, Send, Wait]  # noqa: UP007


def canonical(flags: str) -> str:
    """Return the letters in tcpdump's order, the ACK's dot last."""
    return "".join(letter for letter in _LETTERS + "." if letter in flags)


def notation(flags: str, numbers: tuple[int, int] | None, ack: int | None) -> str:
    """Write a segment, or a pattern of one, as in a script."""
    text = flags
    if numbers is not None:
        text += f" {numbers[0]}:{numbers[1]}({numbers[1] - numbers[0]})"
    return text if ack is None else f"{text} ack {ack}"


def parse(text: str, *, connects: bool = False) -> tuple[Step, ...]:
    """Parse the steps of a script. Raises ScriptError with the line and what is wrong with it."""
    steps, wrong = _read(text, connects)
    if wrong:
        raise wrong[0]
    return tuple(steps)


def errors(text: str, *, connects: bool = False) -> list[ScriptError]:
    """Return everything that is wrong with a script, in the order of its lines."""
    return _read(text, connects)[1]


def pattern(text: str) -> Expect:
    """Parse one segment's pattern into an expectation. Raises ScriptError, without a line."""
    words = text.split()
    if {"within", "unless"} & set(words):
        raise ScriptError(0, "it takes a segment and nothing else, such as `P. 1:19(18) ack 1`")
    try:
        step = _step(1, ["expect", *words])
    except ScriptError as error:
        raise ScriptError(0, error.why) from error
    assert isinstance(step, Expect)
    return step


def _read(text: str, connects: bool) -> tuple[list[Step], list[ScriptError]]:
    steps: list[Step] = []
    wrong: list[ScriptError] = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.partition("#")[0].split()
        if words:
            try:
                steps.append(_step(number, words))
            except ScriptError as error:
                wrong.append(error)
    if not steps and not wrong:
        return [], [ScriptError(0, "the script is empty")]
    first = steps[0] if steps else None
    kind, why = (
        (Send, "a script that connects begins with `send S 0:0(0)`")
        if connects
        else (Expect, "a script begins with `expect S`: the peer waits to be connected to")
    )
    if first and not wrong and not (isinstance(first, kind) and first.flags == "S"):
        wrong.append(ScriptError(first.line, why))
    return steps, wrong


def _step(line: int, words: list[str]) -> Step:
    verb, rest = words[0], words[1:]
    if verb == "wait":
        if len(rest) != 1:
            raise ScriptError(line, "`wait` takes one duration, such as `wait 50ms`")
        return Wait(line, seconds(line, rest[0]))
    if verb not in ("expect", "send"):
        raise ScriptError(line, f"a step begins with expect, send or wait, not with {verb!r}")
    if not rest:
        raise ScriptError(line, f"`{verb}` takes a segment, such as `P. 1:19(18) ack 1`")
    flags = _flags(line, rest.pop(0))
    numbers = _range(line, rest.pop(0)) if rest and rest[0][0].isdigit() else None
    allowed = ("ack", "unless", "within") if verb == "expect" else ("ack", "win", "mss")
    named = _named(line, rest, allowed)
    ack = _bounded(line, "ack", named.get("ack"), _MAX_SEQ)
    if ack is not None and "." not in flags:
        raise ScriptError(line, f"{flags!r} has no ACK flag (a dot), so it cannot have an `ack` number")
    if verb == "expect":
        within = named.get("within")
        within_s = DEFAULT_WITHIN_S if within is None else seconds(line, within)
        unless = _flags(line, named["unless"]) if "unless" in named else ""
        return Expect(line, flags, numbers, ack, within_s, unless)
    return _send(line, flags, numbers, ack, named)


def _send(
    line: int, flags: str, numbers: tuple[int, int] | None, ack: int | None, named: dict[str, str]
) -> Send:
    if numbers is None:
        raise ScriptError(line, "`send` needs its numbers, such as `1:1001(1000)` or `1:1(0)`")
    if "." in flags and ack is None:
        raise ScriptError(line, f"{flags!r} carries an ACK (a dot): say which, such as `ack 19`")
    if numbers[1] - numbers[0] > _MAX_PAYLOAD_LEN:
        raise ScriptError(line, f"a segment carries {_MAX_PAYLOAD_LEN} bytes at most")
    window = _bounded(line, "win", named.get("win"), 65535)
    mss = _bounded(line, "mss", named.get("mss"), 65535)
    if mss is not None and "S" not in flags:
        raise ScriptError(line, "`mss` belongs on a SYN")
    return Send(line, flags, numbers, ack, window, mss)


def _flags(line: int, text: str) -> str:
    if not _FLAGS.fullmatch(text):
        raise ScriptError(
            line, f"expected flags as tcpdump prints them, such as `S.`, `P.` or `.`, got {text!r}"
        )
    if len(set(text)) != len(text):
        raise ScriptError(line, f"a flag appears twice in {text!r}")
    return canonical(text)


def _range(line: int, text: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ScriptError(line, f"{text!r} is not a range, such as `1:19(18)`")
    first, end, count = (int(part) for part in found.groups())
    if end - first != count:
        raise ScriptError(line, f"{text!r} does not add up: from {first} to {end} it is {end - first} bytes")
    if end > _MAX_SEQ:
        raise ScriptError(line, f"{text!r} is out of range: {_MAX_SEQ} at most")
    return first, end


def _named(line: int, words: list[str], allowed: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in zip(words[::2], [*words[1::2], ""]):  # noqa: B905 (hosts run Python 3.9)
        if name not in allowed:
            raise ScriptError(line, f"{name!r} is not known here; known: {', '.join(allowed)}")
        if name in found:
            raise ScriptError(line, f"`{name}` appears twice")
        if not value:
            raise ScriptError(line, f"`{name}` needs a value")
        found[name] = value
    return found


def _bounded(line: int, name: str, text: str | None, most: int) -> int | None:
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or int(text) > most:
        raise ScriptError(line, f"`{name} {text}` is not a number from 0 to {most}")
    return int(text)


def seconds(line: int, text: str) -> float:
    """Return a duration in seconds. Raises ScriptError if the text is none."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ScriptError(line, f"{text!r} is not a duration, such as `50ms` or `2s`")
    seconds = int(found.group(1)) / (1000 if found.group(2) == "ms" else 1)
    if seconds > _MAX_WAIT_S:
        raise ScriptError(line, f"{text!r} is too long: {_MAX_WAIT_S:.0f}s at most")
    return seconds
