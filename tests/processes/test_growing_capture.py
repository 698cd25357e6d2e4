"""A capture that is still being written is answered as it grows."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.segments import HANDSHAKE, capture
from tests.unit.test_capture_overview import ABORT, at


def test_a_growing_capture_is_answered_as_connections_end() -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "rst_or_fin.cli", "judge", "-", "--json-lines"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(capture([*at(ABORT, 0, 40_000), *at(HANDSHAKE, 6, 40_001)]))
    program.stdin.flush()
    told = json.loads(program.stdout.readline())  # while the pipe is open
    program.stdin.close()
    program.wait(timeout=60)
    program.stdout.close()
    assert (told["number"], told["client_ending"]) == (1, "RST")
