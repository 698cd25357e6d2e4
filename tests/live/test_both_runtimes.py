"""One behaviour: every scenario that both runtimes can play comes out the same on both."""

from __future__ import annotations

from typing import Any

import pytest
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.storage import scenario_files

from tests.support.commands import Command, document

pytestmark = [pytest.mark.docker, pytest.mark.local, pytest.mark.timeout(600)]

# What must not depend on where the two hosts live. Both play on the embedded release, which containers have
# too: what differs between releases is not asked here. What needs OTP applications is played on this
# machine's own Erlang, whichever that is, and is left out.
SAME = ("outcome", "ending", "peer_ending", "cause", "conn_state", "validity")


def essence(scenario: Scenario, replay: Any) -> dict[str, Any]:
    """What two replays must share: numbers only where the scenario names them; in bulk, timing rules."""
    deciding = [segment["notation"] for segment in replay["deciding"]]
    exact = scenario.expect.closing_segment is not None
    return {
        **{key: replay[key] for key in SAME},
        "deciding": deciding if exact else [notation.split()[0].replace("P", "") for notation in deciding],
    }


EMBEDDED = "28"


def played(command: Command, runtime: str) -> dict[str, Any]:
    scenarios = [
        s
        for s in (scenario_files.find(name).scenario for name in scenario_files.names())
        if not s.race and not s.node.applications
    ]
    where = ("--runtime", runtime, "--otp", EMBEDDED)
    result = document(command("run", *(s.name for s in scenarios), "--json", *where))
    replays = {run["scenario"]: run["replays"][0] for run in result["runs"]}
    return {s.name: essence(s, replays[s.name]) for s in scenarios if s.name in replays}


def test_both_runtimes_give_the_same_verdicts(command: Command, client: object) -> None:
    docker, local = played(command, "docker"), played(command, "local")
    shared = docker.keys() & local.keys()
    assert {name: local[name] for name in shared} == {name: docker[name] for name in shared}


def test_what_the_local_runtime_leaves_out_says_why(command: Command, client: object) -> None:
    names = scenario_files.names()
    result = command("run", *names, "--json", "--runtime", "local")
    played_here = {run["scenario"] for run in document(result)["runs"]}
    assert all(f"{name} is left out here: " in result.stderr for name in set(names) - played_here)
