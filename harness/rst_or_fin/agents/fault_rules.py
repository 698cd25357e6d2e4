"""Rules for what a wire does with which segment: plain values, read from a scenario file. Pure.

A rule's `segment` is a word (`any`, `payload`, `SYN`, `FIN`, `RST`: whatever else the segment carries) or a
pattern in the notation that tcpdump prints, as in a script (see `script`): `F.`, `P. 1:486(485)`,
`. 19:19(0) ack 486`. What a pattern leaves out is open; flags are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from . import script, tcp_frames

WORDS = ("any", "payload", "SYN", "FIN", "RST")
ACTIONS = ("drop", "delay", "hold", "duplicate", "cut", "corrupt", "reset")
CLIENT, SERVER = 0, 1  # roles, as indices
ROLES = ("client", "server")
ALL = 1 << 31  # more occurrences than there are

_MS = 1_000_000
_WORD_BITS = {"SYN": tcp_frames.SYN, "FIN": tcp_frames.FIN, "RST": tcp_frames.RST}


class Pattern(NamedTuple):
    """Which segments are meant; what is None is left open."""

    word: str = ""
    flags: int = 0
    range: Optional[tuple[int, int]] = None  # noqa: UP045 - Python 3.9 runs this too
    ack: Optional[int] = None  # noqa: UP045

    def fits(self, flags: int, seq: int, payload_len: int, ack: int) -> bool:
        """Return whether a segment with these relative numbers is meant."""
        if self.word:
            if self.word == "payload":
                return payload_len > 0
            return self.word == "any" or bool(flags & _WORD_BITS[self.word])
        return (
            self.flags == flags
            and (self.range is None or self.range == (seq, seq + payload_len))
            and (self.ack is None or self.ack == ack)
        )


class Awaited(NamedTuple):
    """The segment that a held one waits for: the nth such of that role that passes from then on."""

    role: int
    pattern: Pattern
    nth: int


@dataclass(frozen=True)
class Rule:
    """One rule. Occurrences `first` to `last`, from 1, are meant; times count from the connection's SYN."""

    role: int
    pattern: Pattern
    do: str
    first: int = 1
    last: int = 1
    after_ns: int = 0
    until_ns: int = 0
    idle_ns: int = 0
    delay_ns: int = 0
    awaits: Optional[Awaited] = None  # noqa: UP045
    both_ways: bool = True
    passes: bool = False
    to: tuple[int, ...] = ()
    ttl: int = 64
    offset: int = 0
    drops: bool = True

    def is_due(self, now_ns: int, idle_ns: int) -> bool:
        """Return whether the rule applies now: times in nanoseconds since the SYN and the last segment."""
        if now_ns < self.after_ns or (self.until_ns and now_ns >= self.until_ns):
            return False
        return idle_ns >= self.idle_ns


@dataclass(frozen=True)
class Random:
    """Random faults: shares from 0 to 1 of all segments, and times in nanoseconds.

    The same `seed` gives the same decisions.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay_ns: int = 0
    jitter_ns: int = 0
    seed: int = 0

    @property
    def rolls(self) -> bool:
        """Whether any decision needs a random number."""
        return bool(self.loss or self.duplicate or self.reorder or self.jitter_ns)


def pattern(text: str) -> Pattern:
    """Parse a rule's `segment`. Raises script.ScriptError with what is wrong."""
    if text in WORDS:
        return Pattern(word=text)
    step = script.pattern(text)
    return Pattern(flags=tcp_frames.bits(step.flags), range=step.range, ack=step.ack)


def rules(said: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Make the rules from a scenario's tables, which have been checked."""
    return tuple(_rule(each) for each in said)


def random(said: Mapping[str, Any]) -> Random:
    """Make the random faults from a scenario's table, which has been checked."""
    return Random(
        loss=float(said.get("loss", 0)),
        duplicate=float(said.get("duplicate", 0)),
        reorder=float(said.get("reorder", 0)),
        delay_ns=int(said.get("delay_ms", 0)) * _MS,
        jitter_ns=int(said.get("jitter_ms", 0)) * _MS,
        seed=int(said.get("seed", 0)),
    )


def _rule(said: Mapping[str, Any]) -> Rule:
    nth = int(said.get("nth", 1))
    times = said.get("times", 1)
    until = said.get("until")
    to = str(said.get("to", "both"))
    return Rule(
        role=ROLES.index(said["from"]),
        pattern=pattern(said.get("segment", "any")),
        do=said["do"],
        first=nth,
        last=ALL if times == "all" else nth + int(times) - 1,
        after_ns=int(said.get("after_ms", 0)) * _MS,
        until_ns=int(said.get("until_ms", 0)) * _MS,
        idle_ns=int(said.get("idle_ms", 0)) * _MS,
        delay_ns=int(said.get("delay_ms", 0)) * _MS,
        awaits=_awaited(until) if until else None,
        both_ways=said.get("ways", "both") == "both",
        passes=bool(said.get("passes", False)),
        to=(CLIENT, SERVER) if to == "both" else (ROLES.index(to),),
        ttl=int(said.get("ttl", 64)),
        offset=int(said.get("offset", 0)),
        drops=bool(said.get("drops", True)),
    )


def _awaited(said: Mapping[str, Any]) -> Awaited:
    return Awaited(ROLES.index(said["from"]), pattern(said.get("segment", "any")), int(said.get("nth", 1)))
