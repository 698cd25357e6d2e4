"""The documentation cannot go stale unseen: each test spoils a copy of it, and the check must say so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVIDENCE = "tests/golden/evidence"
RUN = f"{EVIDENCE}/close-with-unread-response"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The pages with all that they are made from."""
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=leave_out)
    shutil.copytree(ROOT / EVIDENCE, tmp_path / EVIDENCE)
    for name in ("README.md", "Makefile"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def refresh(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "docs/refresh.py", *arguments],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def faults(copy: Path) -> str:
    """What the check has to say, all of it; empty where it passes."""
    checked = refresh(copy, "--check")
    return "" if checked.returncode == 0 else checked.stdout + checked.stderr


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before, f"{path.name} has nothing to change"
    path.write_text(after, encoding="utf-8")


def test_the_pages_are_what_the_evidence_gives(copy: Path) -> None:
    assert faults(copy) == ""


def test_a_changed_verdict_is_found(copy: Path) -> None:
    rewrite(copy / RUN / "verdicts.jsonl", lambda text: text.replace('"ending":"RST"', '"ending":"FIN"', 1))
    assert f"{RUN}/verdicts.jsonl is not the verdict that the evidence gives" in faults(copy)


def test_changed_evidence_is_found_on_the_page_and_in_the_drawing(copy: Path) -> None:
    rewrite(copy / RUN / "counters.jsonl", lambda text: text.replace('"unread":485', '"unread":484', 1))
    found = faults(copy)
    assert "README.md  (changed)" in found
    assert "docs/ladders/close-with-unread-response.svg is not what the evidence gives" in found


def test_a_changed_result_is_found_in_the_tables(copy: Path) -> None:
    rewrite(
        copy / "docs/data/otp.json", lambda text: text.replace('"endings": ["RST"]', '"endings": ["FIN"]', 1)
    )
    assert "docs/results.md  (changed)" in faults(copy)


def test_a_page_changed_by_hand_is_found(copy: Path) -> None:
    rewrite(copy / "README.md", lambda text: text.replace("485 of 485 bytes unread", "all bytes unread"))
    assert "README.md  (changed)" in faults(copy)


def test_a_changed_drawing_is_found(copy: Path) -> None:
    rewrite(copy / "docs/ladders/recv-then-close.svg", lambda text: text.replace("F. 19:19", "R. 19:19"))
    assert "docs/ladders/recv-then-close.svg is not what the evidence gives" in faults(copy)


def test_a_changed_schema_is_found(copy: Path) -> None:
    rewrite(copy / "docs/scenario.schema.json", lambda text: text.replace("zero linger", "no linger"))
    assert "docs/scenario.schema.json is not what the code gives" in faults(copy)


def test_an_option_that_was_described_by_hand_is_found(copy: Path) -> None:
    rewrite(copy / "docs/scenarios.md", lambda text: text.replace("send one urgent byte", "send one byte"))
    assert "docs/scenarios.md  (changed)" in faults(copy)


def test_an_example_that_would_not_pass_its_check_is_found(copy: Path) -> None:
    rewrite(copy / "docs/scenarios.md", lambda text: text.replace("unread = 485", "unraed = 485", 1))
    assert "example.scenario.toml:12: precondition.unraed: unknown field" in faults(copy)


def test_a_drawing_that_no_page_shows_is_found(copy: Path) -> None:
    (copy / "docs/ladders/left-over.svg").write_text("<svg/>", encoding="utf-8")
    assert "docs/ladders/left-over.svg is shown by no page" in faults(copy)


def test_a_scenario_without_a_section_is_found(copy: Path) -> None:
    (copy / "docs/catalogue/races.md").unlink()
    assert "the scenario send-and-close-at-once has no section" in faults(copy)


def test_a_scenario_that_was_changed_since_its_result_is_found(copy: Path) -> None:
    def of_another_session(text: str) -> str:
        return re.sub(r'("recv-then-close": ")[0-9a-f]+', r"\g<1>0000", text)

    rewrite(copy / "docs/data/otp.json", of_another_session)
    assert "recv-then-close was played as it is no more" in faults(copy)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("rst-or-fin run recv-then-close --oops", "unrecognized arguments: --oops"),
        ("rst-or-fin replay recv-then-close", "invalid choice: 'replay'"),
        ("rst-or-fin run recv-than-close", "there is no scenario recv-than-close"),
        ("rst-or-fin judge runs/nowhere", "ends with exit code 2"),
        ("make docs-chek", "there is no `make docs-chek`"),
    ],
)
def test_a_command_that_nobody_can_type_is_found(copy: Path, line: str, complaint: str) -> None:
    rewrite(copy / "docs/reading.md", lambda text: f"{text}\n```sh\n{line}\n```\n")
    assert complaint in faults(copy)


def test_what_was_spoiled_is_mended_by_writing_it_again(copy: Path) -> None:
    rewrite(copy / "README.md", lambda text: text.replace("485 of 485 bytes unread", "all bytes unread"))
    (copy / "docs/ladders/recv-then-close.svg").unlink()
    refresh(copy)
    assert faults(copy) == ""


def test_a_matrix_that_was_not_played_to_its_end_is_not_kept(copy: Path) -> None:
    cut_short = copy / "matrix.json"
    cut_short.write_text(json.dumps({"finished": None, "cells": []}), encoding="utf-8")
    assert refresh(copy, "--keep", str(cut_short)).returncode == 1
