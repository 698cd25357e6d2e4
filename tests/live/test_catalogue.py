"""Every scenario's expectation can fail: held against its own fresh evidence, its inversion differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from rst_or_fin.scenario.model import Expectation
from rst_or_fin.storage import evidence_folder, scenario_files
from rst_or_fin.storage.load_run import judge_evidence
from rst_or_fin.tcp.ending import Ending
from rst_or_fin.verdict.outcome import Outcome

from tests.support.commands import Command, document

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


def inverted(expect: Expectation) -> Expectation:
    return Expectation(ending=Ending.FIN if expect.ending is not Ending.FIN else Ending.RST)


def outcome_of(folder: Path, expect: Expectation) -> Outcome:
    evidence = evidence_folder.read(folder)
    inverse = msgspec.structs.replace(evidence.scenario, expect=expect, variants=())
    [judged] = judge_evidence(replace(evidence, scenario=inverse)).judgements
    return judged.outcome


def test_every_expectation_fails_when_inverted(command: Command, tmp_path: Path) -> None:
    names = [name for name in scenario_files.names() if not scenario_files.find(name).scenario.race]
    played = {
        run["scenario"]: tmp_path / run["evidence"]
        for run in document(command("run", *names, "--json", "--runtime", "local"))["runs"]
    }
    expected = {
        name: evidence_folder.read(folder).scenario.at(evidence_folder.read(folder).manifest.axes).expect
        for name, folder in played.items()
    }
    outcomes = {name: outcome_of(folder, inverted(expected[name])) for name, folder in played.items()}
    assert outcomes == dict.fromkeys(played, Outcome.DIFFERS)
