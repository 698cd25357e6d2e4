"""Processes of a run killed, stopped, starved: what came of it is right or has its reason, none is left."""

from __future__ import annotations

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
