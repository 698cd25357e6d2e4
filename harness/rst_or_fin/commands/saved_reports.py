"""Stored evidence as reports in files: what `report` writes, and --html and --junit of what plays."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from rst_or_fin.analysis.matrix import CellRecord, Combination, Mark
from rst_or_fin.commands.console import progress
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.escaping import visible
from rst_or_fin.execution import cache
from rst_or_fin.report.records import Run, Unplayed
from rst_or_fin.scenario.axes import Axes
from rst_or_fin.storage.find_runs import find_runs
from rst_or_fin.storage.load_run import JudgedRun, load_played_run, load_run


def check_report_options(options: argparse.Namespace) -> None:
    """Raise UsageError if a report's folder does not exist, before anything is played."""
    for name in (options.html, options.junit):
        if name is not None and not Path(name).parent.is_dir():
            raise UsageError(f"there is no folder {visible(str(Path(name).parent))}", "make it first")
        if name is not None and Path(name).is_dir():
            raise UsageError(f"{visible(name)} is a folder", "name a file")


def write_reports(options: argparse.Namespace, folders: Iterable[Path]) -> None:
    """Write what --html and --junit ask for, from these evidence folders."""
    if options.html is not None or options.junit is not None:
        loaded = ((load_run(folder), folder.resolve().name) for folder in folders)
        _write_reports(options, [_run(run, name) for run, name in loaded if run.judgements], [])


def write_matrix_reports(options: argparse.Namespace, root: Path, records: Sequence[CellRecord]) -> None:
    """Write --html and --junit from a matrix's cells, including those that were not played."""
    if options.html is not None or options.junit is not None:
        _write_reports(options, *read_matrix(root, records))


def _write_reports(options: argparse.Namespace, runs: Sequence[Run], unplayed: Sequence[Unplayed]) -> None:
    if not runs and not unplayed:
        progress("nothing was played, so there is nothing to report")
        return
    if options.html is not None:
        from rst_or_fin.report import html

        write(Path(options.html), html.render(runs, unplayed).encode(), "--html")
    if options.junit is not None:
        from rst_or_fin.report import junit

        write(Path(options.junit), junit.render(runs, unplayed), "--junit")


def read_all(given: Iterable[Path]) -> tuple[list[Run], list[Unplayed]]:
    """Read what is in these folders: a run's, those inside, or the cells of a matrix as its table has them.

    Raises UsageError if there is none, or a run holds no replay.
    """
    runs, unplayed = [], []
    for folder in given:
        records = cache.records(folder)
        if records:
            of_matrix = read_matrix(folder, records)
            runs += of_matrix[0]
            unplayed += of_matrix[1]
        else:
            runs += [read_run(found) for found in find_runs(folder)]
    return runs, unplayed


def read_matrix(root: Path, records: Sequence[CellRecord]) -> tuple[list[Run], list[Unplayed]]:
    """Read a matrix's cells. One without evidence gets the axes of another cell of its combination."""
    runs, missing = [], []
    places: dict[Combination, Axes] = {}
    for record in records:
        if record.mark in (Mark.ERROR, Mark.EXCLUDED):
            missing.append(record)
        else:
            runs.append(read_run(root / record.evidence, record.evidence))
            places[record.combination] = runs[-1].axes
    return runs, [_unplayed(record, places) for record in missing]


def _unplayed(record: CellRecord, places: dict[Combination, Axes]) -> Unplayed:
    return Unplayed(
        scenario=record.scenario,
        axes=places.get(record.combination, record.combination.axes),
        is_error=record.mark is Mark.ERROR,
        why=record.why,
        hint=record.hint,
    )


def read_run(folder: Path, name: str = "") -> Run:
    """Read an evidence folder as a run for reports, named `name` or as the folder is.

    Raises UsageError if it is not one, or holds no replay.
    """
    return _run(load_played_run(folder), name or folder.resolve().name)


def write(path: Path, content: bytes, option: str = "--out") -> None:
    """Write a report. Raises MachineError if that fails."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise MachineError(
            f"cannot write {path}: {error.strerror}", f"choose another file with {option}"
        ) from error


def _run(run: JudgedRun, name: str) -> Run:
    manifest = run.evidence.manifest
    return Run(
        folder=visible(name),
        program=manifest.program,
        command_line=manifest.command_line,
        started=manifest.started,
        axes=manifest.axes,
        facts=manifest.facts,
        capture=run.evidence.capture,
        secrets=run.evidence.secrets,
        scenario=run.scenario,
        judgements=run.judgements,
    )
