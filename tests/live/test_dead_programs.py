"""A program that died ends the run soon, with its own last words; other trouble has words of its own."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rst_or_fin.cli import main
from rst_or_fin.errors import MachineError
from rst_or_fin.netns import namespaces
from rst_or_fin.testbed import local
from rst_or_fin.testbed.local import LocalTestbed

from tests.faults import processes
from tests.support.needs import skip_or_fail
from tests.support.replaying import UNREAD, play

pytestmark = pytest.mark.local

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_STARTED_TIMEOUT_S = 60
_SOON_S = 5.0
MANY = ("--repeat", "100000")


@pytest.fixture(scope="module", autouse=True)
def allowed() -> None:
    """Skip, or fail, where this machine refuses namespaces."""
    try:
        local.probe()
    except MachineError as error:
        skip_or_fail(str(error))


def struck(place: Path, role: str) -> tuple[int, str, float]:
    """Kill that process of a run amid its replays: exit code, complaint, seconds until the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "rst_or_fin.cli", *["run", "recv-then-close", "--runtime", "local"], *MANY],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        deadline = time.monotonic() + _STARTED_TIMEOUT_S
        while not any(path.stat().st_size for path in place.glob("runs/*/verdicts.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        processes.kill(processes.local_roles(run.pid)[role])
        began = time.monotonic()
        _, said = run.communicate(timeout=60)
        return run.returncode, said, time.monotonic() - began


@pytest.mark.parametrize(
    ("role", "says"),
    [("server", "the server ended by SIGKILL"), ("inner holder", "the local runtime's holder is gone")],
)
def test_a_program_that_died_ends_the_run_with_its_last_words(tmp_path: Path, role: str, says: str) -> None:
    code, said, took_s = struck(tmp_path, role)
    assert (code, says in said, "Traceback" in said, took_s < _SOON_S) == (4, True, False, True), said


def test_a_node_that_another_hand_killed_is_known_by_its_status() -> None:
    before = processes.below(os.getpid())
    with LocalTestbed() as testbed:
        play(testbed, UNREAD)
        [node] = [
            pid
            for pid in processes.below(os.getpid()) - before
            if b"beam.smp" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        processes.kill(node)
        assert (testbed.node_status(), testbed.link.is_lost()) == (-signal.SIGKILL, True)


def test_where_no_local_port_is_free_the_number_that_waits_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few.scenario.toml"
    catalogued = Path("scenarios/recv-then-close.scenario.toml").read_text(encoding="utf-8")
    ports = '[node.sysctls]\n"net.ipv4.ip_local_port_range" = "40000 40003"\n[precondition]'
    few.write_text(catalogued.replace("[precondition]", ports))
    out = ["--repeat", "6", "--json", "--out", str(tmp_path / "runs")]
    main(["run", str(few), "--runtime", "local", *out])
    doubts = json.loads(capsys.readouterr().out)["runs"][0]["replays"][-1]["doubts"]
    assert any("4 local ports are in TIME_WAIT" in doubt for doubt in doubts), doubts


def test_an_interface_that_is_down_is_named() -> None:
    with LocalTestbed() as testbed:
        holder = processes.local_roles(os.getpid())["inner holder"]
        child = os.fork()
        if child == 0:
            _take_down(holder)
        os.waitpid(child, 0)
        with pytest.raises(MachineError, match="an interface of the test network is down"):
            testbed.drain()


def _take_down(holder: int) -> None:
    """In the holder's network namespace; ends this process."""
    try:
        namespaces.enter_network(os.open(f"/proc/{holder}/ns/net", os.O_RDONLY))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            request = bytearray(struct.pack("16sH22x", b"wire", 0))
            fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
            (flags,) = struct.unpack_from("H", request, 16)
            struct.pack_into("H", request, 16, flags & ~_IFF_UP)
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)
    finally:
        os._exit(0)
