"""A soak: many replays at a time under random faults; it goes on where it stopped, and leaves nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rst_or_fin.errors import MachineError
from rst_or_fin.testbed import local

from tests.support.needs import skip_or_fail

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def namespaces() -> None:
    """Skip, or fail, where this machine refuses them."""
    try:
        local.probe()
    except MachineError as error:
        skip_or_fail(str(error))


def soaked(out: Path, count: int) -> list[str]:
    """What a campaign up to so many replays prints, first and last line."""
    command = [sys.executable, "-m", "tests.soak.campaign", "--jobs", "2", "--out", str(out)]
    done = subprocess.run(
        [*command, "--count", str(count)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}/harness:{CHECKOUT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return [lines[0].partition(":")[0], lines[-1]]


@pytest.mark.local
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("namespaces")
def test_a_soak_goes_on_where_it_stopped_and_leaves_nothing(tmp_path: Path) -> None:
    told = [soaked(tmp_path, count) for count in (4, 10)]
    assert told == [["4 replays", "left behind: nothing"], ["10 replays", "left behind: nothing"]]
    assert json.loads((tmp_path / "tally.json").read_text())["begun"] == []
