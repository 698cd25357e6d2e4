"""Plays groups of cells on worker processes, so that no cell can take another down with it.

A `GroupSupervisor` plays one group: each cell in a worker process that it may kill, with a time limit
for each step. Supervisors are spread by anything that has concurrent.futures' Executor interface: threads
of this process, or a Dask cluster's machines, from which the evidence comes back as bytes.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rst_or_fin.analysis.matrix import Cell, CellGroup
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import ownership
from rst_or_fin.errors import MachineError, RstOrFinError, UsageError, is_disk_full
from rst_or_fin.execution import worker
from rst_or_fin.execution.worker import WorkerReply
from rst_or_fin.own_files import temporary_folder

_OPENINGS = 2  # testbeds of one group that may fail to open, one after another, before it is given up
_SLACK_S = 60.0
_SPAWN_S = 60.0
_SCHEDULER_TIMEOUT_S = 10.0
_LATE_S = 1.5  # how long after a process was killed the engine may still make what it was told to


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTasks:
    """The functions that a worker process runs, which can be pickled, and how long each may take.

    `open_s` leaves room for an image that has to be made first; what can hang in a testbed has bounds of its
    own, far below.
    """

    prepare: Callable[[Cell], WorkerReply] = worker.prepare
    play: Callable[[Cell, str, tuple[str, ...]], WorkerReply] = worker.play
    discard: Callable[[], None] = worker.discard
    open_s: float = 900.0
    cell_s: float = 120.0
    discard_s: float = 60.0
    command_line: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """The result of one cell: its evidence by file name, as far as there is any, and the worker's reply."""

    cell: Cell
    reply: WorkerReply
    files: Mapping[str, bytes]
    duration_s: float


OnResult = Callable[[CellResult], None]


class _LostError(Exception):
    """The worker process died, or was killed because it took too long; `str()` says which."""

    def __init__(self, why: str, hint: str = "run it again") -> None:
        super().__init__(why)
        self.hint = hint


class GroupSupervisor:
    """Plays one group of cells. `play` may be called once; `stop` ends it from another thread."""

    def __init__(self, group: CellGroup, tasks: WorkerTasks) -> None:
        self._group = group
        self._tasks = tasks
        self._lock = threading.Lock()
        self._stopped = False
        self._pool: ProcessPoolExecutor | None = None
        self._started: Future[int] | None = None
        self._pid = 0

    def play(self, on_result: OnResult = lambda result: None) -> list[CellResult]:
        """Play the cells and return their results, passing each to `on_result` as it arrives.

        A cell that fails raises nothing.
        """
        results: list[CellResult] = []
        failed_openings = 0
        last = WorkerReply()
        try:
            for cell in self._group.cells:
                if self._stopped:
                    break
                if failed_openings < _OPENINGS:
                    result, opened = self._one(cell)
                    failed_openings = 0 if opened else failed_openings + 1
                    last = result.reply
                else:
                    result = CellResult(cell=cell, reply=last, files={}, duration_s=0.0)
                results.append(result)
                on_result(result)
            self._dismiss()
        finally:
            self._kill()
        return results

    def stop(self) -> None:
        """Kill what runs; `play` then returns soon, with the cells that it had finished."""
        with self._lock:
            self._stopped = True
            self._kill_processes(self._pool)

    def _one(self, cell: Cell) -> tuple[CellResult, bool]:
        """Play one cell; return its result, and whether its testbed could be opened."""
        started = time.monotonic()
        with temporary_folder("cell") as place:
            folder = Path(place) / "evidence"
            opened = False
            try:
                reply = self._call("opening the testbed", self._tasks.open_s, self._tasks.prepare, cell)
                opened = not reply.error
                if opened and not reply.excluded:
                    line = self._tasks.command_line
                    reply = self._call(
                        "the cell", self._tasks.cell_s, self._tasks.play, cell, str(folder), line
                    )
            except _LostError as error:
                reply = WorkerReply(error=str(error), hint=error.hint)
            duration_s = time.monotonic() - started
            return CellResult(cell=cell, reply=reply, files=_contents(folder), duration_s=duration_s), opened

    def _call(
        self, what: str, limit_s: float, function: Callable[..., WorkerReply], *arguments: object
    ) -> WorkerReply:
        """Have the worker process call it. Raises _LostError; the next call then gets a new process."""
        pool = self._worker()
        try:
            future = pool.submit(function, *arguments)
        except BrokenProcessPool as error:
            self._kill()
            raise _LostError(f"the worker process died before {what}") from error
        finished, _ = wait([future], timeout=limit_s)
        if not finished:
            self._kill()
            raise _LostError(
                f"{what} took longer than {limit_s:g} s and was ended",
                "give it longer with --limit SECONDS"
                if function is self._tasks.play
                else "make its images beforehand (`rst-or-fin kernels build`), then run it again",
            )
        broken = future.exception()
        if broken is None:
            return future.result()
        self._kill()  # what it left behind is nothing to build on
        if isinstance(broken, BrokenProcessPool):
            raise _LostError(f"the worker process died during {what}") from broken
        if isinstance(broken, OSError):
            again = "free some space, then run it again" if is_disk_full(broken) else "run it again"
            raise _LostError(f"{what} failed: {broken}", again) from broken
        raise _LostError(
            f"{what} failed with {type(broken).__name__}: {broken}",
            "this is an internal error of rst-or-fin: please report it, with this line and the evidence",
        ) from broken

    def _worker(self) -> ProcessPoolExecutor:
        """Return the worker process's pool, with a new process where there is none."""
        with self._lock:
            if self._pool is None and not self._stopped:
                self._pool = ProcessPoolExecutor(
                    1, mp_context=multiprocessing.get_context("spawn"), initializer=worker.initialize
                )
                self._started = self._pool.submit(os.getpid)
            pool, started = self._pool, self._started
        if pool is None or started is None:
            raise _LostError("it was stopped")
        wait([started], timeout=_SPAWN_S)
        if not started.done() or started.exception() is not None:
            self._kill()
            raise _LostError("the worker process did not start")
        with self._lock:
            self._pid = started.result()
            if self._stopped:
                self._kill_processes(pool)
        return pool

    def _dismiss(self) -> None:
        """Have the worker process take its testbed down, if there is one, and leave."""
        pool = self._pool
        if pool is None or self._stopped:
            return
        try:
            down = pool.submit(self._tasks.discard)
        except BrokenProcessPool:
            return  # it is gone already; what it left is swept
        finished, _ = wait([down], timeout=self._tasks.discard_s)
        if finished and down.exception() is None:
            with self._lock:
                self._pool, self._pid = None, 0
            pool.shutdown(wait=True)

    def _kill(self) -> None:
        """End the worker process, and remove what it had no time to."""
        with self._lock:
            pool, self._pool = self._pool, None
            killed = self._kill_processes(pool)
            self._pid = 0
        if pool is not None:
            pool.shutdown(wait=killed, cancel_futures=True)
            if killed:
                _remove_leftovers()

    def _kill_processes(self, pool: ProcessPoolExecutor | None) -> bool:
        """Kill the worker process, even one that has not reported its pid; return whether there was one."""
        pids = {self._pid, *_pids(pool)} - {0}
        for pid in pids:
            with suppress(ProcessLookupError):  # it died by itself: what it left has to be swept all the same
                os.kill(pid, signal.SIGKILL)
        return bool(pids)


def _pids(pool: ProcessPoolExecutor | None) -> set[int]:
    """Return the pids of a pool's processes, for which there is no public way before Python 3.14."""
    return set(getattr(pool, "_processes", None) or ())


def play_group(group: CellGroup, tasks: WorkerTasks) -> list[CellResult]:
    """Play a group in one call of plain data, for an executor on another machine.

    A daemonic process (multiprocessing's word; a Dask worker under its nanny is one) may have no children of
    that kind: there the supervisor gets a process of its own.
    """
    if not multiprocessing.current_process().daemon:
        return GroupSupervisor(group, tasks).play()
    limit_s = _longest_s(group, tasks)
    finished = subprocess.run(
        [sys.executable, "-m", "rst_or_fin.execution.workers"],
        input=pickle.dumps((group, tasks)),
        stdout=subprocess.PIPE,
        timeout=limit_s,
        check=True,
    )
    results: list[CellResult] = pickle.loads(finished.stdout)
    return results


def play_here(groups: Sequence[CellGroup], tasks: WorkerTasks, jobs: int) -> Iterator[CellResult]:
    """Play the groups on this machine, `jobs` at a time, yielding each result as it arrives."""
    arrivals: queue.SimpleQueue[CellResult | Future[list[CellResult]]] = queue.SimpleQueue()
    supervisors = [(GroupSupervisor(group, tasks), group) for group in groups]
    with ThreadPoolExecutor(jobs) as executor:
        try:
            futures = {
                executor.submit(supervisor.play, arrivals.put): group for supervisor, group in supervisors
            }
            yield from _collect(futures, arrivals, tasks)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            for supervisor, _ in supervisors:
                supervisor.stop()


def play_on(executor: Executor, groups: Sequence[CellGroup], tasks: WorkerTasks) -> Iterator[CellResult]:
    """Play the groups wherever the executor does, yielding the results of each group when it comes back."""
    arrivals: queue.SimpleQueue[CellResult | Future[list[CellResult]]] = queue.SimpleQueue()
    futures = {executor.submit(play_group, group, tasks): group for group in groups}
    yield from _collect(futures, arrivals, tasks)


@contextmanager
def dask_cluster(address: str) -> Iterator[Executor]:
    """Yield the executor of the Dask cluster whose scheduler listens at `tcp://host:8786`.

    Raises UsageError if the extra is not installed, MachineError if no scheduler or no worker answers.
    """
    try:
        distributed = import_module("distributed")  # an optional extra
    except ImportError as error:
        raise UsageError("--scheduler needs Dask", "pip install 'rst-or-fin[dask]'") from error
    try:
        client = distributed.Client(address, timeout=_SCHEDULER_TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise MachineError(
            f"no Dask scheduler answers at {address}: {error}",
            "start one with `dask scheduler`, and `dask worker ADDRESS` where there is a Docker Engine",
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_SCHEDULER_TIMEOUT_S)
        except TimeoutError as error:
            raise MachineError(
                f"the Dask scheduler at {address} has no worker",
                f"start one on a machine that has a Docker Engine: `dask worker {address}`",
            ) from error
        executor: Executor = client.get_executor(pure=False, retries=0)
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)


def _collect(
    futures: Mapping[Future[list[CellResult]], CellGroup],
    arrivals: queue.SimpleQueue[CellResult | Future[list[CellResult]]],
    tasks: WorkerTasks,
) -> Iterator[CellResult]:
    """Yield each cell's result once, when it arrives or with its group; if neither does, as lost."""
    patience_s = max((_longest_s(group, tasks) for group in futures.values()), default=0.0)
    missing = {id(group): list(group.cells) for group in futures.values()}
    for future in futures:
        future.add_done_callback(arrivals.put)
    pending = dict(futures)
    while pending:
        try:
            arrival = arrivals.get(timeout=patience_s)
        except queue.Empty:
            break
        if isinstance(arrival, Future):
            group = pending.pop(arrival)
            results, why = _results(arrival)
        else:
            group = next(g for g in pending.values() if arrival.cell in g.cells)
            results, why = [arrival], ""
        for result in results:
            if result.cell in missing[id(group)]:
                missing[id(group)].remove(result.cell)
                yield result
        if why:
            yield from _lost(missing[id(group)], why)
    for group in pending.values():
        yield from _lost(missing[id(group)], f"no result came within {patience_s:.0f} s")


def _results(future: Future[list[CellResult]]) -> tuple[list[CellResult], str]:
    """Return a group's results; or none, and why."""
    if future.cancelled():
        return [], "it was cancelled"
    error = future.exception()
    if error is not None:
        return [], f"its worker was lost: {type(error).__name__}: {error}"
    return future.result(), ""


def _lost(missing: Sequence[Cell], why: str) -> Iterator[CellResult]:
    for cell in missing:
        yield CellResult(
            cell=cell, reply=WorkerReply(error=why, hint="run it again"), files={}, duration_s=0.0
        )


def _longest_s(group: CellGroup, tasks: WorkerTasks) -> float:
    return _OPENINGS * tasks.open_s + len(group.cells) * tasks.cell_s + tasks.discard_s + _SLACK_S


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def _remove_leftovers() -> None:
    """Remove from the engine, if there is one, what a killed process has left there.

    The engine still carries out a request that the process had made, so what that creates appears a little
    later.
    """
    try:
        client = engine.connect()
    except MachineError:
        return  # then there is nothing on it either
    deadline = time.monotonic() + _LATE_S
    try:
        while True:
            ownership.remove(client, ownership.orphans(client))
            if time.monotonic() > deadline:
                return
            time.sleep(_LATE_S / 5)
    except RstOrFinError as error:
        print(f"rst-or-fin: {error}; `rst-or-fin clean` tries again", file=sys.stderr)
    finally:
        client.close()


def main() -> None:
    """Play a group read from stdin, and write its results to stdout."""
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # keep what is printed meanwhile out of the answer
        group, tasks = pickle.load(sys.stdin.buffer)
        pickle.dump(GroupSupervisor(group, tasks).play(), answer)


if __name__ == "__main__":
    from rst_or_fin.execution import workers  # under its own name: what is pickled must be found again by it

    workers.main()
