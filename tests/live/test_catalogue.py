"""Every scenario's expectation can fail: held against its own fresh evidence, its inversion differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness import catalogue, store
from harness.load_run import judge_evidence
from harness.outcome import Outcome
from harness.scenario import Expectation
from harness.tcp import Ending
from tests.live.conftest import Command, document

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


def inverted(expect: Expectation) -> Expectation:
    return Expectation(ending=Ending.FIN if expect.ending is not Ending.FIN else Ending.RST)


def outcome_of(folder: Path, expect: Expectation) -> Outcome:
    evidence = store.read(folder)
    inverse = msgspec.structs.replace(evidence.scenario, expect=expect, variants=())
    [judged] = judge_evidence(replace(evidence, scenario=inverse)).judgements
    return judged.outcome


def test_every_expectation_fails_when_inverted(command: Command, tmp_path: Path) -> None:
    names = [name for name in catalogue.names() if not catalogue.find(name).scenario.race]
    played = {
        run["scenario"]: tmp_path / run["evidence"]
        for run in document(command("run", *names, "--json", "--runtime", "local"))["runs"]
    }
    expected = {
        name: store.read(folder).scenario.at(store.read(folder).manifest.axes).expect
        for name, folder in played.items()
    }
    outcomes = {name: outcome_of(folder, inverted(expected[name])) for name, folder in played.items()}
    assert outcomes == dict.fromkeys(played, Outcome.DIFFERS)
