"""Damaged inputs by the thousand: each is taken or refused, within a second and within bounded memory.

    python -m tests.fuzz.campaign --count 200000 --seed 1 --what captures,evidence

An input is made from its kind, the seed and its own number alone, so that `--first N --count 1` makes it
again.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz import captures, evidence, scenarios, scripts

LONGEST_S = 1.0  # of the processor's time
MOST_MEMORY_KIB = 64 * 1024  # by which one input may make the process grow


@dataclass(frozen=True, slots=True)
class Kind:
    """How inputs of a kind are made, from a seed and a number, and what is done with them."""

    made: Callable[[int, int], Any]
    look: Callable[[Any], str]


KINDS = {
    "captures": Kind(captures.made, captures.look),
    "evidence": Kind(evidence.made, evidence.look),
    "scenarios": Kind(scenarios.made, scenarios.look),
    "scripts": Kind(scripts.made, scripts.look),
}


@dataclass(slots=True)
class Tally:
    """What the inputs of one kind came to; `failures` by the input's number."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    failures: list[tuple[int, str]] = field(default_factory=list)


def play(kind: Kind, seed: int, number: int, tally: Tally) -> None:
    """Look at one input, and note what came of it."""
    made = kind.made(seed, number)
    memory_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    try:
        outcome = kind.look(made)
    except Exception as error:  # noqa: BLE001 - any one that is left is what is looked for
        outcome = "harm"
        tally.failures.append((number, f"raised {error!r}"))
    took_s = time.process_time() - begin
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kib
    tally.outcomes[outcome] += 1
    tally.slowest_s = max(tally.slowest_s, took_s)
    if took_s > LONGEST_S:
        tally.failures.append((number, f"took {took_s:.1f} s"))
    if grown_kib > MOST_MEMORY_KIB:
        tally.failures.append((number, f"grew by {grown_kib} KiB"))


def _report(name: str, tally: Tally, spent_s: float) -> None:
    count = tally.outcomes.total()
    said = ", ".join(f"{number:,} {outcome}" for outcome, number in tally.outcomes.most_common())
    print(
        f"{name}: {count:,} inputs, {count / spent_s:,.0f} a second: {said}; slowest {tally.slowest_s:.3f} s",
        flush=True,
    )


def main() -> int:
    """Play the campaign, and print what came of it; 1 where an input did harm."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--count", type=int, default=10_000, help="inputs of each kind (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=float, help="go on with each kind for that long instead")
    parser.add_argument("--first", type=int, default=0, help="the first one's number (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which campaign (default: %(default)s)")
    parser.add_argument("--what", default=",".join(KINDS), help="kinds of inputs (default: %(default)s)")
    parser.add_argument("--keep", type=Path, help="a folder for inputs that did harm")
    options = parser.parse_args()
    failed = False
    for name in options.what.split(","):
        tally, began, number = Tally(), time.monotonic(), options.first
        while (
            number < options.first + options.count
            if options.seconds is None
            else time.monotonic() < began + options.seconds
        ):
            play(KINDS[name], options.seed, number, tally)
            number += 1
        _report(name, tally, time.monotonic() - began)
        failed = failed or bool(tally.failures)
        for wrong, what in tally.failures[:20]:
            print(f"{name}: input {wrong} of seed {options.seed} {what}", file=sys.stderr)
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                made = KINDS[name].made(options.seed, wrong)
                (options.keep / f"{name}-{options.seed}-{wrong}").write_text(repr(made))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
