"""Plays many cells, or takes them from the cache, and yields one record each as it comes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from rst_or_fin.analysis import matrix
from rst_or_fin.analysis.matrix import Cell, Group, Record
from rst_or_fin.execution.cache import ResultCache
from rst_or_fin.execution.workers import CellResult

Spread = Callable[[Sequence[Group]], Iterator[CellResult]]


def play(
    cells: Sequence[Cell],
    shelf: ResultCache,
    spread: Spread,
    *,
    again: bool = False,
    host: str = "",
    parts: int = 1,
) -> Generator[Record, None, None]:
    """Yield a record for every cell; play those that the cache does not hold, or all with `again`.

    What the cache holds of the host's own kernel is played again where that is not `host` any more. `spread`
    plays groups somewhere (`execution.workers`); evidence is in the cache before its record is yielded.
    It is given at least as many as `parts`. Raises MachineError where the cache cannot be written.
    """
    to_play = []
    for cell in cells:
        why = matrix.excluded_beforehand(cell)
        run = None if again or why else shelf.kept(cell, host)
        if why:
            yield matrix.excluded(cell, why)
        elif run is not None:
            yield matrix.played(cell, run, evidence=shelf.place(cell), reused=True)
        else:
            to_play.append(cell)
    for done in spread(matrix.plan(to_play, parts)) if to_play else ():
        yield _kept(done, shelf)


def _kept(done: CellResult, shelf: ResultCache) -> Record:
    cell, said = done.cell, done.said
    run = shelf.keep(cell, done.files, complete=not said.trouble)
    evidence = shelf.place(cell) if run is not None else ""
    if said.excluded:
        return matrix.excluded(cell, said.excluded)
    if said.trouble:
        return matrix.error(cell, said.trouble, said.hint, evidence, done.duration_s)
    if run is None or not run.judgements:
        return matrix.error(cell, "its evidence holds no replay", "run it again", evidence, done.duration_s)
    return matrix.played(cell, run, evidence=evidence, reused=False, duration_s=done.duration_s)
