"""The whole catalogue, played once on each runtime: it ends alike on both, and every expectation can fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from rst_or_fin.scenario.model import Expectation, Scenario
from rst_or_fin.storage import evidence_reader, scenario_files
from rst_or_fin.storage.load_run import judge_evidence
from rst_or_fin.tcp.ending import Ending
from rst_or_fin.verdict.outcome import Outcome

from tests.support import oracle
from tests.support.commands import document
from tests.support.our_reading import as_we_read_it

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

NAMES = scenario_files.names()
SCENARIOS = {name: scenario_files.find(name).scenario for name in NAMES}


class Played(NamedTuple):
    """A catalogue that was played: its runs by scenario, and what was said of those that were not."""

    runs: dict[str, Any]
    said: str
    folder: Path

    def evidence(self, name: str) -> Path:
        return self.folder / str(self.runs[name]["evidence"])


class Playing:
    """The catalogue while it is played."""

    def __init__(self, folder: Path, names: list[str], *where: str) -> None:
        self._folder = folder
        command = [sys.executable, "-m", "rst_or_fin.cli", "run", *names, "--json", *where]
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            self._run = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err)

    def end(self) -> None:
        self._run.terminate()
        self._run.wait()

    def played(self) -> Played:
        code = self._run.wait()
        said = (self._folder / "err").read_text()
        done = subprocess.CompletedProcess((), code, (self._folder / "out").read_text(), said)
        return Played({run["scenario"]: run for run in document(done)["runs"]}, said, self._folder)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """All of it, in namespaces; on the embedded release, but for what that cannot do."""
    return Playing(tmp_path_factory.mktemp("local"), NAMES, "--runtime", "local").played()


# What must not depend on where the two hosts live. Both play on the embedded release, which containers have
# too: what differs between releases is not asked here. What needs OTP applications, or Elixir, is played on
# this machine's own Erlang, whichever that is, and is left out.
SAME = ("outcome", "ending", "peer_ending", "cause", "conn_state", "validity")
EMBEDDED = "28"
ON_EMBEDDED = [name for name, s in SCENARIOS.items() if not s.race and not s.hosts.applications]


def essence(scenario: Scenario, replay: Any) -> dict[str, Any]:
    """What two replays must share: numbers only where the scenario names them; in bulk, timing rules.

    Behind a proxy, it is the proxy's clock that says whose FIN comes first, and so what else is seen.
    """
    if scenario.server.kind.endswith("-proxy"):
        return {key: replay[key] for key in ("outcome", "ending", "validity")}
    deciding = [segment["notation"] for segment in replay["deciding"]]
    exact = scenario.expect.closing_segment is not None
    return {
        **{key: replay[key] for key in SAME},
        "deciding": deciding if exact else [notation.split()[0].replace("P", "") for notation in deciding],
    }


@pytest.fixture(scope="module")
def in_containers(client: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Playing]]:
    """What can be played alike, in containers, in two halves, beside the local one."""
    where = "--runtime", "docker", "--otp", EMBEDDED
    playing = [
        Playing(tmp_path_factory.mktemp("docker"), half, *where)
        for half in (ON_EMBEDDED[::2], ON_EMBEDDED[1::2])
    ]
    yield playing
    for each in playing:
        each.end()


@pytest.mark.docker
def test_both_runtimes_give_the_same_verdicts(in_containers: list[Playing], local: Played) -> None:
    docker = {name: run for each in in_containers for name, run in each.played().runs.items()}
    shared = [name for name in ON_EMBEDDED if name in local.runs and name in docker]
    here, there = (
        {name: essence(SCENARIOS[name], runs[name]["replays"][0]) for name in shared}
        for runs in (local.runs, docker)
    )
    assert here == there != {}


def test_what_the_local_runtime_leaves_out_says_why(local: Played) -> None:
    left_out = [name for name in NAMES if name not in local.runs]
    assert all(f"{name} is left out here: " in local.said for name in left_out)


def inverted(expect: Expectation) -> Expectation:
    return Expectation(ending=Ending.FIN if expect.ending is not Ending.FIN else Ending.RST)


def outcome_when_inverted(folder: Path) -> Outcome:
    evidence = evidence_reader.read(folder)
    expect = evidence.scenario.at(evidence.manifest.axes).expect
    inverse = msgspec.structs.replace(evidence.scenario, expect=inverted(expect), variants=())
    [judged] = judge_evidence(replace(evidence, scenario=inverse)).judgements
    return judged.outcome


def test_every_expectation_fails_when_inverted(local: Played) -> None:
    """A race has no expectation that could."""
    expecting = [name for name in local.runs if not SCENARIOS[name].race]
    outcomes = {name: outcome_when_inverted(local.evidence(name)) for name in expecting}
    assert outcomes == dict.fromkeys(expecting, Outcome.DIFFERS)


WIRED = [name for name, scenario in SCENARIOS.items() if scenario.rules]


def test_tshark_sees_in_both_captures_of_a_wire_what_we_see(local: Played, tmp_path: Path) -> None:
    captures = [
        local.evidence(name) / f"capture{end}.pcap"
        for name in WIRED
        if name in local.runs
        for end in ("", "-peer")
    ]
    seen = {path: oracle.read(path, tmp_path).segments for path in captures}
    assert seen == {path: as_we_read_it(path.read_bytes()) for path in captures} != {}
