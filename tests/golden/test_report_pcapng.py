"""What tshark reads in the annotated captures that we write."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from rst_or_fin.evidence import pcap
from rst_or_fin.report import pcapng
from rst_or_fin.report.records import Run

from tests.support.needs import skip_or_fail
from tests.support.report_runs import aborted, run
from tests.support.segments import EXCHANGE


def tshark(of: Run, folder: Path, *fields: str) -> list[str]:
    if shutil.which("tshark") is None:
        skip_or_fail("tshark is not installed: apt-get install tshark")
    (folder / "x.pcapng").write_bytes(pcapng.annotated(of))
    done = subprocess.run(
        ["tshark", "-n", "-r", str(folder / "x.pcapng"), "-T", "fields", *fields],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


def test_tshark_shows_the_verdict_at_the_segment_that_decides(tmp_path: Path) -> None:
    lines = tshark(aborted(), tmp_path, "-e", "tcp.flags.reset", "-e", "frame.comment")
    commented = [line for line in lines if "RST: 485 of 485 bytes lay unread at the close" in line]
    assert commented == [lines[-1]]


def test_tshark_reads_nanoseconds(tmp_path: Path) -> None:
    first = next(pcap.frames(aborted().capture))[1].t_ns
    shown = tshark(aborted(), tmp_path, "-e", "frame.time_epoch")[0]
    assert shown == f"{first // 10**9}.{first % 10**9:09d}"


def test_a_replay_that_nothing_decides_is_commented_at_its_last_segment(tmp_path: Path) -> None:
    lines = tshark(run(EXCHANGE), tmp_path, "-e", "frame.comment")
    assert [bool(line) for line in lines] == [False] * (len(lines) - 1) + [True]
