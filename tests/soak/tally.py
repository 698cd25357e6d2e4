"""What has come of all plays of a soak so far, in a file from which the next campaign goes on."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.plays import BLOCK

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one play came to: right, inconclusive, wrong or trouble; `again` is what plays it again."""

    number: int
    came_to: str
    why: str
    again: str


class Tally:
    """Counts results, and hands out which plays are still to come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.played: int = known.get("played", 0)
        self.counts: Counter[str] = Counter(known.get("counts", {}))
        self.reasons: Counter[str] = Counter(known.get("reasons", {}))
        self.wrong: list[str] = known.get("wrong", [])
        self._begun: set[int] = set(known.get("begun", ()))  # plays handed out that nothing came of yet
        self._next: int = known.get("next", -(-self.played // BLOCK) * BLOCK)
        self._waiting = sorted(self._begun)  # to be handed out before all that follows

    def take(self, most: int) -> list[int]:
        """Return the plays of one scenario to do next, none from number `most` on where that is not 0."""
        if not self._waiting:
            end = (self._next // BLOCK + 1) * BLOCK
            end = max(self._next, min(end, most)) if most else end
            self._waiting, self._next = list(range(self._next, end)), end
        block = [n for n in self._waiting if n // BLOCK == self._waiting[0] // BLOCK]
        self._waiting = self._waiting[len(block) :]
        self._begun |= {*block}
        return block

    def add(self, result: Result) -> None:
        """Count what a play came to."""
        self.played += 1
        self._begun.discard(result.number)
        self.counts[result.came_to] += 1
        if result.came_to in ("inconclusive", "trouble"):
            self.reasons[_NUMBER.sub("N", result.why)] += 1
        if result.came_to == "wrong":
            self.wrong.append(f"{result.why}\n  again: {result.again}")

    def save(self) -> None:
        """Write it all down, whole or not at all."""
        document = {
            "played": self.played,
            "counts": self.counts,
            "reasons": self.reasons,
            "wrong": self.wrong,
            "begun": sorted(self._begun),
            "next": self._next,
        }
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(document, indent=2))
        os.replace(fresh, self._path)

    def told(self) -> str:
        """The table: how many came to what, why they were inconclusive, and what was wrong."""
        lines = [f"{self.played} replays: " + ", ".join(f"{n} {what}" for what, n in self.counts.items())]
        lines += [f"{count:>7}  {reason}" for reason, count in self.reasons.most_common(40)]
        return "\n".join([*lines, *self.wrong])
