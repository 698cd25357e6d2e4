"""What reads files works where there is no Unix: with everything hidden that only a Unix has.

No Windows is asked: this Python loses the modules and names that Windows' Python does not have.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STORED = Path("tests/golden/evidence/close-with-unread-response").resolve()

HIDE = """
import sys
from importlib.abc import MetaPathFinder
import os, signal, socket

MODULES = {"fcntl", "termios", "pwd", "grp", "resource", "pty", "tty", "syslog", "readline"}

class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in MODULES:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Hidden())
NAMES = {
    signal: "SIGHUP SIGKILL SIGUSR1 SIG_BLOCK pthread_sigmask",
    os: "fork uname getuid geteuid getgid sched_getaffinity set_blocking setns unshare mkfifo chown"
        " O_NONBLOCK O_NOFOLLOW O_CLOEXEC O_DIRECTORY O_NOCTTY",
    socket: "AF_PACKET AF_NETLINK",
}
for owner, names in NAMES.items():
    for name in names.split():
        if hasattr(owner, name):
            delattr(owner, name)
from rst_or_fin.cli import main
sys.exit(main(sys.argv[1:]))
"""


def elsewhere(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command where there is no Unix."""
    command = [sys.executable, "-c", HIDE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.mark.parametrize(
    "command",
    [
        ["judge", STORED],
        ["judge", STORED / "capture.pcap"],
        ["judge", STORED / "capture.pcap", "--json"],
        ["report", STORED],
        *(["report", STORED, "--format", kind] for kind in ("html", "markdown", "junit", "pcapng", "svg")),
        ["list"],
        ["explain", "recv-then-close"],
        ["check", "recv-then-close"],
        ["schema"],
    ],
    ids=lambda command: " ".join(map(str, command)).replace(str(STORED), "FOLDER"),
)
def test_what_reads_files_works_anywhere(command: list[str | Path]) -> None:
    run = elsewhere(*command)
    assert (run.returncode, run.stderr) == (0, b"")


@pytest.mark.parametrize("command", ["run recv-then-close", "reproduce", "matrix", "clean", "kernels list"])
def test_what_plays_says_what_it_needs(command: str) -> None:
    run = elsewhere(*command.split())
    first, *_ = run.stderr.decode().splitlines()
    assert (run.returncode, first) == (4, f"rst-or-fin: `{command.split()[0]}` needs Linux")


def test_a_doctor_says_what_is_missing() -> None:
    run = elsewhere("doctor")
    said = " ".join(run.stdout.decode().split())
    assert (run.returncode, "this needs Linux: this Python has no fcntl" in said) == (4, True)
