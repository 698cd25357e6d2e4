"""A matrix's folder: the evidence of its cells, which of it still holds, and the table of them all.

matrix.json                    the table (rst_or_fin.analysis.matrix.Summary)
COMBINATION/SCENARIO/          one cell's evidence folder (rst_or_fin.storage.evidence_format), and in it
    cell.json                  the digest of the cell's inputs: written last, so it stands for complete
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from rst_or_fin import own_files
from rst_or_fin.analysis.compare import ComparedRun, Unseen
from rst_or_fin.analysis.matrix import FORMAT, Cell, CellRecord, Mark, Summary, same_kernel
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.storage.load_run import load_run

TABLE = "matrix.json"
_CELL = "cell.json"


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    inputs: str


class ResultCache:
    """The folder of a matrix; created when the first result is kept."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path_of(self, cell: Cell) -> str:
        """Return the path of a cell's evidence, relative to the folder."""
        return f"{cell.combination.folder}/{cell.scenario.name}"

    def find(self, cell: Cell, host: str = "") -> ComparedRun | None:
        """Return the cell's evidence, judged anew, or None if the cell must be played.

        That holds where the evidence is whole, was made from the same inputs, and on the kernel that the cell
        asks for. `host` is the release of the host's own kernel, where that is known.
        """
        folder = self._root / self.path_of(cell)
        try:
            note = msgspec.json.decode((folder / _CELL).read_bytes(), type=_Note)
            if note != _note(cell):
                return None
            run = read(folder)
        except (OSError, msgspec.DecodeError, UsageError):
            return None  # not there, or damaged: played again either way
        whole = len(run.judgements) == cell.repeat
        return run if whole and same_kernel(cell.combination.kernel, run.axes.kernel, host) else None

    def store(self, cell: Cell, files: Mapping[str, bytes], *, complete: bool) -> ComparedRun | None:
        """Put a cell's evidence in place of any older, and judge it; return None if it cannot be read.

        Raises MachineError if the folder cannot be written.
        """
        folder = self._root / self.path_of(cell)
        fresh = folder.with_name(f".{folder.name}.new")
        try:
            if not files:
                return None  # whatever is there stays: nothing takes its place
            if fresh.exists():
                shutil.rmtree(fresh)
            fresh.mkdir(parents=True)
            for name, content in files.items():
                (fresh / Path(name).name).write_bytes(content)
            if complete:
                (fresh / _CELL).write_bytes(msgspec.json.encode(_note(cell)) + b"\n")
            if folder.exists():
                shutil.rmtree(folder)
            os.replace(fresh, folder)
        except OSError as error:
            raise MachineError(
                f"cannot write the evidence to {folder}: {error.strerror}",
                "free some space, or write elsewhere with --out DIR; what had been written is kept",
            ) from error
        try:
            return read(folder)
        except UsageError:
            shutil.rmtree(folder)  # a worker that was killed before its first replay leaves half a file
            return None

    def write_table(self, summary: Summary) -> None:
        """Write matrix.json as a whole or not at all. Raises MachineError."""
        text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            own_files.replace(self._root / TABLE, text + b"\n")
        except OSError as error:
            raise MachineError(
                f"cannot write {self._root / TABLE}: {error.strerror}", "write elsewhere with --out DIR"
            ) from error


def read(folder: Path) -> ComparedRun:
    """Read and judge one evidence folder. Raises UsageError if it is not one, or is damaged."""
    run = load_run(folder)
    return ComparedRun(
        source=str(folder),
        axes=run.evidence.manifest.axes,
        scenario=run.evidence.scenario,
        judgements=run.judgements,
    )


def records(folder: Path) -> tuple[CellRecord, ...]:
    """Return the cells of a matrix's folder, played or not; none if it is not a matrix's.

    Raises UsageError if the table cannot be read.
    """
    table = folder / TABLE
    if not table.is_file():
        return ()
    try:
        return msgspec.json.decode(table.read_bytes(), type=Summary).cells
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{table} is not a matrix table: {error}", "play the matrix again") from error


def was_left_out(record: CellRecord) -> bool:
    """Return whether a cell left no evidence: it is excluded, or failed."""
    return not record.evidence and record.mark in (Mark.ERROR, Mark.EXCLUDED)


def unplayed(folder: Path) -> list[Unseen]:
    """Return the cells of a matrix's folder that left no evidence. Raises UsageError as `records` does."""
    return [
        Unseen(
            scenario=record.scenario,
            where=", ".join(record.combination.words),
            why=f"{record.mark.word}: {record.why}",
            is_error=record.mark is Mark.ERROR,
        )
        for record in records(folder)
        if was_left_out(record)
    ]


def _note(cell: Cell) -> _Note:
    return _Note(format=FORMAT, inputs=cell.inputs)
