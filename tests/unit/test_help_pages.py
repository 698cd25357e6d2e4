"""The pages that a wheel's user reads in the terminal."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from rst_or_fin.agents.kinds import OPTIONS
from rst_or_fin.cli import main
from rst_or_fin.commands.help_pages import TOPICS
from rst_or_fin.scenario.model import Expectation, Scenario

MADE_BY_A_CALLER = {"given", "chance"}


def page(topic: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["help", topic]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_fits(
    topic: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = page(topic, capsys).splitlines()
    assert [line for line in lines if len(line) > width and not line.startswith("    ")] == []


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_has_no_marks_of_its_making(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not re.search(r"<!--|\[\[\[|\]\(|^\|", page(topic, capsys), re.MULTILINE)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_wheel_carries_the_page(topic: str) -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert carried[f"docs/{topic}.md"] == f"rst_or_fin/_data/docs/{topic}.md"


def test_a_page_that_is_none_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert (main(["help", "nothing"]), "scenarios, servers" in capsys.readouterr().err) == (2, True)


def test_every_field_of_a_scenario_is_on_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    text = page("scenarios", capsys)
    fields = {*Scenario.__struct_fields__, *Expectation.__struct_fields__} - MADE_BY_A_CALLER
    assert [name for name in sorted(fields) if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_peer_and_option_is_on_the_page(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = page("scenarios", capsys)
    assert [name for name in (kind, *OPTIONS[kind]) if f"`{name}`" not in text] == []
