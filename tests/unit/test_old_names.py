"""What was called otherwise is accepted under its old name, with a notice, until 1.0."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rst_or_fin.cli import main
from rst_or_fin.scenario.model import parse
from rst_or_fin.tcp.precondition import Precondition

from tests.support.bad_inputs import GOOD

VARIANT = """
[[variants]]
when = { otp = [">=28"] }
reference = "-"
expect = { ending = "RST" }
gate = { unread = 1 }
"""
OLD = 'before = "recv-then-close"\n' + GOOD.replace("[precondition]", "[gate]") + VARIANT
NEW = OLD.replace("before", "remedy_for").replace("gate", "precondition")


def test_the_old_fields_are_read_as_the_new_ones() -> None:
    assert parse(OLD, "my.toml") == parse(NEW, "my.toml")


def test_a_variants_precondition_is_one_of_them() -> None:
    assert parse(OLD, "my.toml").variants[0].precondition == Precondition(unread=1)


def test_each_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.scenario.toml"
    file.write_text(OLD)
    code = main(["check", str(file)])
    lines = [line for line in capsys.readouterr().err.splitlines() if "called" in line]
    assert (code, lines) == (
        0,
        [
            f"rst-or-fin: {file}:{OLD.splitlines().index(start) + 1}: `{old}` is called `{new}` now;"
            " the old name is accepted until 1.0"
            for start, old, new in (
                ('before = "recv-then-close"', "before", "remedy_for"),
                ("[gate]", "gate", "precondition"),
                ("gate = { unread = 1 }", "gate", "precondition"),
            )
        ],
    )


def test_a_mistake_under_the_old_name_has_its_own_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.scenario.toml"
    text = OLD.replace("received = 0", "recieved = 0")
    file.write_text(text)
    main(["check", str(file)])
    line = text.splitlines().index("recieved = 0") + 1
    assert f"{file}:{line}: precondition.recieved: unknown field" in capsys.readouterr().err


def test_both_names_at_once_are_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.scenario.toml"
    file.write_text(NEW + "[gate]\nunread = 0\n")
    code = main(["check", str(file)])
    assert (code, "gate: unknown field" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("command", [["list", "--theme", "cures"], ["cures", "recv-then-close-not-there"]])
def test_the_command_and_its_theme_are_told(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(command)
    assert "rst-or-fin: `cures` is called `remedies` now" in capsys.readouterr().err


def test_explain_prints_both_names_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list", "--json"])
    listed = json.loads(capsys.readouterr().out)
    assert [each["before"] for each in listed] == [each["remedy_for"] for each in listed] != []
