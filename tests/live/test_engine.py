"""What killed runs leave on the engine goes; what living runs use stays."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import images, ownership

if TYPE_CHECKING:
    import docker

pytestmark = pytest.mark.docker


@pytest.fixture
def run_id(client: docker.DockerClient) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    ownership.remove(client, ownership.owned_resources(client, name))


def leave_behind(client: docker.DockerClient, run_id: str, owner: str) -> None:
    """A running container on a network of its own, as a run of that owner makes them."""
    labels = {engine.LABEL: run_id, ownership.OWNER: owner}
    network = client.networks.create(run_id, internal=True, labels=labels)
    client.containers.run(
        images.ensure(client, "peer"),
        ["sleep", "120"],
        name=run_id,
        labels=labels,
        network=network.name,
        detach=True,
        init=True,
    )


def a_dead_process() -> str:
    me = ownership.owner()
    return str(replace(me, started=me.started - 1))


def found(client: docker.DockerClient, run_id: str) -> list[str]:
    return [thing.kind for thing in ownership.orphans(client) if thing.run_id == run_id]


def test_what_a_living_run_uses_is_no_leftover(client: docker.DockerClient, run_id: str) -> None:
    leave_behind(client, run_id, ownership.owner_label())
    assert found(client, run_id) == []


def test_a_dead_runs_container_and_network_are_leftovers(client: docker.DockerClient, run_id: str) -> None:
    leave_behind(client, run_id, a_dead_process())
    assert found(client, run_id) == ["container", "network"]


def test_two_may_remove_the_same_leftovers_at_once(client: docker.DockerClient, run_id: str) -> None:
    leave_behind(client, run_id, a_dead_process())
    things = ownership.owned_resources(client, run_id)
    other = threading.Thread(target=ownership.remove, args=(client, things))
    other.start()
    ownership.remove(client, things)
    other.join(timeout=60)
    assert ownership.owned_resources(client, run_id) == ()
