"""The wire that breaks on purpose, between containers: the same verdicts; killed, it leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rst_or_fin.agents import wire
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import ownership
from rst_or_fin.errors import RstOrFinError
from rst_or_fin.runner import replay as runner
from rst_or_fin.storage import scenario_files
from rst_or_fin.testbed.docker import DockerTestbed
from rst_or_fin.testbed.spec import TestbedSpec
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Outcome

from tests.support.needs import skip_or_fail

if TYPE_CHECKING:
    import docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def client() -> docker.DockerClient:
    try:
        return engine.connect()
    except RstOrFinError as error:
        skip_or_fail(f"{error}; {error.hint}")


def played(
    client: docker.DockerClient, name: str, folder: Path, family: int = 4, at_call: object = None
) -> Iterator[Assessment]:
    entry = scenario_files.find(name)
    request = runner.Request(
        scenario=entry.scenario,
        scenario_text=entry.text,
        repeat=1,
        folder=folder / "run",
        command_line=("test",),
    )

    def never() -> DockerTestbed:
        raise AssertionError("one replay needs one testbed")

    with DockerTestbed(client, TestbedSpec(hosts=entry.scenario.hosts, family=family)) as testbed:
        yield from runner.run(request, testbed, never, at_call)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", ["our-fin-is-lost", "middlebox-resets-inside-the-window"])
def test_a_scenario_is_as_expected(
    client: docker.DockerClient, tmp_path: Path, name: str, family: int
) -> None:
    (judged,) = played(client, name, tmp_path, family)
    assert (judged.outcome, judged.verdict.doubts) == (Outcome.AS_EXPECTED, ())


def ours(client: docker.DockerClient, role: str) -> set[str]:
    """The containers of this process in that role: other runs on the engine have such ones too."""
    things = (thing for thing in ownership.owned_resources(client) if thing.owner == ownership.owner())
    return {thing.name for thing in things if thing.name.endswith(f"-{role}")}


def test_a_killed_wire_makes_the_replay_inconclusive_and_leaves_nothing(
    client: docker.DockerClient, tmp_path: Path
) -> None:
    calls = 0

    def kill(call: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            for name in ours(client, "wire"):
                client.api.kill(name)

    (judged,) = played(client, "our-fin-is-lost", tmp_path, at_call=kill)
    assert any("the wire between the hosts ended" in doubt for doubt in judged.verdict.doubts)
    assert ours(client, "wire") | ours(client, "peer-capture") == set()


def test_the_wire_goes_before_what_keeps_the_processors_busy(
    client: docker.DockerClient, tmp_path: Path
) -> None:
    found: list[str] = []

    def look(call: object) -> None:
        found.extend(
            niceness
            for name in ours(client, "wire")
            for _, niceness in client.api.top(name, "-o pid,ni")["Processes"]
        )

    _ = list(played(client, "our-fin-is-lost", tmp_path, at_call=look))
    assert set(found) == {str(wire.NICENESS)}
