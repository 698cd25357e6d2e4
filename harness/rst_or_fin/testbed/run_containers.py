"""Makes the containers of one run: confined, labelled as the run's, and removed with it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rst_or_fin.engine import client as engine
from rst_or_fin.engine import ownership
from rst_or_fin.testbed.container_stdio import ContainerStdio

if TYPE_CHECKING:
    import docker

NOBODY = 65534

# What no container of ours gets beyond: no privilege can be gained, nothing is written to its own disk.
_CONFINED: dict[str, Any] = {
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "read_only": True,
    "mem_limit": "512m",
    "memswap_limit": "512m",
    "pids_limit": 128,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Networking:
    """How a container is on networks: on one of the engine's, in another container's namespace, or on none.

    `published` is a port of its own that this machine reaches on 127.0.0.1; `host` is what else of the
    engine's HostConfig is about its networks.
    """

    network: str = ""
    address: str = ""
    published: int = 0
    host: Mapping[str, Any]

    @classmethod
    def on(cls, network: str, address: str = "", *, published: int = 0, sysctls: Any = None) -> Networking:
        """Put it on a network of the engine's, at that address or at any."""
        host = {} if sysctls is None else {"sysctls": sysctls}
        return cls(network=network, address=address, published=published, host=host)

    @classmethod
    def within(cls, container: str) -> Networking:
        """Put it into another container's network namespace."""
        return cls(host={"network_mode": f"container:{container}"})

    @classmethod
    def apart(cls, host: Mapping[str, Any]) -> Networking:
        """Put it into a namespace of its own, which no network of the engine's reaches."""
        return cls(host={"network_mode": "none", **host})


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of the run, made and attached to, which starts when it is told to."""

    id: str
    stdio: ContainerStdio
    client: docker.DockerClient

    def start(self) -> None:
        """Start its program."""
        self.client.api.start(self.id)

    def output_of(self, command: Sequence[str], doing: str) -> bytes:
        """Run a command in it, and return what that wrote to stdout. `doing` completes "… while …"."""
        with engine.calls(doing):
            order = self.client.api.exec_create(self.id, list(command), stderr=False)
            output: bytes = self.client.api.exec_start(order["Id"])
        return output


class RunContainers:
    """The containers of one run. Use as a context manager: they are removed with it, and its networks too."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.run_id = secrets.token_hex(6)
        self.labels = ownership.labels(self.run_id)
        self._undo = ExitStack()

    def __enter__(self) -> RunContainers:
        self._undo.callback(self._remove_everything)
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def create(
        self,
        role: str,
        image: str,
        networking: Networking,
        command: list[str],
        *,
        spoken_of: str = "",
        working_dir: str | None = None,
        as_ours: Mapping[str, Any] | None = None,
        **host: Any,
    ) -> Container:
        """Create a container and attach to it. `role` is in its name, `spoken_of` how errors call it.

        `as_ours` is what an image that we did not make lacks, `host` what this container gets beyond others.
        """
        api = self.client.api
        endpoints: Any = None  # the SDK's stubs want another type than the SDK's own documentation
        if networking.network:
            host["network_mode"] = networking.network
            endpoint = api.create_endpoint_config(**_at(networking.address))
            endpoints = {"EndpointsConfig": {networking.network: endpoint}}
        if networking.published:
            host["port_bindings"] = {networking.published: ("127.0.0.1", None)}
        created = str(
            api.create_container(
                image,
                command,
                name=f"rst-or-fin-{self.run_id}-{role}",
                labels=self.labels,
                working_dir=working_dir,
                **(as_ours or {}),
                ports=[networking.published] if networking.published else None,
                stdin_open=True,  # its end of file tells the program that its driver is gone
                networking_config=endpoints,
                host_config=api.create_host_config(**_CONFINED, **networking.host, **host),
            )["Id"]
        )
        stdio = ContainerStdio(self.client, created, spoken_of or role)
        self._undo.callback(stdio.close)
        return Container(id=created, stdio=stdio, client=self.client)

    def connect(self, container: Container, network: str, address: str) -> None:
        """Put a container on one more network."""
        self.client.api.connect_container_to_network(container.id, network, **_at(address))

    def _remove_everything(self) -> None:
        ownership.remove(self.client, ownership.owned_resources(self.client, self.run_id))


def _at(address: str) -> dict[str, Any]:
    if not address:
        return {}
    return {"ipv6_address" if ":" in address else "ipv4_address": address}
