"""Runs with a fault each: python -m tests.faults.campaign --count 500 --seed 1 [--runtime docker|engine].

Every outcome has to be right or inconclusive with its reason, nothing may be left, and every folder has to be
judged as it was when it was played. A trial is made from the seed and its own number alone, so that
`--first N --count 1` makes it again (its moment aside, which is the machine's as well).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults import own_engine
from tests.faults.trial import Plan, Result, play

_PR_SET_CHILD_SUBREAPER = 36
_IN_OWN_ENGINE = "RST_OR_FIN_FAULTS_IN_OWN_ENGINE"


def run(runtime: str, seed: int, first: int, count: int) -> list[Result]:
    """Play these trials, one after another, and tell of each that failed as it comes."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    results: list[Result] = []
    with suppress(KeyboardInterrupt):  # what there is so far is told
        for number in range(first, first + count):
            plan = Plan.made(runtime, seed, number)
            with TemporaryDirectory(prefix="rst-or-fin-faults-") as place:
                results.append(play(plan, Path(place)))
            for fault in results[-1].faults:
                print(f"trial {number} of seed {seed} ({plan}): {fault}", file=sys.stderr, flush=True)
    return results


def table(results: list[Result]) -> str:
    """What was done to which process, and what it came to, in Markdown."""
    counts = Counter((r.plan.role, r.plan.action, r.came_to) for r in results)
    done = sorted({(role, action) for role, action, _ in counts})
    columns = sorted({came_to for _, _, came_to in counts})
    rows = [["process", "what was done to it", "times", *columns, "failures"]]
    for role, action in done:
        mine = [counts[role, action, came_to] for came_to in columns]
        failures = sum(bool(r.faults) for r in results if (r.plan.role, r.plan.action) == (role, action))
        rows.append([role, action, str(sum(mine)), *map(str, mine), str(failures)])
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    """Play the campaign, and print its table; 1 where a trial failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=500, help="how many trials (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first one's number (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which campaign (default: %(default)s)")
    parser.add_argument(
        "--runtime",
        choices=("local", "docker", "engine"),
        default="local",
        help="engine: containers of an engine of the campaign's own, which is what is hit",
    )
    options = parser.parse_args()
    if options.runtime == "engine" and _IN_OWN_ENGINE not in os.environ:
        os.environ[_IN_OWN_ENGINE] = "1"
        return own_engine.main([sys.executable, "-m", "tests.faults.campaign", *sys.argv[1:]])
    began = time.monotonic()
    results = run(options.runtime, options.seed, options.first, options.count)
    print(table(results))
    failed = sum(bool(result.faults) for result in results)
    spent_s = time.monotonic() - began
    print(f"\n{len(results)} runs with a fault each in {spent_s:.0f} s, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
