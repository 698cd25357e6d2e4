"""What a scenario file says of the wire between the hosts: `[[wire]]` rules and `[wire.random]` faults.

The model; what the rules do to a segment is `rst_or_fin.agents.faults`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec

from rst_or_fin.agents.script import ScriptError

_MOST_MS = 600_000
_MOST_OFFSET = 2**31 - 1
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=_MOST_MS)]
Nth = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class From(StrEnum):
    """Which end of the connection: the one that sends the SYN, or the one that answers it."""

    CLIENT = "client"
    SERVER = "server"


class Do(StrEnum):
    """What the wire does with a segment."""

    DROP = "drop"
    DELAY = "delay"
    HOLD = "hold"
    DUPLICATE = "duplicate"
    CUT = "cut"
    CORRUPT = "corrupt"
    RESET = "reset"


class Until(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """The segment that a held one waits for: the nth such that passes from then on."""

    from_: From
    segment: str = "any"
    nth: Nth = 1


class RandomFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Random faults: probabilities from 0 to 1 for the segments that no rule acts on, and times in ms.

    The same `seed` repeats every decision: the same segment of the same replay meets the same fate.
    """

    loss: Share = 0.0
    duplicate: Share = 0.0
    reorder: Share = 0.0
    delay_ms: Milliseconds = 0
    jitter_ms: Milliseconds = 0
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0

    @property
    def told(self) -> str:
        """The faults as `--wire` takes them: what is not zero, then the seed."""
        said = msgspec.to_builtins(self)
        return " ".join(f"{name}={value}" for name, value in said.items() if value or name == "seed")

    @property
    def is_idle(self) -> bool:
        """Whether everything passes as it was sent."""
        return not (self.loss or self.duplicate or self.reorder or self.delay_ms or self.jitter_ms)


class WireRule(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}
):
    """One rule: which segments of which end, and what the wire does with them.

    `segment` is a word or a pattern in tcpdump's notation (see `rst_or_fin.agents.fault_rules`); occurrences
    `nth` to `nth + times - 1` are meant. `random` is `[wire.random]`, which TOML counts to the last rule.
    """

    from_: From
    do: Do
    segment: str = "any"
    nth: Nth = 1
    times: Nth | Literal["all"] = 1
    after_ms: Milliseconds = 0
    until_ms: Milliseconds = 0
    idle_ms: Milliseconds = 0
    delay_ms: Milliseconds = 0
    until: Until | None = None
    ways: Literal["one", "both"] = "both"
    passes: bool = False
    to: Literal["client", "server", "both"] = "both"
    ttl: Annotated[int, msgspec.Meta(ge=1, le=255)] = 64
    offset: Annotated[int, msgspec.Meta(ge=-_MOST_OFFSET, le=_MOST_OFFSET)] = 0
    drops: bool = True
    random: RandomFaults | None = None

    @property
    def told(self) -> str:
        """The rule in words: `drop the 2nd P. from the server`."""
        which = "every" if self.times == "all" and self.nth == 1 else f"the {_ordinal(self.nth)}"
        when = f" after {self.idle_ms} ms of silence" if self.idle_ms else ""
        when += f" until {self.until_ms} ms after the SYN" if self.until_ms else ""
        return f"{self.do} {which} {self.segment} from the {self.from_}{when}"


class Chance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file with `[wire.random]` and no rule."""

    random: RandomFaults


def random_of(wire: tuple[WireRule, ...] | Chance) -> RandomFaults | None:
    """Return the random faults of a file, wherever TOML puts them."""
    if isinstance(wire, Chance):
        return wire.random
    return next((rule.random for rule in wire if rule.random is not None), None)


def order(rules: tuple[WireRule, ...], random: RandomFaults | None) -> dict[str, Any]:
    """Return the rules as the wire's program takes them."""
    said = [{k: v for k, v in msgspec.to_builtins(rule).items() if v is not None} for rule in rules]
    return {"rules": said, "random": msgspec.to_builtins(random) if random is not None else None}


def parse_random(text: str) -> RandomFaults:
    """Parse random faults as `--wire` takes them: `loss=0.1 delay_ms=50 seed=7`. Raises ScriptError."""
    said: dict[str, Any] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if name not in RandomFaults.__struct_fields__ or not equals:
            known = ", ".join(RandomFaults.__struct_fields__)
            raise ScriptError(0, f"{word!r} is not NAME=NUMBER; the names are: {known}")
        if name in said:
            raise ScriptError(0, f"`{name}` appears twice")
        said[name] = value
    return _converted(said)


def _converted(said: Mapping[str, Any]) -> RandomFaults:
    try:
        return msgspec.convert(said, RandomFaults, strict=False)
    except msgspec.ValidationError as error:
        raise ScriptError(0, str(error).replace("$.", "")) from error


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
