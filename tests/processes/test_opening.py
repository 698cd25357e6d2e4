"""Files and standard input: what cannot be opened is one clear line, what breaks off is one doubt."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from rst_or_fin.capture_file import opening
from rst_or_fin.capture_file.opening import open_captures
from rst_or_fin.errors import UsageError

from tests.support.capture_files import classic
from tests.support.packets import SENT, ethernet, plain, wrapped

FRAMES = wrapped(ethernet, SENT[4])
FILE = classic(FRAMES, magic=0xA1B23C4D)
PROGRAM = """
import sys
from rst_or_fin.capture_file.opening import open_captures
from rst_or_fin.errors import UsageError
try:
    for segment in open_captures(["-"]):
        print(segment.frame_no, flush=True)
except UsageError as error:
    print(error)
"""
AS_IT_COMES = [sys.executable, "-c", PROGRAM]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "dump.pcap"
    path.write_bytes(FILE)
    return path


def test_a_file_is_read(capture: Path) -> None:
    assert plain(open_captures([capture])) == SENT[4]


def test_several_files_are_read_as_one(tmp_path: Path) -> None:
    paths = [tmp_path / f"dump.pcap{number}" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(classic(FRAMES[number * 4 : number * 4 + 4], magic=0xA1B23C4D))
    assert plain(open_captures(paths[::-1])) == SENT[4]


def test_standard_input_is_read_while_it_grows() -> None:
    """Each segment is told before the next record is written."""
    ends = [len(classic(FRAMES[:count])) for count in range(len(FRAMES) + 1)]
    told = []
    with subprocess.Popen(AS_IT_COMES, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(FILE[: ends[0]])
        for start, end in pairwise(ends):
            process.stdin.write(FILE[start:end])
            process.stdin.flush()
            told.append(int(process.stdout.readline()))
    assert told == list(range(1, len(FRAMES) + 1))


def test_a_terminal_is_no_capture() -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(AS_IT_COMES, stdin=theirs, capture_output=True, timeout=60, check=True)
    os.close(ours)
    os.close(theirs)
    assert done.stdout == b"standard input is a terminal\n"


def test_what_cannot_be_opened_is_one_clear_error(tmp_path: Path, capture: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    said = []
    impossible: list[list[str | Path]] = [
        [tmp_path / "nowhere"],
        [tmp_path],
        [Path("/dev/zero")],
        [capture, fifo],
        [capture, "-"],
    ]
    for paths in impossible:
        with pytest.raises(UsageError) as caught:
            open_captures(paths)
        said.append((str(caught.value), bool(caught.value.hint)))
    assert said == [
        (f"{tmp_path / 'nowhere'}: no such file", True),
        (f"{tmp_path} is a folder", True),
        ("/dev/zero is a device", True),
        (f"{fifo} can be read only once", True),
        ("- can be read only once", True),
    ]


def test_a_pipe_is_read_once_somebody_writes_to_it(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", f"sleep 0.2; cat > {fifo}"], stdin=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        writer.stdin.write(FILE)
        writer.stdin.close()
        assert len(list(open_captures([fifo]))) == len(FRAMES)


def test_a_pipe_that_nobody_writes_to_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    monkeypatch.setattr(opening, "_WRITER_S", 0.1)
    with pytest.raises(UsageError, match="no program writes to the pipe"):
        list(open_captures([fifo]))


def test_what_is_no_capture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(UsageError, match=r"notes\.txt: the capture is not a pcap or pcapng file"):
        open_captures([path])


def test_a_disk_that_gives_up_is_one_clear_error() -> None:
    """The first byte of a process's memory cannot be read."""
    with pytest.raises(UsageError, match="Input/output error"):
        open_captures(["/proc/self/mem"])
