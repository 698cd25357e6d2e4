"""The node's system calls as a witness: the published pair ends in the same plain close(2) both times."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rst_or_fin.engine import ownership
from rst_or_fin.testbed.docker import DockerTestbed
from rst_or_fin.testbed.spec import TestbedSpec

from tests.support.commands import Command, document

if TYPE_CHECKING:
    import docker

pytestmark = pytest.mark.docker

RUNTIME = ("--runtime", "docker")


def said(run: Any) -> list[str]:
    """What the system call's witness says of each replay."""
    witnesses = [witness for replay in run["replays"] for witness in replay["witnesses"]]
    return [re.sub(r"\d+", "N", w["says"]) for w in witnesses if w["name"] == "the system call"]


def names(folder: Path) -> list[list[str]]:
    lines = [json.loads(line) for line in (folder / "strace.jsonl").read_text().splitlines()]
    return [[call["text"].partition("(")[0] for call in line["calls"]] for line in lines]


def test_the_published_pair_ends_in_the_same_system_call(command: Command, client: object) -> None:
    result = document(command("reproduce", "--strace", "--json", *RUNTIME))
    assert [(run["endings"], said(run)) for run in result["runs"]] == [
        ({"RST": 1}, ["close(N) = N"]),
        ({"FIN": 1}, ["close(N) = N"]),
    ]


def test_the_tested_sockets_calls_are_evidence(command: Command, client: object, tmp_path: Path) -> None:
    [run] = document(command("run", "recv-then-close", "--strace", "--repeat", "3", "--json", *RUNTIME))[
        "runs"
    ]
    assert names(tmp_path / run["evidence"]) == [["connect", "writev", "recvfrom", "close"]] * 3


def test_it_is_judged_again_with_the_same_witness(command: Command, client: object) -> None:
    [run] = document(command("run", "recv-then-close", "--strace", "--json", *RUNTIME))["runs"]
    assert said(document(command("judge", run["evidence"], "--json"))) == said(run) == ["close(N) = N"]


def test_a_shutdown_is_seen_before_the_close(command: Command, client: object) -> None:
    [run] = document(command("run", "shutdown-write-peer-closes", "--strace", "--json", *RUNTIME))["runs"]
    assert said(run) == ["shutdown(N, SHUT_WR) = N, then close(N) = N"]


def test_the_socket_backend_closes_plainly_as_well(command: Command, client: object) -> None:
    done = command("run", "recv-then-close", "--strace", "--backend", "socket", "--json", *RUNTIME)
    assert said(document(done)["runs"][0])[0].endswith("close(N) = N")


def test_without_asking_nothing_is_recorded(command: Command, client: object, tmp_path: Path) -> None:
    [run] = document(command("run", "recv-then-close", "--json", *RUNTIME))["runs"]
    assert (said(run), (tmp_path / run["evidence"] / "strace.jsonl").exists()) == ([], False)


def test_it_takes_no_capability(client: docker.DockerClient) -> None:
    with DockerTestbed(client, TestbedSpec(strace=True)) as testbed:
        run_id = str(testbed.facts()["run"])
        [node] = [b for b in ownership.owned_resources(client, run_id) if b.name.endswith("-node")]
        host = client.api.inspect_container(node.id)["HostConfig"]
    assert (host["CapAdd"], host["CapDrop"], host["Privileged"]) == (None, ["ALL"], False)


def test_the_local_runtime_says_that_it_cannot(command: Command) -> None:
    done = command("run", "recv-then-close", "--strace", "--runtime", "local")
    assert (done.returncode, "--strace needs containers" in done.stderr) == (2, True)
