"""Shows the kernel's counters that change in some configurations only, as text, rows and JSON.

JSON alone names what is noise by what it counts: there is a lot of that, and nothing in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from rst_or_fin.analysis.counters import CounterDifferences
from rst_or_fin.escaping import visible
from rst_or_fin.report.wording import counted

TITLE = "The other counters"
HEADS = ("counter", "by", "changes on", "and not on")


def text(found: Sequence[CounterDifferences]) -> Iterator[str]:
    """Render a line for each differing counter, by scenario, then a summary of the others."""
    yield f"{TITLE}, from the start of the session until everything had settled:"
    for each in telling(found):
        yield f"  {visible(each.scenario)}"
        for move in each.moves:
            yield visible(
                f"    {move.counter} {move.by}  changes on {move.where} only:"
                f" {counted(move.replays, 'replay')};"
                f" not on {move.not_where}: {counted(move.still, 'replay')}"
            )
        yield from (f"    {visible(line)}" for line in rest(each))
    yield from (f"  {visible(line)}" for line in conclusion(found))


def rows(each: CounterDifferences) -> Iterator[tuple[str, str, str, str]]:
    """Return what `HEADS` name, a row for each counter."""
    for move in each.moves:
        there, elsewhere = counted(move.replays, "replay"), counted(move.still, "replay")
        yield move.counter, move.by, f"{move.where}: {there}", f"{move.not_where}: {elsewhere}"


def telling(found: Sequence[CounterDifferences]) -> list[CounterDifferences]:
    """Return the scenarios with something to report."""
    return [each for each in found if each.moves or each.unsteady or each.unrecorded]


def conclusion(found: Sequence[CounterDifferences]) -> Iterator[str]:
    """Summarise all other scenarios together."""
    if not found:
        yield "no scenario was played in more than one configuration"
    steady = [each.scenario for each in found if each not in telling(found)]
    if steady:
        yield f"None changes in some configurations only: {', '.join(steady)}"
    noise = {name for each in found for name in each.noise}
    if noise:
        yield f"Left out as noise by what they count: {len(noise)} counters (--format json names them)"


def rest(each: CounterDifferences) -> Iterator[str]:
    """Return notes on a scenario's other counters."""
    if each.unsteady:
        yield f"in some replays of one configuration and not in others, so timing: {', '.join(each.unsteady)}"
    if each.unrecorded:
        runs = counted(each.unrecorded, "run")
        yield f"not recorded in {runs}: by an older version, or the session never started"


def document(found: Sequence[CounterDifferences]) -> Any:
    """Return what `compare --counters all --format json` adds."""
    return msgspec.to_builtins(found)
