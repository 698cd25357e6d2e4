"""Plays many cells, or takes them from the cache, and yields one record each as it comes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from rst_or_fin.analysis import matrix
from rst_or_fin.analysis.matrix import Cell, CellGroup, CellRecord
from rst_or_fin.execution.cache import ResultCache
from rst_or_fin.execution.workers import CellResult

Spread = Callable[[Sequence[CellGroup]], Iterator[CellResult]]


def play(
    cells: Sequence[Cell],
    cache: ResultCache,
    spread: Spread,
    *,
    again: bool = False,
    host: str = "",
    parallelism: int = 1,
) -> Generator[CellRecord, None, None]:
    """Yield a record for every cell; play those that the cache does not hold, or all with `again`.

    Cached evidence of the host's own kernel counts only if it was made on `host`, its release now. `spread`
    plays groups somewhere (`execution.workers`), and gets at least `parallelism` groups if there are that
    many cells. Evidence is in the cache before its record is yielded. Raises MachineError if the cache cannot
    be written.
    """
    to_play = []
    for cell in cells:
        why = matrix.excluded_beforehand(cell)
        run = None if again or why else cache.find(cell, host)
        if why:
            yield matrix.excluded(cell, why)
        elif run is not None:
            yield matrix.played(cell, run, evidence=cache.path_of(cell), reused=True)
        else:
            to_play.append(cell)
    for result in spread(matrix.plan(to_play, parallelism)) if to_play else ():
        yield _stored(result, cache)


def _stored(result: CellResult, cache: ResultCache) -> CellRecord:
    cell, reply = result.cell, result.reply
    run = cache.store(cell, result.files, complete=not reply.error)
    evidence = cache.path_of(cell) if run is not None else ""
    if reply.excluded:
        return matrix.excluded(cell, reply.excluded)
    if reply.error:
        return matrix.error(cell, reply.error, reply.hint, evidence, result.duration_s)
    if run is None or not run.judgements:
        return matrix.error(cell, "its evidence holds no replay", "run it again", evidence, result.duration_s)
    return matrix.played(cell, run, evidence=evidence, reused=False, duration_s=result.duration_s)
