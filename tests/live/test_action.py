"""What the GitHub Action does, by its script: plays a folder, sums it up, ends as the worst outcome does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rst_or_fin.storage import scenario_files

pytestmark = pytest.mark.local

SCRIPT = Path(".ci/play-scenarios").resolve()
ACTION = Path("action.yml").read_text(encoding="utf-8")


def play(place: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the script in that folder as the action runs it."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(place / "summary.md"),
        "GITHUB_OUTPUT": str(place / "output"),
        "RST_OR_FIN_RUNTIME": "local",
        **{f"RST_OR_FIN_{name.upper()}": value for name, value in inputs.items()},
    }
    return subprocess.run(
        ["bash", SCRIPT], cwd=place, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository with a folder of scenarios."""
    (tmp_path / "scenarios" / "deep").mkdir(parents=True)
    text = scenario_files.find("recv-then-close").text
    (tmp_path / "scenarios" / "deep" / "mine.scenario.toml").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_folder_is_played_and_summed_up(place: Path) -> None:
    done = play(place)
    assert done.returncode == 0, done.stderr
    assert "> gen_tcp:close/1 sends a FIN" in (place / "summary.md").read_text()


def test_the_action_ends_as_the_worst_outcome_does(place: Path) -> None:
    [mine] = place.glob("**/mine.scenario.toml")
    mine.write_text(mine.read_text().replace('ending = "FIN"', 'ending = "RST"', 1))
    done = play(place)
    assert (done.returncode, "exit-code=1" in (place / "output").read_text()) == (1, True)


def test_a_folder_without_scenarios_is_told(tmp_path: Path) -> None:
    done = play(tmp_path, scenarios=str(tmp_path))
    assert (done.returncode, "there is no *.scenario.toml" in done.stderr) == (2, True)


def test_an_input_is_never_a_part_of_a_command() -> None:
    inserted = [line for line in ACTION.splitlines() if "${{" in line]
    assert [line for line in inserted if not re.fullmatch(r"\s+[\w-]+: \$\{\{ [\w.-]+ \}\}\S*", line)] == []


def test_every_input_reaches_the_script() -> None:
    inputs = re.findall(r"^  ([\w-]+):\n    description:.*\n    default:", ACTION, re.MULTILINE)
    given = re.findall(r"^        RST_OR_FIN_(\w+): ", ACTION, re.MULTILINE)
    assert [name.upper() for name in inputs] == given


def test_a_folder_that_is_not_there_is_told(place: Path) -> None:
    done = play(place, scenarios="scenarois")
    assert (done.returncode, "there is no folder scenarois" in done.stderr) == (2, True)
