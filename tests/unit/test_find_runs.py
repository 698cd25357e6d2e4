"""Where evidence is found: a run's folder, a sweep's, a matrix's, and the newest of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rst_or_fin.cli import main
from rst_or_fin.errors import UsageError
from rst_or_fin.storage.find_runs import find_runs, newest_run


def made(root: Path, *names: str) -> Path:
    for age, name in enumerate(names):
        (root / name).mkdir(parents=True)
        (root / name / "manifest.json").write_text("{}")
        os.utime(root / name / "manifest.json", (1000 + age, 1000 + age))
    return root


def test_a_runs_folder_is_itself(tmp_path: Path) -> None:
    assert find_runs(made(tmp_path, "a") / "a") == [tmp_path / "a"]


def test_a_sweeps_values_come_by_their_numbers(tmp_path: Path) -> None:
    made(tmp_path, "Read=10", "Read=9", "Read=100")
    assert [folder.name for folder in find_runs(tmp_path)] == ["Read=9", "Read=10", "Read=100"]


def test_a_matrixs_cells_are_found_below_their_combination(tmp_path: Path) -> None:
    made(tmp_path, "otp27/recv", "otp28/recv")
    assert [folder.parent.name for folder in find_runs(tmp_path)] == ["otp27", "otp28"]


def test_a_cell_that_is_being_put_in_place_is_passed_over(tmp_path: Path) -> None:
    made(tmp_path, "otp27/recv", "otp27/.recv.new")
    assert [folder.name for folder in find_runs(tmp_path)] == ["recv"]


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no evidence"):
        find_runs(tmp_path)


def test_the_newest_is_a_whole_sweep_where_that_was_last(tmp_path: Path) -> None:
    made(tmp_path, "run", "sweep/Read=1", "sweep/Read=2")
    assert newest_run(tmp_path).name == "sweep"


def test_the_newest_needs_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no evidence"):
        newest_run(tmp_path)


@pytest.mark.parametrize("command", ["run", "sweep", "matrix", "remedies", "bisect"])
def test_a_report_without_a_folder_to_go_to_is_told_before_anything_starts(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {
        "run": ["recv-then-close"],
        "sweep": ["recv-10-of-485", "--vary", "Read", "--from", "1", "--to", "2"],
        "bisect": ["recv-then-close", "--from", "1", "--to", "2"],
    }
    code = main([command, *own.get(command, []), "--html", "nowhere/page.html"])
    assert (code, capsys.readouterr().err) == (
        2,
        "rst-or-fin: there is no folder nowhere\n  hint: make it first\n",
    )


def test_a_folder_that_is_not_there_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        find_runs(tmp_path / "NO-SUCH-FOLDER")
