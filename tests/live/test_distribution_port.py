"""The Erlang node's distribution port answers its driver alone, from wherever else somebody knocks."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from rst_or_fin.engine import images, ownership
from rst_or_fin.testbed.docker import DockerTestbed
from rst_or_fin.testbed.spec import TestbedSpec

if TYPE_CHECKING:
    import docker

pytestmark = pytest.mark.docker

PORT = 4370
# Connects over each of its own network cards, too: bound to one, a SYN gets out without a route.
KNOCK = """
import socket, sys
for address in sys.argv[2:]:
    for card in ["", *(name for _, name in socket.if_nameindex() if name != "lo")]:
        with socket.socket() as knocking:
            knocking.settimeout(1)
            try:
                if card:
                    knocking.setsockopt(socket.SOL_SOCKET, 25, card.encode())
                knocking.connect((address, int(sys.argv[1])))
            except OSError as error:
                print("refused", address, card, error)
            else:
                print("open", address, card)
"""


@pytest.fixture(scope="module", params=["27", "29"])
def testbed(client: docker.DockerClient, request: pytest.FixtureRequest) -> Iterator[DockerTestbed]:
    with DockerTestbed(client, TestbedSpec(otp=request.param)) as opened:
        yield opened


def addresses(client: docker.DockerClient, testbed: DockerTestbed) -> list[str]:
    """The node's, on the test network and on that of its driver."""
    networks: dict[str, Any] = client.api.inspect_container(testbed._node.id)["NetworkSettings"]["Networks"]
    return [network["IPAddress"] for network in networks.values()]


def knocked(client: docker.DockerClient, container: str, addresses: list[str], port: int = PORT) -> list[str]:
    order = client.api.exec_create(container, ["python3", "-c", KNOCK, str(port), *addresses], user="nobody")
    said: str = client.api.exec_start(order["Id"]).decode()
    return said.splitlines()


def server_of(client: docker.DockerClient, testbed: DockerTestbed) -> str:
    made = ownership.owned_resources(client, str(testbed.facts()["run"]))
    (found,) = (thing.id for thing in made if thing.name.endswith("-server"))
    return found


def test_the_peers_container_is_refused(client: docker.DockerClient, testbed: DockerTestbed) -> None:
    said = knocked(client, server_of(client, testbed), addresses(client, testbed))
    assert [line for line in said if not line.startswith("refused")] == []


def test_the_peers_container_can_knock_at_all(client: docker.DockerClient, testbed: DockerTestbed) -> None:
    said = knocked(client, server_of(client, testbed), [testbed.server.address], testbed.server.port)
    assert "open" in said[0]


@pytest.fixture
def neighbour(client: docker.DockerClient) -> Iterator[str]:
    """A container on the engine's default bridge."""
    made = client.containers.create(images.ensure(client, "peer"), ["sleep", "60"], cap_drop=["ALL"])
    try:
        made.start()
        yield str(made.id)
    finally:
        made.remove(force=True)


def test_another_bridge_is_refused(
    client: docker.DockerClient, testbed: DockerTestbed, neighbour: str
) -> None:
    said = knocked(client, neighbour, addresses(client, testbed))
    assert [line for line in said if not line.startswith("refused")] == []


def test_this_machine_is_refused_at_the_nodes_own_addresses(
    client: docker.DockerClient, testbed: DockerTestbed
) -> None:
    """A routed neighbour comes in as this machine's own connections do: through the network's bridge."""
    for address in addresses(client, testbed):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, PORT), timeout=1).close()


def test_the_driver_goes_on_being_answered(testbed: DockerTestbed) -> None:
    assert testbed.link.wait_until_ready(5)
