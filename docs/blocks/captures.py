"""Connections of stored captures, as the commands show and import them."""

from __future__ import annotations

from pathlib import Path

from rst_or_fin.analysis.captured import Case, JudgedCapture, Known
from rst_or_fin.analysis.importing import CaseSource, end_to_play
from rst_or_fin.analysis.importing import imported as import_case
from rst_or_fin.capture_file.reading import read
from rst_or_fin.report import capture_text, times


def captured(path: str, number: int) -> str:
    """Show what `judge --connection` prints."""
    return f"```text\n{capture_text.detail(_case(path, number))}\n```"


def imported(path: str, number: int, cause: str) -> str:
    """Show the scenario that `import` writes for one candidate."""
    case = _case(path, number)
    source = CaseSource(case=case, where=Path(path).name, when=times.date_time(case.first_ns))
    found = import_case(source, end_to_play(case), payload=None)
    text = next(each.text for each in found if each.cause == cause)
    return f"```toml\n{text}```"


def _case(path: str, number: int) -> Case:
    cases = JudgedCapture(read([Path(path).read_bytes()]), Known())
    return next(case for case in cases if case.number == number)
