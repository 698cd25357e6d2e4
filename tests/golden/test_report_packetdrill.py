"""What packetdrill, the kernel's own test tool, finds when it plays the scripts of stored runs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from rst_or_fin.report import packetdrill
from rst_or_fin.storage.load_run import load_run

from tests.support import needs

EVIDENCE = Path(__file__).parent / "evidence"
GIVEN_UP = "path-is-cut-retransmissions"  # its kernel fell silent: there is no close to play
OTHER_KERNEL = "-6.12.43"  # behind a run's name: the same, where a kernel had a defect that others have not
NAMES = {path.parent.name for path in EVIDENCE.glob("*/manifest.json")} - {GIVEN_UP}
DEFECT = sorted(name for name in NAMES if f"{name}{OTHER_KERNEL}" in NAMES)
EVERY_KERNEL = sorted(NAMES - {*DEFECT, *(f"{name}{OTHER_KERNEL}" for name in DEFECT)})


def script(name: str) -> str:
    run = load_run(EVIDENCE / name)
    return packetdrill.script(run.judgements[0], name)


def turned(text: str) -> str:
    """The script with a RST for the first FIN that it expects, or a FIN for the first RST."""
    return re.sub(
        r" > (?:(F)P?|R)(?:P?\.| )(.*)",
        lambda found: f" > {'R' if found[1] else 'F'}.{found[2]}",
        text,
        count=1,
    )


def plays(text: str, folder: Path) -> str:
    """Play a script; return what packetdrill objects to, empty where nothing."""
    file = folder / "close.pkt"
    file.write_text(text)
    done = subprocess.run(
        [*needs.packetdrill(), str(file)], capture_output=True, text=True, check=False, timeout=60
    )
    assert bool(done.returncode) == bool(done.stderr)
    return done.stderr


@pytest.mark.parametrize("name", EVERY_KERNEL)
def test_a_kernel_does_again_what_was_captured(name: str, tmp_path: Path) -> None:
    assert plays(script(name), tmp_path) == ""


@pytest.mark.parametrize("name", EVERY_KERNEL)
def test_a_kernel_that_ended_otherwise_would_be_found_out(name: str, tmp_path: Path) -> None:
    assert "live packet field tcp_" in plays(turned(script(name)), tmp_path)


def test_a_rst_behind_the_last_line_would_be_found_out(tmp_path: Path) -> None:
    fin_only = script("shutdown-write-half-open").splitlines()[:-1]
    asked = script("shutdown-write-peer-closes").splitlines()[-2:]  # as of a connection that ended in order
    assert "live packet field tcp_rst" in plays("\n".join([*fin_only, *asked, ""]), tmp_path)


@pytest.mark.parametrize("name", DEFECT)
def test_a_kernel_has_the_defect_or_not(name: str, tmp_path: Path) -> None:
    both = [plays(script(f"{name}{kernel}"), tmp_path) for kernel in ("", OTHER_KERNEL)]
    assert [bool(objections) for objections in both].count(True) == 1
