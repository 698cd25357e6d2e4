"""A soak: many replays at a time under random faults; it goes on where it stopped, and leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import campaign


def soaked(out: Path, count: int) -> list[str]:
    """What a campaign up to so many replays prints, first and last line."""
    done = campaign("soak", "--jobs", "2", "--out", str(out), "--count", str(count))
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
