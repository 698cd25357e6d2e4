"""Random faults as every command takes them: `--wire "loss=0.1 delay_ms=50 seed=7"`."""

from __future__ import annotations

import pytest
from rst_or_fin.agents.script import ScriptError
from rst_or_fin.cli import main
from rst_or_fin.scenario.wire import RandomFaults, parse_random
from rst_or_fin.storage import scenario_files


def test_faults_are_names_and_numbers() -> None:
    assert parse_random("loss=0.1 delay_ms=50 seed=7") == RandomFaults(loss=0.1, delay_ms=50, seed=7)


def test_faults_are_told_as_they_are_written() -> None:
    assert parse_random("delay_ms=50 loss=0.1 seed=7").told == "loss=0.1 delay_ms=50 seed=7"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("los=0.1", "the names are: loss"),
        ("loss", "is not NAME=NUMBER"),
        ("loss=0.1 loss=0.2", "`loss` appears twice"),
        ("loss=2", "<= 1"),
        ("delay_ms=-1", ">= 0"),
        ("seed=x", "int"),
    ],
)
def test_what_is_no_fault_is_refused(text: str, why: str) -> None:
    with pytest.raises(ScriptError, match=why):
        parse_random(text)


def test_a_command_with_wrong_faults_ends_with_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", "recv-then-close", "--wire", "los=1"])
    assert (left.value.code, "the names are: loss" in capsys.readouterr().err) == (2, True)


def test_given_faults_stand_in_place_of_a_scenarios_own() -> None:
    faults = RandomFaults(loss=0.5)
    assert scenario_files.find("recv-then-close").under(faults).scenario.random == faults


def test_a_scenario_with_given_faults_needs_a_wire() -> None:
    entry = scenario_files.find("recv-then-close")
    assert (entry.scenario.needs_wire, entry.under(RandomFaults(loss=0.5)).scenario.needs_wire) == (
        False,
        True,
    )
