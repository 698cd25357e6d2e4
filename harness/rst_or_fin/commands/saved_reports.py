"""Stored evidence as reports in files: what `report` writes, and --html and --junit of what plays."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from rst_or_fin.commands.console import progress
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.escaping import visible
from rst_or_fin.report.records import Run
from rst_or_fin.storage.load_run import load_run


def check_report_options(options: argparse.Namespace) -> None:
    """Raise UsageError where a report's folder does not exist, before anything is played."""
    for name in (options.html, options.junit):
        if name is not None and not Path(name).parent.is_dir():
            raise UsageError(f"there is no folder {visible(str(Path(name).parent))}", "make it first")
        if name is not None and Path(name).is_dir():
            raise UsageError(f"{visible(name)} is a folder", "name a file")


def write_reports(options: argparse.Namespace, folders: Iterable[Path]) -> None:
    """Write what --html and --junit ask for, from these evidence folders."""
    if options.html is None and options.junit is None:
        return
    runs = [run for run in map(_read, folders) if run.judgements]
    if not runs:
        progress("nothing was played, so there is nothing to report")
        return
    if options.html is not None:
        from rst_or_fin.report import html

        write(Path(options.html), html.render(runs).encode(), "--html")
    if options.junit is not None:
        from rst_or_fin.report import junit

        write(Path(options.junit), junit.render(runs), "--junit")


def read_run(folder: Path) -> Run:
    """Read one evidence folder for reports. Raises UsageError for none, or one without a replay."""
    run = _read(folder)
    if not run.judgements:
        raise UsageError(f"{folder} holds no replay: the run ended before its first one did", "run it again")
    return run


def write(path: Path, content: bytes, option: str = "--out") -> None:
    """Write a report. Raises MachineError where that fails."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise MachineError(
            f"cannot write {path}: {error.strerror}", f"choose another file with {option}"
        ) from error


def _read(folder: Path) -> Run:
    run = load_run(folder)
    manifest = run.evidence.manifest
    return Run(
        folder=visible(folder.resolve().name),
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
