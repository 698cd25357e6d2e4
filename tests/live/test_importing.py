"""What was imported from a capture ends as the capture does: every stored run's, played again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rst_or_fin.cli import main
from rst_or_fin.errors import MachineError
from rst_or_fin.testbed import local

from tests.support.commands import Command
from tests.support.needs import skip_or_fail

pytestmark = pytest.mark.local

EVIDENCE = Path(__file__).parents[1] / "golden" / "evidence"
GIVEN_UP = "path-is-cut-retransmissions"  # open where its capture ends: its kernel fell silent
RUNS = sorted({path.parent.name for path in EVIDENCE.glob("*/capture.pcap")} - {GIVEN_UP})


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    try:
        local.probe()
    except MachineError as error:
        skip_or_fail(str(error))


@pytest.mark.parametrize("name", RUNS)
def test_what_is_imported_of_a_stored_run_ends_as_that_did(
    name: str, command: Command, tmp_path: Path
) -> None:
    dump = EVIDENCE / name / "capture.pcap"
    assert main(["import", str(dump), "--connection", "1", "--out", str(tmp_path / "my.scenario.toml")]) == 0
    files = sorted(path.name for path in tmp_path.glob("*.toml"))
    done = command("run", *files, "--runtime", "local", "--json")
    outcomes = {json.dumps(run["outcome"]) for run in json.loads(done.stdout)["runs"]}
    assert (done.returncode, outcomes) == (0, {'"as expected"'})
