"""What the commands print fits 80 columns."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from rst_or_fin.analysis.matrix import Combination, Mark, Record
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
        Record(
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


def test_the_terminals_width_is_asked_for() -> None:
    assert shutil.get_terminal_size().columns == 80
