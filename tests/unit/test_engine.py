"""What is ours on the engine, who is still alive, and what the engine's failures are called."""

from __future__ import annotations

from pathlib import Path

import docker.errors
import pytest
import requests
import urllib3.exceptions
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import ownership
from rst_or_fin.engine.ownership import OwnedResource, Owner, living_runs
from rst_or_fin.errors import MachineError, UsageError

HERE = Owner(boot_id="boot-a", pid_namespace=4026531836, pid=100, started=7)
NOW_S = 1_000_000.0


def thing(owner: Owner | None, *, running: bool = False, age_s: float = 3600) -> OwnedResource:
    return OwnedResource(
        kind="container",
        id="c0ffee",
        name="node",
        run_id="run-1",
        owner=owner,
        running=running,
        created_s=NOW_S - age_s,
    )


def owner(boot_id: str = "boot-a", pid_namespace: int = 4026531836) -> Owner:
    return Owner(boot_id=boot_id, pid_namespace=pid_namespace, pid=42, started=9)


def living(*things: OwnedResource, lives: bool = False) -> frozenset[str]:
    return living_runs(things, HERE, lambda pid, started: lives, NOW_S)


def test_an_owner_survives_its_label() -> None:
    assert Owner.parse(str(HERE)) == HERE


@pytest.mark.parametrize("text", ["", "boot", "boot/1/2", "boot/1/2/x", "boot/1/2/3/4", "boot/-1/2/3"])
def test_a_label_that_is_not_ours_names_no_owner(text: str) -> None:
    assert Owner.parse(text) is None


def test_a_run_lives_as_long_as_its_process() -> None:
    assert living(thing(owner()), lives=True) == {"run-1"}


def test_a_run_whose_process_is_gone_is_dead_even_while_its_containers_run() -> None:
    assert living(thing(owner(), running=True), lives=False) == frozenset()


@pytest.mark.parametrize("foreign", [owner(boot_id="boot-b"), owner(pid_namespace=1)])
def test_a_run_from_elsewhere_lives_while_one_of_its_containers_runs(foreign: Owner) -> None:
    assert living(thing(foreign), thing(foreign, running=True)) == {"run-1"}


def test_a_run_from_elsewhere_without_a_running_container_is_dead() -> None:
    assert living(thing(owner(boot_id="boot-b")), lives=True) == frozenset()


def test_a_run_from_elsewhere_gets_the_time_to_start_its_containers() -> None:
    assert living(thing(owner(boot_id="boot-b"), age_s=5)) == {"run-1"}


def test_what_names_no_owner_belongs_to_no_living_run() -> None:
    assert living(thing(None, running=True), lives=True) == frozenset()


def test_this_process_lives() -> None:
    me = ownership.owner()
    assert ownership.process_lives(me.pid, me.started)


def test_a_later_process_with_the_same_number_is_another_one() -> None:
    me = ownership.owner()
    assert not ownership.process_lives(me.pid, me.started - 1)


def test_labels_name_the_run_and_its_owner() -> None:
    assert ownership.labels("run-1") == {"rst-or-fin": "run-1", "rst-or-fin.owner": str(ownership.owner())}


def test_a_missing_socket_is_no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(MachineError, match="there is no socket"):
        engine.connect(timeout_s=1)


def test_a_closed_port_is_an_engine_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(MachineError, match="is not running"):
        engine.connect(timeout_s=1)


def test_a_socket_that_may_not_be_opened_is_a_matter_of_permission() -> None:
    trouble = engine._unreachable(PermissionError(13, "Permission denied"))
    assert "may not open" in str(trouble)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (requests.ConnectionError("gone"), "went away while starting the node"),
        (requests.ReadTimeout("slow"), "did not answer in time while starting the node"),
        (urllib3.exceptions.ProtocolError("broken"), "went away while starting the node"),
        (
            docker.errors.APIError("no", explanation="bad config"),
            "refused while starting the node: bad config",
        ),
        (
            docker.errors.APIError("no", explanation="write /x: no space left on device"),
            "disk is full",
        ),
    ],
)
def test_the_engines_failures_are_one_line_each(error: Exception, said: str) -> None:
    with pytest.raises(MachineError, match=said), engine.calls("starting the node"):
        raise error


def test_our_own_errors_pass_through_unchanged() -> None:
    with pytest.raises(UsageError, match="as it was"), engine.calls("starting the node"):
        raise UsageError("as it was")
