"""What a worker process does for a cell: open its testbed, and play it into an evidence folder.

A worker process serves one group of cells, one after another, and keeps their testbed in between. Whatever
comes in and goes out is plain data that can be pickled.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path

import msgspec

from rst_or_fin.analysis.matrix import Cell, Combination, same_kernel
from rst_or_fin.errors import MachineError, RstOrFinError
from rst_or_fin.runner.player import Player
from rst_or_fin.runner.pool import TestbedPool
from rst_or_fin.runner.replay import axes_of
from rst_or_fin.scenario.model import SUFFIX
from rst_or_fin.storage.scenario_files import Entry
from rst_or_fin.testbed.select import choose
from rst_or_fin.testbed.spec import TestbedSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReply:
    """What a worker answers: why the cell is excluded, or what went wrong and what to do; or nothing."""

    excluded: str = ""
    error: str = ""
    hint: str = ""


_pools: dict[Combination, TestbedPool] = {}  # at most one: this process serves one group


def initialize() -> None:
    """Make this worker process end with its parent, and ignore Ctrl-C, which the parent handles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with_parent, args=(parent.sentinel,), daemon=True).start()


def prepare(cell: Cell) -> WorkerReply:
    """Open the cell's testbed unless it is open already, and say whether the cell is excluded there."""
    try:
        if cell.combination not in _pools:
            _pools[cell.combination] = TestbedPool(
                choose(_spec(cell.combination), _print_progress), _print_progress
            )
        pool = _pools[cell.combination]
        why = pool.excluded_beforehand(cell.scenario)
        if why:
            return WorkerReply(excluded=why)
        _check_kernel(cell.combination.kernel, axes_of(pool.get(cell.scenario)).kernel)
        return WorkerReply(excluded=pool.excluded(cell.scenario))
    except RstOrFinError as error:
        discard()
        return _failed(error)


def play(cell: Cell, folder: str, command_line: tuple[str, ...]) -> WorkerReply:
    """Play the cell; `folder` then holds the evidence, also of a run that failed midway."""
    player = Player(_pools[cell.combination], repeat=cell.repeat, command_line=command_line)
    entry = Entry(scenario=cell.scenario, text=cell.text, path=Path(f"{cell.scenario.name}{SUFFIX}"))
    try:
        for _ in player.play(entry, Path(folder)):
            pass
    except RstOrFinError as error:
        discard()
        return _failed(error)
    return WorkerReply()


def discard() -> None:
    """Close whatever testbed is open, so that the next cell gets a fresh one."""
    for pool in _pools.values():
        pool.discard()


def _exit_with_parent(parent: int) -> None:
    wait([parent])
    os._exit(1)  # containers and namespaces end with us


def _check_kernel(asked: str, running: str) -> None:
    """Raise MachineError unless the testbed runs the requested kernel."""
    if not same_kernel(asked, running):
        raise MachineError(
            f"the testbed runs kernel {running}, not the {asked} that was asked for",
            "rebuild its image: `rst-or-fin kernels build`",
        )


def _spec(combination: Combination) -> TestbedSpec:
    return TestbedSpec(**msgspec.structs.asdict(combination))


def _failed(error: RstOrFinError) -> WorkerReply:
    return WorkerReply(error=str(error), hint=error.hint)


def _print_progress(line: object) -> None:
    """Print progress (an image that is being made) without the output of its steps."""
    if not getattr(line, "detail", False):
        print(f"rst-or-fin: {line}", file=sys.stderr, flush=True)
