"""`rst-or-fin report`: which folders it reads, where the report goes, and what it refuses with a hint."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rst_or_fin.cli import main
from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_ENVIRONMENT, EXIT_USAGE

from tests.support.cases import ABORT_ON_CLOSE, heard, replay
from tests.unit.test_store import write

TEXTS = ("html", "markdown", "text", "svg", "mermaid", "json", "junit")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder of two runs' evidence, each of one replay."""
    for name in ("first", "second"):
        write(tmp_path / "runs" / name, [(replay(raised=ABORT_ON_CLOSE), heard("ECONNRESET"))])
    return tmp_path / "runs"


def report(*arguments: str | Path) -> int:
    return main(["report", *map(str, arguments)])


@pytest.mark.parametrize("kind", TEXTS)
def test_every_format_goes_to_stdout(runs: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert report(runs / "first", "--format", kind) == EXIT_AS_EXPECTED
    assert "19:19(0) ack 486" in capfd.readouterr().out


@pytest.mark.parametrize("kind", [*TEXTS, "pcapng"])
def test_every_format_goes_to_a_file(runs: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    out = runs.parent / "out"
    report(runs / "first", "--format", kind, "--out", out)
    assert (out.stat().st_size > 0, capfd.readouterr().out) == (True, "")


def test_a_folder_of_runs_stands_for_all_of_them(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report(runs, "--format", "json")
    assert [run["evidence"] for run in json.loads(capfd.readouterr().out)["runs"]] == ["first", "second"]


def test_a_report_of_a_difference_is_a_report(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert report(runs, "--format", "json") == EXIT_AS_EXPECTED
    assert json.loads(capfd.readouterr().out)["outcome"] == "differs"


def test_what_no_person_looks_at_has_no_colour(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report(runs)
    assert "\x1b" not in capfd.readouterr().out


@pytest.mark.parametrize("kind", ["svg", "mermaid", "pcapng"])
def test_a_format_of_one_run_refuses_two(runs: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert report(runs, "--format", kind) == EXIT_USAGE
    assert "give one evidence folder" in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["text", "svg", "mermaid", "packetdrill"])
def test_a_replay_that_there_is_not_is_refused(
    runs: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert report(runs / "first", "--format", kind, "--replay", "7") == EXIT_USAGE
    assert "its replays are 0 to 0" in capfd.readouterr().err


def test_a_folder_without_evidence_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert report(tmp_path) == EXIT_USAGE
    assert "holds no evidence" in capfd.readouterr().err


def test_a_run_without_a_replay_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "empty", [])
    assert report(tmp_path / "empty") == EXIT_USAGE
    assert "holds no replay" in capfd.readouterr().err


def test_a_file_that_cannot_be_written_is_named(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert report(runs, "--out", runs / "no" / "such" / "place") == EXIT_ENVIRONMENT
    assert "cannot write" in capfd.readouterr().err


def test_the_last_run_need_not_be_named(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    os.utime(runs / "first" / "manifest.json", (1, 1))
    monkeypatch.chdir(runs.parent)
    report("--last", "--format", "json")
    assert [run["evidence"] for run in json.loads(capfd.readouterr().out)["runs"]] == ["second"]


def test_a_run_has_to_be_named_somehow(capfd: pytest.CaptureFixture[str]) -> None:
    assert (report(), "--last" in capfd.readouterr().err) == (EXIT_USAGE, True)


def test_folders_of_folders_are_reports_too(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report(runs.parent, "--format", "json")
    assert len(json.loads(capfd.readouterr().out)["runs"]) == 2
