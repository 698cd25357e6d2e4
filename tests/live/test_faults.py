"""Processes of a run killed, stopped, starved: what came of it is right or has its reason, none is left."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.commands import campaign


@pytest.mark.local
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("namespaces")
def test_20_runs_with_a_fault_each() -> None:
    """The long one is `make faults`."""
    done = campaign("faults", "--count", "20")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.docker
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("client")
def test_3_runs_in_containers_with_a_fault_each() -> None:
    done = campaign("faults", "--count", "3", "--runtime", "docker")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.docker
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("client")
def test_an_engine_that_is_killed_ends_a_run_in_its_own_words_and_leaves_nothing() -> None:
    if os.geteuid() != 0 or shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("an engine of its own takes root and dockerd")
    done = campaign("faults", "--runtime", "engine", "--seed", "3", "--first", "7", "--count", "1")
    assert (done.returncode, done.stderr, shims_elsewhere()) == (0, "", [])


def shims_elsewhere() -> list[str]:
    """The shims of containers that were not started by this machine's own engine: it has its mounts."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"containerd-shim" in (process / "cmdline").read_bytes():
                found.append(os.readlink(process / "ns/mnt"))
    return [mounts for mounts in found if mounts != os.readlink("/proc/self/ns/mnt")]
