"""`matrix`: scenarios by axes, side by side on this machine or on a Dask cluster."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import cache
from itertools import product
from pathlib import Path

import msgspec

from rst_or_fin import __version__
from rst_or_fin.analysis.matrix import (
    FORMAT,
    Cell,
    Combination,
    Mark,
    Record,
    Summary,
    check_names,
    worst_mark,
)
from rst_or_fin.commands.console import palette, progress
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import images, kernel_images, kernels
from rst_or_fin.errors import UsageError
from rst_or_fin.execution import run_matrix, workers
from rst_or_fin.execution.cache import ResultCache
from rst_or_fin.execution.workers import WorkerTasks
from rst_or_fin.report import matrix_table
from rst_or_fin.storage import scenario_files
from rst_or_fin.storage.scenario_files import Entry
from rst_or_fin.testbed.select import DEFAULT_OTP, choose


def matrix(options: argparse.Namespace) -> int:
    entries = [scenario_files.find(name) for name in options.scenarios or scenario_files.PUBLISHED_PAIR]
    check_names([entry.scenario for entry in entries])
    runtime = settled_runtime(options)
    cells = [
        cell(entry, combination, options.repeat)
        for combination in combinations(options, runtime)
        for entry in entries
    ]
    shelf = ResultCache(Path(options.out))
    started = _now()
    records: list[Record] = []
    with ExitStack() as stack:
        spread = spread_over(options, stack)
        playing = run_matrix.play(cells, shelf, spread, again=options.again, host=host_kernel(options))
        coming = stack.enter_context(closing(playing))
        for record in coming:
            records.append(record)
            shelf.write_table(_summary(options, started, records, finished=len(records) == len(cells)))
            progress(f"[{len(records)} of {len(cells)}] {matrix_table.line(record)}")
    print(_FORMATS[options.format](_summary(options, started, records, finished=True)), end="", flush=True)
    if all(record.mark is Mark.EXCLUDED for record in records):
        return Mark.TROUBLE.exit_code  # nothing was played, so nothing is as expected
    return worst_mark(records).exit_code


def settled_runtime(options: argparse.Namespace) -> str:
    """The runtime's name: of a cluster's machines each chooses for itself, where nothing was asked for."""
    if options.scheduler or options.runtime != "auto":
        return str(options.runtime)
    kernel = options.kernel[0] if options.kernel else None
    one = argparse.Namespace(runtime="auto", otp=None, backend="inet", family="4", kernel=kernel)
    return choose(one, progress).name


def combinations(options: argparse.Namespace, runtime: str) -> list[Combination]:
    """Every combination of what was asked for on the axes. Raises UsageError for a release that is none."""
    releases = options.otp or ["" if runtime == "local" else DEFAULT_OTP]
    if runtime == "docker":
        for release in releases:
            images.check_otp(release)
    return [
        Combination(runtime=runtime, otp=otp, backend=backend, family=int(family), kernel=kernel)
        for kernel, otp, backend, family in product(
            settled_kernels(options.kernel, runtime), releases, options.backend, options.family
        )
    ]


def settled_kernels(names: Sequence[str], runtime: str) -> list[str]:
    """The kernels by their releases, each once; "" is the host's. `default` stands for the default set.

    Raises UsageError for a kernel that nobody offers (with the nearest), and without containers.
    """
    if not names:
        return [""]
    if runtime == "local":
        raise UsageError("--kernel needs containers", "--runtime docker")
    wanted = [
        kernel
        for name in names
        for kernel in (_default_kernels() if name == "default" else (settled_kernel(name),))
    ]
    return list(dict.fromkeys(wanted))


def settled_kernel(name: str) -> str:
    """A kernel's full release; a path stays what it is, and "host" is "".

    What is there as an image needs no package in the archive. Raises UsageError for a kernel that nobody
    offers, and for a file that is none.
    """
    if name == "host":
        return ""
    if kernel_images.is_path(name):
        kernel_images.own(Path(name))
        return str(Path(name).resolve())
    if kernel_images.is_release(name) and _is_made(name):
        return name
    return kernels.choose(name, offered_kernels()).release


def _default_kernels() -> Iterator[str]:
    """The default set; one that has gone from the archive is a cell's trouble, not the end of all others."""
    for name in kernels.catalogue().default:
        try:
            yield settled_kernel(name)
        except UsageError:
            yield name


def _is_made(release: str) -> bool:
    with closing(engine.connect()) as client:
        return kernel_images.is_made(client, release)


def host_kernel(options: argparse.Namespace) -> str:
    """The release of this machine's kernel, where cells without a kernel of their own are played on that."""
    if options.scheduler or os.environ.get("DOCKER_HOST"):
        return ""
    return kernels.running_release(os.uname().release, os.uname().version)


@cache
def offered_kernels() -> tuple[kernels.Offer, ...]:
    """What there is to choose from, oldest first."""
    with closing(engine.connect()) as client:
        return kernels.offers(client, progress)


def cell(entry: Entry, combination: Combination, repeat: int) -> Cell:
    own = kernel_images.is_path(combination.kernel)
    return Cell(
        scenario=entry.scenario,
        text=entry.text,
        combination=combination,
        repeat=repeat,
        kernel_digest=kernel_images.own(Path(combination.kernel)) if own else "",
    )


def spread_over(options: argparse.Namespace, stack: ExitStack) -> run_matrix.Spread:
    """Where groups of cells are played; what that needs is closed with the stack."""
    steps = WorkerTasks(cell_s=options.limit, command_line=options.command_line)
    if options.scheduler:
        executor = stack.enter_context(workers.dask_cluster(options.scheduler))
        return lambda groups: workers.play_on(executor, groups, steps)
    jobs = options.jobs or len(os.sched_getaffinity(0))
    return lambda groups: workers.play_here(groups, steps, jobs)


def _summary(
    options: argparse.Namespace, started: str, records: Sequence[Record], *, finished: bool
) -> Summary:
    return Summary(
        format=FORMAT,
        program=f"rst-or-fin {__version__}",
        command_line=options.command_line,
        started=started,
        finished=_now() if finished else None,
        mark=worst_mark(records),
        cells=tuple(records),
    )


def _text(summary: Summary) -> str:
    return matrix_table.text(summary.cells, palette()) + "\n"


def _markdown(summary: Summary) -> str:
    return matrix_table.markdown(summary.cells)


def _json(summary: Summary) -> str:
    return msgspec.json.format(msgspec.json.encode(summary), indent=2).decode() + "\n"


_FORMATS: dict[str, Callable[[Summary], str]] = {"text": _text, "markdown": _markdown, "json": _json}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
