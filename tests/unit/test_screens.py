"""What the commands print fits 80 columns."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from rst_or_fin.analysis.matrix import CellRecord, Combination, Mark
from rst_or_fin.cli import main
from rst_or_fin.report import matrix_table
from rst_or_fin.storage import scenario_files

STORED = Path("tests/golden/evidence").resolve()


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["compare", str(STORED)],
        ["judge", str(STORED / "close-with-unread-response")],
        ["judge", str(STORED / "recv-then-close"), "--all"],
        ["report", str(STORED / "close-with-unread-response")],
        *(["explain", name] for name in scenario_files.names()),
    ],
    ids=lambda command: " ".join(Path(word).name for word in command),
)
def test_a_screen_fits(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(command)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("command", ["", "run", "matrix", "sweep", "report", "judge", "bisect", "clean"])
def test_help_fits(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("number", [1, 5, 24])
def test_a_wide_matrix_goes_on_below(number: int) -> None:
    cells = [
        CellRecord(
            scenario=name,
            combination=Combination(otp=str(release)),
            mark=Mark.AS_EXPECTED,
            endings=("RST",),
        )
        for name in ("one", "another-with-a-long-name")
        for release in range(number)
    ]
    lines = matrix_table.text(cells, width=80).splitlines()
    assert (max(map(len, lines)) <= 80, "\n".join(lines).count("RST ok")) == (True, 2 * number)


LONG = "a-scenario-of-somebody-whose-name-goes-on-and-on-beyond-forty-columns"


def _cell(name: str, mark: Mark, counts: tuple[int, ...] = (1,), **combination: Any) -> CellRecord:
    endings = ("RST", "FIN")[: len(counts)]
    return CellRecord(
        scenario=name, combination=Combination(**combination), mark=mark, endings=endings, counts=counts
    )


def test_a_name_is_not_cut() -> None:
    assert LONG in matrix_table.text([_cell(LONG, Mark.AS_EXPECTED)], width=80).splitlines()


def test_what_needs_a_look_has_the_first_rows() -> None:
    cells = [_cell("a", Mark.AS_EXPECTED), _cell("b", Mark.DIFFERS), _cell("c", Mark.INCONCLUSIVE)]
    lines = matrix_table.text(cells, width=80).splitlines()
    assert [line[0] for line in lines[2:5]] == ["b", "c", "a"]


def test_a_long_axis_stands_at_the_side() -> None:
    cells = [
        _cell("a", Mark.AS_EXPECTED, kernel=f"6.{minor}.17", backend=backend)
        for minor in range(9)
        for backend in ("inet", "socket")
    ]
    lines = matrix_table.text(cells, width=80).splitlines()
    assert [line.split() for line in lines[2:5]] == [
        ["inet", "socket"],
        ["a"],
        ["kernel", "6.0.17", "RST", "ok", "RST", "ok"],
    ]


@pytest.mark.parametrize(
    ("mark", "counts", "says"),
    [
        (Mark.RACE, (59, 1), "59 RST, 1 FIN race"),
        (Mark.RACE, (1, 59), "59 FIN, 1 RST race"),
        (Mark.RACE, (60,), "60 RST race"),
        (Mark.RACE, (1,), "RST race"),
        (Mark.AS_EXPECTED, (60,), "RST ok"),
    ],
)
def test_a_race_is_told_with_its_counts(mark: Mark, counts: tuple[int, ...], says: str) -> None:
    assert matrix_table.text([_cell("a", mark, counts)]).splitlines()[2] == f"a  {says}"


def test_endings_that_an_older_program_did_not_count_are_told_without() -> None:
    old = CellRecord(scenario="a", combination=Combination(), mark=Mark.RACE, endings=("RST", "FIN"))
    assert "RST/FIN race" in matrix_table.text([old])


def test_the_terminals_width_is_asked_for() -> None:
    assert shutil.get_terminal_size().columns == 80
