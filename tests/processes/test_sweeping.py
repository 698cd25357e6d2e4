"""What a killed process leaves in the temporary folder is swept, and what a living one has there is not."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rst_or_fin import own_files

HOLD = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from rst_or_fin.own_files import temporary_folder
with temporary_folder("cell") as place:
    (place / "evidence").write_bytes(b"x" * 1000)
    print(place, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process with a temporary folder, and that folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_what_a_killed_process_left_is_swept(holding: tuple[subprocess.Popen[str], Path]) -> None:
    process, place = holding
    process.kill()
    process.wait()
    assert (own_files.sweep(), place.exists()) == ([own_files.Swept(path=place, size_bytes=1000)], False)


def test_what_a_living_process_uses_is_not_swept(holding: tuple[subprocess.Popen[str], Path]) -> None:
    _, place = holding
    assert (own_files.sweep(), (place / "evidence").exists()) == ([], True)
