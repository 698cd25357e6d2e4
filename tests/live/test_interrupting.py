"""A run that is interrupted keeps what it has, and its folder gives the verdicts that were printed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rst_or_fin.errors import EXIT_AS_EXPECTED

pytestmark = pytest.mark.local

_MANY = "100000"
_STARTED_TIMEOUT_S = 60


def interrupted(place: Path, number: signal.Signals, *options: str) -> subprocess.CompletedProcess[str]:
    """A run of many replays that gets this signal once two of them are on the disk: one alone is no count."""
    arguments = ("run", "recv-then-close", "--runtime", "local", "--repeat", _MANY, *options)
    with subprocess.Popen(
        [sys.executable, "-m", "rst_or_fin.cli", *arguments],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        deadline = time.monotonic() + _STARTED_TIMEOUT_S
        while not any(path.read_bytes().count(b"\n") >= 2 for path in place.glob("runs/*/verdicts.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(run.pid, number)
        said, errors = run.communicate(timeout=30)
    return subprocess.CompletedProcess(arguments, run.returncode, said, errors)


def judged_again(place: Path) -> subprocess.CompletedProcess[str]:
    [folder] = place.glob("runs/*")
    return subprocess.run(
        [sys.executable, "-m", "rst_or_fin.cli", "judge", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_printed_is_what_the_folder_gives(tmp_path: Path, number: signal.Signals, code: int) -> None:
    run = interrupted(tmp_path, number)
    again = judged_again(tmp_path)
    counts = [re.findall(r"(\d+) replays .*", text) for text in (run.stdout, again.stdout)]
    assert (run.returncode, again.returncode, counts[0]) == (code, EXIT_AS_EXPECTED, counts[1])


def test_the_folder_is_named(tmp_path: Path) -> None:
    [folder] = re.findall(r"Evidence\n +(\S+)", interrupted(tmp_path, signal.SIGINT).stdout)
    assert (tmp_path / folder / "manifest.json").is_file()


def test_json_says_that_it_was_interrupted(tmp_path: Path) -> None:
    said = json.loads(interrupted(tmp_path, signal.SIGINT, "--json").stdout)
    assert (said["interrupted"], said["outcome"]) == (True, "as expected")
