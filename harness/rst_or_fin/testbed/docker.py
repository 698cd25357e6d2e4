"""Two hosts in containers: an Erlang node and a server, on a network that carries only their connection.

Three containers: `node`, `server`, and `capture`, which shares the node's network namespace. The test network
is internal (no route out) and has no published port; the node's distribution port is reached over a second
network, published on 127.0.0.1 only, because a published port ends a connection in docker-proxy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import image_locks, image_table, images, ownership
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.evidence.strace import SystemCall
from rst_or_fin.evidence.tracepoint import Reset
from rst_or_fin.node.link import Link
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.model import Server
from rst_or_fin.scenario.sysctls import pinned_with
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed import credentials_for
from rst_or_fin.testbed.capture_client import CaptureClient
from rst_or_fin.testbed.container_captures import start_capture, start_wire
from rst_or_fin.testbed.node_container import DIST_PORT, NodeContainer
from rst_or_fin.testbed.peer_program import PeerProgram
from rst_or_fin.testbed.run_containers import NOBODY, Networking, RunContainers
from rst_or_fin.testbed.run_networks import make_control_network, make_test_network
from rst_or_fin.testbed.spec import TestbedSpec
from rst_or_fin.testbed.wire_program import WireProgram

if TYPE_CHECKING:
    import docker


_START_TIMEOUT_S = 30.0

# Where node and peer are joined without a network of the engine's, their addresses are theirs alone.
_JOINED = {4: "198.18.0.", 6: "fd00::"}


class DockerTestbed:
    """The Docker testbed; see `rst_or_fin.testbed.Testbed` for what it offers. Use as a context manager."""

    def __init__(
        self,
        client: docker.DockerClient,
        spec: TestbedSpec,
        progress: Callable[[object], None] = lambda line: None,
    ) -> None:
        self._client = client
        self._spec = spec.in_containers()
        self._run = RunContainers(client)
        self._undo = ExitStack()
        self._wire: WireProgram | None = None
        self._at_peer: CaptureClient | None = None
        try:
            with image_locks.using():
                ownership.remove(client, ownership.orphans(client))
                node, peer, server = self._images(progress)
                self._undo.enter_context(self._run)
                with engine.calls("setting up the test network"):
                    self._start(node[1], peer[1], server[1])
                self._facts = self._gathered(dict((node, peer, server)))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> DockerTestbed:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def link(self) -> Link:
        """The control link to the Erlang node."""
        return self._link

    @property
    def server(self) -> Endpoint:
        """Where the server listens on the test network."""
        return self._server

    @property
    def node_address(self) -> str:
        """The node's address on the test network."""
        return self._addresses.node

    @property
    def wire(self) -> WireProgram | None:
        """The program between the hosts, or None."""
        return self._wire

    def drain(self, timeout_s: float = 0.0) -> list[Frame]:
        """Drain the capture; each try is one round trip to it."""
        deadline = time.monotonic() + timeout_s
        while True:
            taken = self._capture.drain()
            if taken or time.monotonic() >= deadline:
                return taken

    def dropped(self) -> int:
        """Return the capture's count."""
        return self._capture.dropped

    @property
    def bindings(self) -> Mapping[str, str]:
        """The certificates, as Erlang terms, where the peer speaks TLS."""
        return self._credentials.bindings if self._credentials is not None else {}

    def secrets(self) -> list[str]:
        """Return new lines of the peer's TLS key log."""
        return self._peer.secrets()

    @property
    def shares_clock(self) -> bool:
        """Whether the node runs on the host's kernel."""
        return self._node.guest is None

    def now_ns(self) -> int:
        """Return the clock of the capture's last drain."""
        return self._capture.now_ns

    def connection_exists(self, one: Endpoint, other: Endpoint) -> bool | None:
        """Ask the captures; only where there is a wire is there one at the peer's end."""
        node = self.node_connection_exists(one, other)
        if node is not False or self._at_peer is None:
            return node or None
        own, peer = self._node_first(one, other)
        return self._at_peer.holds(peer, own)

    def node_connection_exists(self, one: Endpoint, other: Endpoint) -> bool | None:
        """Ask the capture in the node's network; None for a kernel of the node's own."""
        return None if self._node.guest is not None else self._capture.holds(*self._node_first(one, other))

    def _node_first(self, one: Endpoint, other: Endpoint) -> tuple[Endpoint, Endpoint]:
        return (one, other) if one.address == self._addresses.node else (other, one)

    @property
    def kernel_queries_are_local(self) -> bool:
        """False: each question is a round trip to a container."""
        return False

    def counter_tables(self) -> bytes:
        """Read the counters from the capture, or from the guest of a kernel image."""
        guest = self._node.guest
        return self._capture.counter_tables() if guest is None else guest.counter_tables()

    def check(self) -> None:
        """Read the server's log, which fails where it has ended."""
        self._peer.hear(0.0)

    def node_status(self) -> int | None:
        """Read it from the shell around the node; a kernel's guest does not report it."""
        return self._node.status()

    def ports_waiting(self) -> int | None:
        """Read it in the node's container; a guest's kernel is not asked."""
        return self._node.ports_waiting()

    def start_peer(self) -> None:
        """Write the line to the server's standard input."""
        self._peer.connect()

    def serve(self, server: Server) -> None:
        """Reconfigure the peer's program and wait until it confirms."""
        self._peer.become(server)
        self._facts["server"] = _server_facts(server)

    def peer_report(self, client: Endpoint, timeout_s: float) -> PeerReport | None:
        """Read the server's log until the report is there."""
        return self._peer.report(client, timeout_s)

    def system_calls(self, local: Endpoint, remote: Endpoint) -> tuple[SystemCall, ...] | None:
        """Read what strace has recorded in the node's container."""
        return self._node.system_calls(local, remote)

    def resets(self, local: Endpoint, remote: Endpoint) -> tuple[Reset, ...] | None:
        """Ask the guest; the host's own tracepoint is the whole machine's, and is not read."""
        guest = self._node.guest
        return None if guest is None else guest.resets(local, remote)

    def facts(self) -> dict[str, object]:
        """Return a copy of the facts."""
        return dict(self._facts)

    def close(self) -> None:
        """Remove the containers and networks."""
        self._undo.close()

    # Building: whatever was made is taken down again by _undo, in reverse

    def _images(self, progress: Callable[[object], None]) -> list[tuple[str, str]]:
        """Make what images are missing; return those of node, capture and server, each as name and id."""
        wanted = self._spec.hosts.node.image
        if wanted:
            node = wanted, images.own(self._client, wanted)
        else:
            row = self._node_row(progress)
            node = row.name, images.ensure(self._client, row, progress)
        others = "peer", peers.kind_of(self._spec.hosts.server).image
        return [node, *((name, images.ensure(self._client, name, progress)) for name in others)]

    def _node_row(self, progress: Callable[[object], None]) -> image_table.Image:
        spec = self._spec
        if spec.kernel:
            from rst_or_fin.engine import kernel_images

            return kernel_images.image_of(self._client, spec.kernel, spec.otp, progress)
        name = f"node-strace:otp{spec.otp}" if spec.strace else f"node:otp{spec.otp}"
        return image_table.with_applications(name, spec.hosts.applications)

    def _start(self, node_image: str, peer_image: str, server_image: str) -> None:
        """Start everything side by side, as far as one does not need the other."""
        run, spec = self._run, self._spec
        hosts, family = spec.hosts, spec.family
        with ThreadPoolExecutor(4) as pool:
            control = pool.submit(make_control_network, run)
            test_network, prefix = ("", _JOINED[family]) if hosts.wired else make_test_network(run, family)
            self._addresses = peers.Addresses(own=f"{prefix}4", spare=f"{prefix}5", node=f"{prefix}3")
            self._server = peers.endpoint(hosts.server, self._addresses)
            self._credentials = credentials_for(hosts.server, self._server.address, self._addresses.node)
            if hosts.wired:
                ends = self._addresses.node, self._addresses.own
                wire = start_wire(run, peer_image, control.result(), spec, ends, DIST_PORT)
                self._wire, self._capture, self._capture_facts = wire.program, wire.capture, wire.facts
                self._at_peer = wire.at_peer
                serving = pool.submit(self._start_server, server_image, Networking.within(wire.far))
                self._node = NodeContainer(run, node_image, Networking.within(wire.near), spec)
                self._link = self._undo.enter_context(self._node.link(wire.near))
            else:
                there = Networking.on(test_network, self._addresses.own)
                serving = pool.submit(self._start_server, server_image, there)
                sysctls = pinned_with(hosts.node.sysctls)
                own = Networking.on(control.result(), published=DIST_PORT, sysctls=sysctls)
                self._node = NodeContainer(
                    run, node_image, own, spec, test_network=test_network, address=self._addresses.node
                )
                capturing = pool.submit(start_capture, run, peer_image, self._node.id, self._addresses.node)
                self._link = self._undo.enter_context(self._node.link(self._node.id))
                self._capture, self._capture_facts = capturing.result()
            self._peer = serving.result()

    def _start_server(self, image: str, networking: Networking) -> PeerProgram:
        server = self._spec.hosts.server
        kind = peers.kind_of(server)
        container = self._run.create(
            "server",
            image,
            networking,
            [
                *("python3", "-m", kind.module, "--drop-to-uid", str(NOBODY)),
                *peers.arguments(server, self._addresses),
            ],
            cap_add=list(kind.capabilities),
            tmpfs={"/tmp": "size=16m,mode=1777"},
        )
        container.start()
        peer = PeerProgram(container.stdio)
        if self._credentials is not None:
            peer.give(self._credentials.for_peer)
        peer.await_listening(_START_TIMEOUT_S)
        return peer

    def _gathered(self, used: Mapping[str, str]) -> dict[str, object]:
        version = self._client.version()
        facts: dict[str, object] = {
            "runtime": "docker",
            "run": self._run.run_id,
            "engine": version["Version"],
            "host_kernel": version["KernelVersion"],
            "images": dict(used),
            "server": _server_facts(self._spec.hosts.server),
            "capture": self._capture_facts,
        }
        if self._node.guest is not None:
            facts["accelerator"] = self._node.guest.accelerator()
        return facts


def _server_facts(server: Server) -> dict[str, object]:
    return {"kind": server.kind, "options": dict(server.options)}
