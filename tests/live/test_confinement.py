"""A scenario is a program: what it can do on this machine's own runtime, tried by a session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from rst_or_fin.errors import MachineError
from rst_or_fin.testbed.local import LocalTestbed

from tests.support.needs import skip_or_fail
from tests.support.replaying import play

pytestmark = pytest.mark.local

NOBODY = 65534


@pytest.fixture(scope="module")
def testbed() -> Iterator[LocalTestbed]:
    try:
        opened = LocalTestbed()
    except MachineError as error:
        skip_or_fail(str(error))
        raise
    with opened:
        yield opened


def result(testbed: LocalTestbed, line: str) -> str:
    return play(testbed, line).calls[-1].result


def status(testbed: LocalTestbed, field: str) -> str:
    """A field of /proc/self/status, as a program that the session starts has it."""
    said = result(testbed, f'os:cmd("/bin/grep ^{field}: /proc/self/status").')
    return said.strip('"').removesuffix("\\n").partition("\\t")[2]


def test_it_runs_as_nobody_where_root_plays_it(testbed: LocalTestbed) -> None:
    me = os.geteuid()
    assert status(testbed, "Uid").split("\\t") == [str(me or NOBODY)] * 4


@pytest.mark.parametrize("which", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_it_has_no_capability(testbed: LocalTestbed, which: str) -> None:
    assert int(status(testbed, which), 16) == 0


def test_it_gains_no_privileges(testbed: LocalTestbed) -> None:
    assert status(testbed, "NoNewPrivs") == "1"


@pytest.mark.parametrize("folder", ["/var/tmp", "/dev/shm"])
def test_it_writes_nothing_where_everybody_may(testbed: LocalTestbed, folder: str) -> None:
    assert result(testbed, f'file:write_file("{folder}/rst-or-fin-was-here", "x").') == "{error,erofs}"


def test_it_changes_no_setting_of_the_kernel(testbed: LocalTestbed) -> None:
    setting = "/proc/sys/net/ipv4/tcp_sack"
    assert result(testbed, f'file:write_file("{setting}", "0").') in ("{error,erofs}", "{error,eacces}")


def test_it_has_a_scratch_folder_that_is_its_home_and_nobody_elses(testbed: LocalTestbed) -> None:
    line = 'ok = file:write_file(filename:join(os:getenv("HOME"), "mine"), "x"), os:getenv("HOME").'
    assert (result(testbed, line), Path("/tmp/mine").exists()) == ('"/tmp"', False)


def test_it_finds_no_other_programs_sockets(testbed: LocalTestbed) -> None:
    assert result(testbed, 'file:list_dir("/run").') == "{ok,[]}"


def test_it_sees_no_process_but_its_own(testbed: LocalTestbed) -> None:
    numbers = '[P || P <- element(2, file:list_dir("/proc")), hd(P) >= $0, hd(P) =< $9].'
    # Its process 1, itself, and what it started: erl_child_setup, and inet_gethost twice.
    assert len(result(testbed, numbers).split(",")) <= 5


def command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            yield path.read_bytes()


def test_no_process_list_shows_the_cookie(testbed: LocalTestbed) -> None:
    lines = list(command_lines())
    assert any(b"session_node" in line for line in lines)
    assert not any(testbed._cookie.encode() in line for line in lines)


def test_the_cookies_file_is_its_users_alone(testbed: LocalTestbed) -> None:
    line = 'os:cmd("/bin/ls -l /tmp/.erlang.cookie").'
    assert result(testbed, line).startswith('"-r-------- ')


REMOUNTED = """
import os
from rst_or_fin.netns import mounts, namespaces
try:
    namespaces.unshare(namespaces.CLONE_NEWNS)
except PermissionError:
    namespaces.unshare_as_user(namespaces.CLONE_NEWNS)
mounts.make_private("/")
mounts.remount_read_only()
with open("/proc/self/mountinfo") as table:
    places = [line.split()[4] for line in table]
print([place for place in places if not os.statvfs(place).f_flag & os.ST_RDONLY])
"""


def test_mount_by_mount_does_the_same_where_the_kernel_is_older() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REMOUNTED], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
