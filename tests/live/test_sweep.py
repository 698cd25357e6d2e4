"""Sweeps as a user runs them: the threshold, its evidence, and what is said where there is not just one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import Command, document

pytestmark = pytest.mark.docker

RUNTIME = ("--runtime", "docker")
READ = ("sweep", "recv-10-of-485", "--vary", "Read", "--from", "1", "--to", "485")


def test_the_last_byte_read_turns_the_reset_into_a_fin(command: Command, client: object) -> None:
    done = command(*READ, "--json", *RUNTIME)
    found = document(done)
    assert (done.returncode, found["method"], found["sentence"]) == (
        0,
        "bisection",
        "RST up to Read=484, FIN from Read=485",
    )


def test_every_point_keeps_its_evidence_and_is_judged_the_same_again(
    command: Command, client: object, tmp_path: Path
) -> None:
    found = document(command(*READ, "--points", "3", "--json", *RUNTIME))
    again = [document(command("judge", point["evidence"], "--json")) for point in found["points"]]
    assert [(a["outcome"], a["replays"][0]["ending"]) for a in again] == [
        ("measured", "RST"),
        ("measured", "RST"),
        ("measured", "FIN"),
    ]


def test_what_was_found_lies_beside_the_evidence(command: Command, client: object, tmp_path: Path) -> None:
    found = document(command(*READ, "--points", "2", "--json", *RUNTIME))
    assert json.loads((tmp_path / found["evidence"] / "sweep.json").read_text()) == found


def test_a_server_option_moves_with_its_parameter(command: Command, client: object) -> None:
    sizes = ("--vary", "Response", "--from", "999", "--to", "1002", "--json")
    found = document(command("sweep", "packet-line-read-ahead", *sizes, *RUNTIME))
    assert (found["sentence"], [point["unread"] for point in found["points"]]) == (
        "FIN up to Response=1000, RST from Response=1001",
        [[0], [0], [1], [2]],
    )


def test_a_sweep_of_a_server_option_keeps_its_testbed(
    command: Command, client: object, tmp_path: Path
) -> None:
    sizes = ("--vary", "Response", "--from", "999", "--to", "1002", "--json")
    found = document(command("sweep", "packet-line-read-ahead", *sizes, *RUNTIME))
    manifests = [
        json.loads((tmp_path / p["evidence"] / "manifest.json").read_text()) for p in found["points"]
    ]
    assert [m["facts"]["server"]["options"]["response_bytes"] for m in manifests] == [999, 1000, 1001, 1002]
    assert len({m["facts"]["run"] for m in manifests}) == 1


def test_the_table_ends_with_the_sentence(command: Command, client: object) -> None:
    done = command(*READ, "--points", "2", "--repeat", "3", *RUNTIME)
    assert "RST up to Read=1, FIN from Read=485 (nothing was looked at between 1 and 485)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("recv-10-of-485", "--vary", "Speed", "--from", "1", "--to", "2"), "no parameter 'Speed'"),
        (("recv-then-close", "--vary", "Read", "--from", "1", "--to", "2"), "docs/scenarios.md"),
        (("recv-10-of-485", "--vary", "Read", "--from", "2", "--to", "2"), "--from must be below --to"),
    ],
)
def test_what_cannot_be_swept_is_wrong_usage(command: Command, arguments: tuple[str, ...], says: str) -> None:
    done = command("sweep", *arguments)
    assert (done.returncode, says in done.stderr) == (2, True)
