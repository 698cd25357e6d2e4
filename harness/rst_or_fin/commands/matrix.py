"""`matrix`: scenarios by axes, side by side on this machine or on a Dask cluster."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from rst_or_fin import __version__
from rst_or_fin.analysis.matrix import (
    FORMAT,
    CellRecord,
    Summary,
    check_names,
    exit_code,
    worst_mark,
)
from rst_or_fin.commands.argument_types import comma_separated, count
from rst_or_fin.commands.console import (
    columns,
    counting,
    is_verbose,
    palette,
    progress,
    show,
    updates_a_line,
)
from rst_or_fin.commands.play_options import BACKENDS, FAMILIES, RUNTIMES, add_cell_options
from rst_or_fin.commands.saved_reports import write_matrix_reports
from rst_or_fin.execution import cells, run_matrix
from rst_or_fin.execution.cache import ResultCache
from rst_or_fin.execution.workers import WorkerTasks
from rst_or_fin.report import matrix_table
from rst_or_fin.storage import scenario_files
from rst_or_fin.testbed.select import choose
from rst_or_fin.testbed.spec import TestbedSpec


def matrix_options(parser: argparse.ArgumentParser) -> None:
    """Add what `matrix` takes."""
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help="names or .toml files (default: the published pair)"
    )
    parser.add_argument("--runtime", choices=RUNTIMES, default="auto", help="see `run --help`")
    parser.add_argument(
        "--kernel",
        type=comma_separated(),
        metavar="A,B",
        help="kernels: releases, series, `newest`, `default` (the default set), `host`, or bzImage files",
    )
    parser.add_argument(
        "--otp", type=comma_separated(), metavar="A,B", help="Erlang/OTP releases (docker: default 27)"
    )
    parser.add_argument(
        "--backend",
        type=comma_separated(*BACKENDS),
        metavar="A,B",
        default=["inet"],
        help="default: inet",
    )
    parser.add_argument(
        "--family", type=comma_separated(*FAMILIES), metavar="A,B", default=["4"], help="default: 4"
    )
    parser.add_argument(
        "--jobs", type=count, metavar="N", help="testbeds in parallel (default: one per core)"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="play on the Dask cluster of the scheduler at tcp://..."
    )
    parser.add_argument("--format", choices=tuple(_FORMATS), default="text")
    add_cell_options(parser, "runs/matrix")


def matrix(options: argparse.Namespace) -> int:
    """Play the matrix, print its table, and return the exit code of the worst cell."""
    entries = [
        scenario_files.find(name).under(options.wire)
        for name in options.scenarios or scenario_files.PUBLISHED_PAIR
    ]
    check_names([entry.scenario for entry in entries])
    runtime = _runtime(options, scenario_files.not_shipped(entries))
    wanted = [
        cells.cell(entry, combination, options.repeat)
        for combination in cells.combinations(
            runtime=runtime,
            kernels=cells.resolve_kernels(options.kernel, runtime, progress),
            releases=options.otp or (),
            backends=options.backend,
            families=options.family,
        )
        for entry in entries
    ]
    cache = ResultCache(Path(options.out))
    started = _now()
    records: list[CellRecord] = []
    with ExitStack() as stack:
        tasks = WorkerTasks(cell_s=options.limit, command_line=options.command_line)
        spread = cells.spread_over(scheduler=options.scheduler, jobs=options.jobs, tasks=tasks, stack=stack)
        playing = run_matrix.play(
            wanted,
            cache,
            spread,
            again=options.again,
            host=cells.host_kernel(options.scheduler),
            parallelism=cells.parallelism(options.scheduler, options.jobs),
        )
        coming = stack.enter_context(closing(playing))
        one_more = stack.enter_context(counting(len(wanted), "cells"))
        try:
            for record in coming:
                records.append(record)
                cache.write_table(_summary(options, started, records, finished=len(records) == len(wanted)))
                _tell(record, f"[{len(records)} of {len(wanted)}]")
                one_more()
        except BaseException:
            if records:  # an hour of cells is not lost because the next one was not waited for
                _print(_summary(options, started, records, finished=False), options)
            raise
    _print(_summary(options, started, records, finished=True), options)
    write_matrix_reports(options, Path(options.out), records)
    return exit_code(records)


def _tell(record: CellRecord, place: str) -> None:
    """Print a line for every cell where a log is written; on a terminal only for those to look at."""
    if not updates_a_line() or is_verbose() or matrix_table.needs_a_look(record):
        progress(f"{place} {matrix_table.line(record)}")


def _print(summary: Summary, options: argparse.Namespace) -> None:
    text = _FORMATS[options.format](summary).rstrip()
    if options.format == "text":
        show(text)
    else:
        print(text, flush=True)


def _runtime(options: argparse.Namespace, own: Sequence[str] = ()) -> str:
    """Return the name of the runtime; `auto` is left to a cluster's machines."""
    if options.scheduler or options.runtime != "auto":
        return str(options.runtime)
    kernel = options.kernel[0] if options.kernel else ""
    return choose(TestbedSpec(kernel=kernel), progress, own).name


def _summary(
    options: argparse.Namespace, started: str, records: Sequence[CellRecord], *, finished: bool
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
    return matrix_table.text(summary.cells, palette(), columns()) + "\n"


def _markdown(summary: Summary) -> str:
    return matrix_table.markdown(summary.cells)


def _json(summary: Summary) -> str:
    return msgspec.json.format(msgspec.json.encode(summary), indent=2).decode() + "\n"


_FORMATS: dict[str, Callable[[Summary], str]] = {"text": _text, "markdown": _markdown, "json": _json}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
