"""`judge -` of a growing capture: each connection is told as it ends, and again if that changes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.segments import HANDSHAKE, capture
from tests.unit.test_capture_overview import ABORT, at


def judging(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "rst_or_fin.cli", "judge", "-", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@pytest.mark.parametrize(
    ("later", "arguments", "told"),
    [(6, [], b"  #1 "), (61, ["--json-lines"], b'{"number":1,')],
    ids=["for now", "for good"],
)
def test_a_growing_capture_is_answered_as_connections_end(
    later: int, arguments: list[str], told: bytes
) -> None:
    program = judging(*arguments)
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(capture([*at(ABORT, 0, 40_000), *at(HANDSHAKE, later, 40_001)]))
    program.stdin.flush()
    line = program.stdout.readline()  # while the pipe is open
    program.communicate(timeout=60)
    assert line.startswith(told)


def test_what_was_told_for_now_is_told_again_where_it_changes() -> None:
    """The client goes on 50 s after its RST: that was not its own."""
    seen = [*at(ABORT, 0, 40_000), *at(HANDSHAKE, 6, 40_001), *at("> P. 19:29(10) ack 486", 50, 40_000)]
    said, _ = judging().communicate(capture(seen), timeout=60)
    before_the_overview = said.decode().partition("standard input:")[0]
    assert before_the_overview.count("  #1 ") == 2
