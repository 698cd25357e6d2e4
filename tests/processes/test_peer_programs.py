"""What each kind of peer's own program refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest
from rst_or_fin.agents.kinds import OPTIONS, flag
from rst_or_fin.scenario import peers


def started(kind: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The kind's own program, with arguments that end it before it opens anything."""
    return subprocess.run(
        [sys.executable, "-m", f"rst_or_fin.{peers.KINDS[kind].module}", "--bind", "192.0.2.1", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _needed(kind: str) -> tuple[str, ...]:
    script: tuple[str, ...] = ("--script=expect S",) if kind.startswith("scripted") else ()
    if kind.startswith("scripted") or kind.endswith("proxy"):
        script += ("--clean-offloads=192.0.2.1",)
    return (*script, "--target=192.0.2.3") if peers.KINDS[kind].connects else script


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_program_takes_no_abbreviation(kind: str) -> None:
    name = max(OPTIONS[kind], key=len)
    done = started(kind, f"{flag(name)[:-1]}=1", *_needed(kind))
    assert (done.returncode, "unrecognized arguments" in done.stderr) == (2, True)


def test_a_program_takes_no_options_that_exclude_each_other() -> None:
    done = started("origin", "--body-bytes=5", "--response-bytes=500")
    assert done.stderr.endswith("--body-bytes and --response-bytes exclude each other\n")
