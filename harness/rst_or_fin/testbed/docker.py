"""Two hosts in containers: an Erlang node and a server, on a network that carries only their connection.

Three containers: `node`, `server`, and `capture`, which shares the node's network namespace. The test network
is internal (no route out) and has no published port; the node's distribution port is reached over a second
network, published on 127.0.0.1 only, because a published port ends a connection in docker-proxy.
"""

from __future__ import annotations

import random
import re
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rst_or_fin import data_files
from rst_or_fin.agents import counters
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import image_locks, images
from rst_or_fin.errors import LinkError, LinkTimeoutError, MachineError
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.evidence.strace import Recording, SystemCall
from rst_or_fin.evidence.strace import command as strace_command
from rst_or_fin.evidence.tracepoint import Reset
from rst_or_fin.node import command as node
from rst_or_fin.node.link import Link
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.applications import ELIXIR
from rst_or_fin.scenario.model import Server
from rst_or_fin.scenario.sysctls import PINNED_SYSCTLS, pinned_with
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed import credentials_for
from rst_or_fin.testbed.capture_client import CaptureClient
from rst_or_fin.testbed.container_stdio import ContainerStdio
from rst_or_fin.testbed.guest import Guest
from rst_or_fin.testbed.peer_log import PeerLog
from rst_or_fin.testbed.spec import TestbedSpec
from rst_or_fin.testbed.wire_program import WireProgram

if TYPE_CHECKING:
    import docker

_NODE_FOLDER = "/opt/rst-or-fin"
_ELIXIR = "/usr/lib/elixir/lib:/usr/local/lib/elixir/lib"  # Debian's, and that of Elixir's own image
_CODE_FOLDER = "/opt/code"
# What containers/node/Dockerfile says of our own images.
_AS_OURS: dict[str, Any] = {
    "entrypoint": [],
    "user": "65534:65534",
    "environment": {"HOME": "/tmp", "ERL_CRASH_DUMP_SECONDS": "0"},
}
_DIST_PORT = 4370
_STRACE_FILE = "/tmp/strace"
_NOBODY = 65534
_START_TIMEOUT_S = 30.0
_ANSWER_TIMEOUT_S = 10.0
_SUBNET_TRIES = 20
_LAST_WORDS_TIMEOUT_S = 1.0

# The cookie comes over stdin, into a file on the container's tmpfs: neither `docker inspect` nor a process
# list shows it. The shell outlives the node, so that the network stays while the node's sockets are closed.
_ENDED = b"the node ended"
_START_NODE = f"""\
umask 077; read -r cookie; printf %s "$cookie" > "$HOME/.erlang.cookie"
"$@"; echo "{_ENDED.decode()} with status $?"; cat > /dev/null
"""

_STATUS = re.compile(re.escape(_ENDED) + rb" with status (\d+)\n")

# What no container of ours gets beyond: no privilege can be gained, nothing is written to its own disk.
_CONFINED: dict[str, Any] = {
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "read_only": True,
    "mem_limit": "512m",
    "memswap_limit": "512m",
    "pids_limit": 128,
}
_Net = dict[str, Any]  # what of a container's creation is about its networks

# Where node and peer are joined without a network of the engine's, their addresses are theirs alone.
_JOINED = {4: "198.18.0.", 6: "fd00::"}
_WITH_IPV6 = {
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
    "net.ipv6.conf.default.addr_gen_mode": "1",  # no link-local address, for which a router would be sought
}
# Offloads are switched off and the tap is opened before the capture becomes an unprivileged user.
_CAPTURE_CAPABILITIES = ["NET_ADMIN", "NET_RAW", "SETGID", "SETUID"]


class DockerTestbed:
    """The Docker testbed; see `rst_or_fin.testbed.Testbed` for what it offers. Use as a context manager."""

    def __init__(
        self,
        client: docker.DockerClient,
        spec: TestbedSpec,
        progress: Callable[[object], None] = lambda line: None,
    ) -> None:
        self._client = client
        self._run_id = secrets.token_hex(6)
        self._labels = engine.labels(self._run_id)
        self._cookie = secrets.token_hex(16)
        self._undo = ExitStack()
        self._recording = Recording() if spec.strace else None
        self._recorded_len = 0
        self._peer_log = PeerLog()
        self._wire: WireProgram | None = None
        self._facts: dict[str, object] = {}
        self._own_kernel = bool(spec.kernel)
        try:
            with image_locks.using():
                self._build(spec.in_containers(), progress)
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
    def client_address(self) -> str:
        """The node's address on the test network."""
        return self._client_address

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
        return self._peer_log.secrets()

    @property
    def shares_clock(self) -> bool:
        """Whether the node runs on the host's kernel."""
        return not self._own_kernel

    def now_ns(self) -> int:
        """Return the clock of the capture's last drain."""
        return self._capture.now_ns

    def holds(self, one: Endpoint, other: Endpoint) -> bool | None:
        """Return None: the hosts' kernels are not asked."""
        return None

    def node_holds(self, one: Endpoint, other: Endpoint) -> bool | None:
        """Return None: the node's kernel is not asked."""
        return None

    @property
    def counters_at_hand(self) -> bool:
        """False: a container is slower to ask than the node."""
        return False

    def counter_tables(self) -> bytes:
        """Read the counters from the capture, or from the guest of a kernel image."""
        if self._own_kernel:
            return self._guest.counter_tables()
        return self._capture.counter_tables()

    def check(self) -> None:
        """Read the server's log, which fails where it has ended."""
        self._peer_log.feed(self._server_log.read(0.0))

    def node_status(self) -> int | None:
        """Read it from the shell around the node; a kernel's guest does not report it."""
        deadline = time.monotonic() + _LAST_WORDS_TIMEOUT_S
        said = b""
        try:
            while (remaining := deadline - time.monotonic()) > 0:
                said += self._node_log.read(remaining)
                if found := _STATUS.search(said):
                    status = int(found.group(1))
                    return status if status <= 128 else 128 - status
        except MachineError:
            pass  # the whole container is gone
        return None

    def ports_waiting(self) -> int | None:
        """Read it in the node's container; a guest's kernel is not asked."""
        if self._own_kernel:
            return None
        with engine.calls("reading the node's socket statistics"):
            order = self._client.api.exec_create(self._node_id, ["cat", "/proc/net/sockstat"], stderr=False)
            return counters.waiting(self._client.api.exec_start(order["Id"]).decode("ascii", "replace"))

    def start_peer(self) -> None:
        """Write the line to the server's standard input."""
        self._server_log.write(b"connect\n", _ANSWER_TIMEOUT_S)

    def serve(self, server: Server) -> None:
        """As the protocol says: the peer's program is told, and says when it has done so."""
        adjusted = self._peer_log.adjusted
        self._server_log.write(peers.order(server), _ANSWER_TIMEOUT_S)
        deadline = time.monotonic() + _ANSWER_TIMEOUT_S
        while self._peer_log.adjusted == adjusted:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise MachineError("the server did not confirm its new options", "run it again")
            self._peer_log.feed(self._server_log.read(remaining))
        self._facts["server"] = {"kind": server.kind, "options": dict(server.options)}

    def peer_report(self, client: Endpoint, timeout_s: float) -> PeerReport | None:
        """Read the server's log until the report is there."""
        deadline = time.monotonic() + timeout_s
        while client not in self._peer_log:
            remaining = deadline - time.monotonic()
            self._peer_log.feed(self._server_log.read(max(0.0, remaining)))
            if remaining <= 0:
                break
        return self._peer_log.take(client)

    def system_calls(self, local: Endpoint, remote: Endpoint) -> tuple[SystemCall, ...] | None:
        """Read strace's file: it has a call's line before the call returns to the node."""
        if self._recording is None:
            return None
        with engine.calls("reading what strace wrote"):
            asked = ["tail", "-c", f"+{self._recorded_len + 1}", _STRACE_FILE]
            order = self._client.api.exec_create(self._node_id, asked, stderr=False)
            text: bytes = self._client.api.exec_start(order["Id"])
        self._recorded_len += len(text)
        self._recording.feed(text.decode("utf-8", "replace"))
        return self._recording.take(local, remote)

    def resets(self, local: Endpoint, remote: Endpoint) -> tuple[Reset, ...] | None:
        """Ask the guest; the host's own tracepoint is the whole machine's, and is not read."""
        return self._guest.resets(local, remote) if self._own_kernel else None

    def facts(self) -> dict[str, object]:
        """Return a copy of the facts."""
        return dict(self._facts)

    def close(self) -> None:
        """Remove the containers and networks."""
        self._undo.close()

    # Building: whatever was made is taken down again by _undo, in reverse

    def _build(self, spec: TestbedSpec, progress: Callable[[object], None]) -> None:
        family, hosts = spec.family, spec.hosts
        server = hosts.server
        engine.remove(self._client, engine.orphans(self._client))
        if hosts.node.image:
            node_name, node_image = hosts.node.image, images.own(self._client, hosts.node.image)
        else:
            node_row = self._node_row(spec, progress)
            node_name, node_image = node_row.name, images.ensure(self._client, node_row, progress)
        peer_image = images.ensure(self._client, "peer", progress)
        server_name = peers.kind_of(server).image
        server_image = images.ensure(self._client, server_name, progress)
        self._undo.callback(self._remove_everything)
        with engine.calls("setting up the test network"), ThreadPoolExecutor(4) as pool:
            control = pool.submit(self._make_control_network)
            test_network, prefix = ("", _JOINED[family]) if hosts.wired else self._make_test_network(family)
            self._client_address = f"{prefix}3"
            place = peers.Place(own=f"{prefix}4", spare=f"{prefix}5", node=self._client_address)
            self._server = peers.endpoint(server, place)
            self._credentials = credentials_for(server, self._server.address, self._client_address)
            if hosts.wired:
                near, far = self._start_wire(peer_image, control.result(), spec, prefix)
                at_peer: _Net = {"network_mode": f"container:{far}"}
                serving = pool.submit(self._start_server, server_image, at_peer, place, server)
                joined: _Net = {"network_mode": f"container:{near}"}
                self._start_node(node_image, joined, spec, self._rights())
                self._link = self._undo.enter_context(self._link_to(near))
            else:
                there: _Net = {"network": test_network, "address": place.own}
                serving = pool.submit(self._start_server, server_image, there, place, server)
                own = self._own_net(control.result(), pinned_with(hosts.node.sysctls))
                started = self._start_node(node_image, own, spec, self._rights(), test_network)
                capturing = pool.submit(self._start_capture, peer_image, started)
                self._link = self._undo.enter_context(self._link_to(started))
                self._capture, self._capture_facts = capturing.result()
            self._server_log = serving.result()
        version = self._client.version()
        self._facts = {
            "runtime": "docker",
            "run": self._run_id,
            "engine": version["Version"],
            "host_kernel": version["KernelVersion"],
            "images": {node_name: node_image, "peer": peer_image, server_name: server_image},
            "server": {"kind": server.kind, "options": dict(server.options)},
            "capture": self._capture_facts,
        }
        if self._own_kernel:
            self._facts["accelerator"] = self._guest.accelerator()

    def _node_row(self, spec: TestbedSpec, progress: Callable[[object], None]) -> images.Image:
        if spec.kernel:
            from rst_or_fin.engine import kernel_images

            return kernel_images.image_of(self._client, spec.kernel, spec.otp, progress)
        name = f"node-strace:otp{spec.otp}" if spec.strace else f"node:otp{spec.otp}"
        return images.with_applications(name, spec.hosts.applications)

    def _rights(self) -> dict[str, Any]:
        """Return what the node's container gets beyond its confinement: only for a kernel of its own."""
        if not self._own_kernel:
            return {}
        from rst_or_fin.engine import kernel_images, kvm

        return kernel_images.host_config(kvm=kvm.works()[0])

    def _make_control_network(self) -> str:
        return str(
            self._client.api.create_network(
                f"rst-or-fin-{self._run_id}-control",
                driver="bridge",
                labels=self._labels,
                options={
                    "com.docker.network.bridge.enable_ip_masquerade": "false",
                    "com.docker.network.bridge.enable_icc": "false",
                },
            )["Id"]
        )

    def _make_test_network(self, family: int) -> tuple[str, str]:
        """Make the network; return its id and what its addresses begin with.

        They are in 198.18.0.0/15 (RFC 2544) or fd00::/8.
        """
        import docker.errors
        import docker.types

        for _ in range(_SUBNET_TRIES):
            four = f"198.{random.choice((18, 19))}.{random.randrange(256)}."
            pools = [docker.types.IPAMPool(subnet=f"{four}0/28", gateway=f"{four}1")]
            six = f"fd{random.randrange(1 << 8):02x}:{random.randrange(1 << 16):x}::"
            if family == 6:
                pools.append(docker.types.IPAMPool(subnet=f"{six}/64", gateway=f"{six}1"))
            try:
                network = self._client.api.create_network(
                    f"rst-or-fin-{self._run_id}-test",
                    driver="bridge",
                    internal=True,
                    enable_ipv6=family == 6,
                    labels=self._labels,
                    ipam=docker.types.IPAMConfig(pool_configs=pools),
                )
            except docker.errors.APIError as error:
                if "overlap" not in str(error.explanation):
                    raise
                continue
            return str(network["Id"]), six if family == 6 else four
        raise MachineError(
            f"no free subnet for the test network after {_SUBNET_TRIES} tries",
            "remove networks that are not needed: docker network prune",
        )

    def _start_server(self, image: str, net: _Net, place: peers.Place, server: Server) -> ContainerStdio:
        kind = peers.kind_of(server)
        container = self._create(
            "server",
            image,
            **net,
            command=[
                *("python3", "-m", kind.module, "--drop-to-uid", str(_NOBODY)),
                *peers.arguments(server, place),
            ],
            cap_add=list(kind.capabilities),
            tmpfs={"/tmp": "size=16m,mode=1777"},
        )
        attached = self._attach(container, "server")
        self._client.api.start(container)
        if self._credentials is not None:
            attached.write(self._credentials.for_peer, _ANSWER_TIMEOUT_S)
        deadline = time.monotonic() + _START_TIMEOUT_S
        said = b""
        while b"\n" not in said:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise MachineError(
                    f"the server did not listen within {_START_TIMEOUT_S:.0f} s", "see `rst-or-fin doctor`"
                )
            said += attached.read(remaining)
        self._peer_log.feed(said)
        return attached

    def _own_net(self, control: str, sysctls: dict[str, str]) -> _Net:
        """Return a network namespace of the node's own, with its distribution port published."""
        return {
            "network": control,
            "sysctls": sysctls,
            "ports": [_DIST_PORT],
            "port_bindings": {_DIST_PORT: ("127.0.0.1", None)},
        }

    def _start_node(
        self, image: str, net: _Net, spec: TestbedSpec, rights: dict[str, Any], test: str = ""
    ) -> str:
        wanted = spec.hosts.node
        code = {folder: f"{_CODE_FOLDER}/{number}" for number, folder in enumerate(wanted.code)}
        mounts = {**code, **({str(data_files.path("erlang")): _NODE_FOLDER} if wanted.image else {})}
        container = self._create(
            "node",
            image,
            **net,
            command=[
                *("sh", "-c", _START_NODE, "sh"),
                *(strace_command(_STRACE_FILE) if self._recording else ()),
                "erl",
                *node.arguments(
                    _DIST_PORT,
                    "0.0.0.0",
                    spec.backend,
                    list(code.values()),
                    _ELIXIR if spec.hosts.language == ELIXIR else "",
                ),
            ],
            working_dir=_NODE_FOLDER,
            own_image=bool(wanted.image),
            binds={source: {"bind": target, "mode": "ro"} for source, target in mounts.items()},
            tmpfs={"/tmp": f"size={'64m' if self._recording else '16m'},mode=1777"},
            **rights,
        )
        if test:
            self._client.api.connect_container_to_network(container, test, **_at(self._client_address))
        self._node_id = container
        self._node_log = self._attach(container, "node")
        self._guest = Guest(self._node_log)
        self._client.api.start(container)
        self._node_log.write(f"{self._cookie}\n".encode(), _ANSWER_TIMEOUT_S)
        return container

    def _start_capture(self, image: str, node: str) -> tuple[CaptureClient, dict[str, object]]:
        container = self._create(
            "capture",
            image,
            None,
            None,
            command=_capturing(self._client_address),
            cap_add=_CAPTURE_CAPABILITIES,
            network_mode=f"container:{node}",
        )
        capture = CaptureClient(self._attach(container, "capture"))
        self._client.api.start(container)
        return capture, capture.await_ready()

    # With a wire that can lose frames: the captures hold the two hosts' network namespaces, in which node and
    # server then live, and the wire's program joins them. No network of the engine's is between them: what
    # is bridged there is filtered, on a host that has br_netfilter, by subnet.

    def _start_wire(self, image: str, control: str, spec: TestbedSpec, prefix: str) -> tuple[str, str]:
        """Start captures and wire; return the containers that hold the node's and the peer's network."""
        length = 64 if spec.family == 6 else 24
        addresses = [f"{prefix}{number}" for number in (3, 4)]
        of_family = _WITH_IPV6 if spec.family == 6 else {}
        near = self._create(
            "capture",
            image,
            control,
            None,
            command=_capturing(addresses[0], length),
            cap_add=_CAPTURE_CAPABILITIES,
            sysctls={**pinned_with(spec.hosts.node.sysctls), **of_family},
            ports=[_DIST_PORT],
            port_bindings={_DIST_PORT: ("127.0.0.1", None)},
        )
        self._capture = CaptureClient(self._attach(near, "capture"))
        self._client.api.start(near)
        far = self._create(
            "peer-capture",
            image,
            None,
            None,
            command=_capturing(addresses[1], length),
            cap_add=_CAPTURE_CAPABILITIES,
            sysctls={**PINNED_SYSCTLS, **of_family},
            network_mode="none",
            pid_mode=f"container:{near}",
        )
        at_peer = CaptureClient(self._attach(far, "peer's capture"))
        self._client.api.start(far)
        between = self._create(
            "wire",
            image,
            None,
            None,
            command=[
                *("python3", "-m", "agents.wire", "--node", "node", "--peer", "peer"),
                *("--drop-to-uid", str(_NOBODY)),
                *("--reach", *(f"{address}/{length}" for address in addresses)),
            ],
            cap_add=_CAPTURE_CAPABILITIES,
            network_mode="none",
            pid_mode=f"container:{near}",
        )
        wire = WireProgram(self._attach(between, "wire"), at_peer.drain, lambda: at_peer.dropped)
        self._client.api.start(between)
        wire.await_ready()
        self._capture_facts = {**self._capture.await_ready(), "at_peer": at_peer.await_ready()}
        self._wire = wire
        return near, far

    def _create(
        self,
        role: str,
        image: str,
        network: str | None = None,
        address: str | None = None,
        *,
        command: list[str] | None = None,
        working_dir: str | None = None,
        ports: list[int] | None = None,
        own_image: bool = False,
        **host: Any,
    ) -> str:
        api = self._client.api
        networking: Any = None  # the SDK's stubs want another type than the SDK's own documentation
        if network is not None:
            host["network_mode"] = network
            networking = {"EndpointsConfig": {network: api.create_endpoint_config(**_at(address))}}
        return str(
            api.create_container(
                image,
                command,
                name=f"rst-or-fin-{self._run_id}-{role}",
                labels=self._labels,
                working_dir=working_dir,
                **(_AS_OURS if own_image else {}),
                ports=ports,
                stdin_open=True,  # its end of file tells the program that its driver is gone
                networking_config=networking,
                host_config=api.create_host_config(**_CONFINED, **host),
            )["Id"]
        )

    def _attach(self, container: str, name: str) -> ContainerStdio:
        attached = ContainerStdio(self._client, container, name)
        self._undo.callback(attached.close)
        return attached

    def _link_to(self, node: str) -> Link:
        """Link as soon as the node answers: docker-proxy accepts long before the node listens."""
        bindings = self._client.api.port(node, _DIST_PORT)
        address = ("127.0.0.1", int(bindings[0]["HostPort"]))
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            connection = socket.create_connection(address, _ANSWER_TIMEOUT_S)
            try:
                link = Link.over(connection, cookie=self._cookie, timeout_s=_ANSWER_TIMEOUT_S)
                link.wait_until_ready(max(0.1, deadline - time.monotonic()))
            except LinkError as error:
                connection.close()
                if time.monotonic() >= deadline:
                    raise LinkTimeoutError(
                        f"the Erlang node did not answer within {_START_TIMEOUT_S:.0f} s: {error}",
                        "see `rst-or-fin doctor`",
                    ) from error
                said = self._node_log.read(0.02)
                self._guest.feed(said)
                if _ENDED in said:
                    raise MachineError(
                        f"the Erlang node did not start: {self._node_log.complaint}",
                        "see `rst-or-fin doctor`",
                    ) from error
            else:
                return link

    def _remove_everything(self) -> None:
        engine.remove(self._client, engine.owned_resources(self._client, self._run_id))


def _capturing(address: str, join_length: int = 0) -> list[str]:
    """Return the command line of a capture; with a prefix length it joins a wire with that address."""
    joining = ["--join", f"{address}/{join_length}"] if join_length else []
    return [
        *("python3", "-m", "agents.capture", "--address", address, *joining),
        *("--drop-to-uid", str(_NOBODY)),
    ]


def _at(address: str | None) -> dict[str, Any]:
    if address is None:
        return {}
    return {"ipv6_address" if ":" in address else "ipv4_address": address}
