"""Who is still alive."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from rst_or_fin.engine import ownership


def test_a_process_that_ended_is_dead_even_while_nobody_has_waited_for_it() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        started = int(Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not ownership.process_lives(child.pid, started)
