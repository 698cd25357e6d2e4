"""Processes of a run killed, stopped, starved: what came of it is right or has its reason, none is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rst_or_fin.errors import MachineError
from rst_or_fin.testbed import local

from tests.support.needs import skip_or_fail

CHECKOUT = Path(__file__).resolve().parents[2]


def campaign(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own, which may be the subreaper of all that it starts."""
    return subprocess.run(
        [sys.executable, "-m", "tests.faults.campaign", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}/harness:{CHECKOUT}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def namespaces() -> None:
    """Skip, or fail, where this machine refuses them."""
    try:
        local.probe()
    except MachineError as error:
        skip_or_fail(str(error))


@pytest.mark.local
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("namespaces")
def test_20_runs_with_a_fault_each() -> None:
    """The long one is `make faults`."""
    done = campaign("--count", "20")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.docker
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("client")
def test_3_runs_in_containers_with_a_fault_each() -> None:
    done = campaign("--count", "3", "--runtime", "docker")
    assert (done.returncode, done.stderr) == (0, "")
