"""Two hosts without containers: two network namespaces joined by a veth pair, as root or as a plain user.

The driver (this process) stays outside. A holder (`rst_or_fin.netns.holder`) makes the namespaces, starts the
node and the server in them and hands the driver what it needs of them, already open: the capture's tap, the
server's log and its standard input, the counters, a connection to the node.
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self

from rst_or_fin import data_files, erlang_command
from rst_or_fin.agents import capture, counters, socket_table
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.errors import LinkError, MachineError, UsageError, of_machine
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.netns import confinement
from rst_or_fin.netns.messages import HolderConfig
from rst_or_fin.node import runtime as erlang
from rst_or_fin.node.link import Link
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.model import Server
from rst_or_fin.scenario.sysctls import PINNED_SYSCTLS, pinned_with
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed import credentials_for
from rst_or_fin.testbed.holder_process import HolderProcess, error_from
from rst_or_fin.testbed.peer_program import PeerProgram, not_listening
from rst_or_fin.testbed.spec import TestbedSpec
from rst_or_fin.testbed.wire_program import WireProgram

# Addresses out of the networks set aside for such tests: RFC 2544 and RFC 5180.
_CLIENT = {4: "198.18.0.3", 6: "2001:2::3"}
_SERVER = {4: "198.18.0.4", 6: "2001:2::4"}
_SPARE = {4: "198.18.0.5", 6: "2001:2::5"}
_NODE_PORT = 4370
_WIRE = "rst_or_fin.agents.wire"
_FDS = 9  # that the holder hands out in any case; those of a wire come after them
_RUNNABLE = ("peer", "scripted")  # the images of which this machine has all that the program needs
_SET_UP_TIMEOUT_S = 10.0
_NODE_TIMEOUT_S = 30.0
_LOST_NODE_TIMEOUT_S = 0.5
_LAST_WORDS_TIMEOUT_S = 1.0  # the holder hears of a program's end at once, if it gets to run
_READ_LEN = 1 << 16
_PROC_FILE_LEN = 1 << 16
_PLAIN = TestbedSpec()


class LocalTestbed:
    """The local testbed; see `rst_or_fin.testbed.Testbed` for what it offers. Use as a context manager.

    Raises MachineError if this machine refuses namespaces or a program does not start, UsageError if
    the local runtime has no such OTP ("bundled" and "system" are those it has) or server.
    """

    def __init__(self, spec: TestbedSpec = _PLAIN) -> None:
        hosts = spec.hosts
        server = hosts.server
        self._undo = ExitStack()
        addresses = addresses_for(spec.family)
        self._node_address = addresses.node
        self._server = peers.endpoint(server, addresses)
        self._cookie = secrets.token_hex(16)
        self._dropped = 0
        self._peer_has_ended = False
        self._node_status: int | None = None
        self._credentials = credentials_for(server, self._server.address, addresses.node)
        runtime = erlang.find(spec.otp, hosts.applications)
        self._wire: WireProgram | None = None
        self._dropped_at_peer = 0
        config = config_for(runtime, self._cookie, server, addresses, spec.backend, hosts.node.code)
        config = config._replace(
            wire=_WIRE if hosts.wired else "", node_sysctls=pinned_with(hosts.node.sysctls)
        )
        self._held = HolderProcess(config)
        self._undo.callback(self._held.close)
        try:
            host_facts = self._set_up()
        except BaseException:
            self.close()
            raise
        self._facts: dict[str, object] = {
            "runtime": "local",
            "host_kernel": os.uname().release,
            "python": sys.version.split()[0],
            "erlang": {"source": runtime.source, "path": runtime.path},
            "server": {"kind": server.kind, "options": dict(server.options)},
            **host_facts,
        }

    def __enter__(self) -> Self:
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
        return self._node_address

    @property
    def wire(self) -> WireProgram | None:
        """The program between the hosts, or None."""
        return self._wire

    def drain(self, timeout_s: float = 0.0) -> list[Frame]:
        """Drain the tap."""
        taken = self._taken()
        if not taken and timeout_s > 0 and _readable(self._tap.fileno(), timeout_s):
            taken = self._taken()
        return _frames(taken)

    def _taken(self) -> list[tuple[int, bytes]]:
        try:
            return capture.drain(self._tap)
        except OSError as error:
            self._complain(_LAST_WORDS_TIMEOUT_S)  # where the holder is gone, so is the wire
            raise of_machine(error, "capturing") or error from error

    def dropped(self) -> int:
        """Count what the kernel dropped from the tap."""
        self._dropped += capture.drops(self._tap)
        return self._dropped

    def counter_tables(self) -> bytes:
        """Read the files that the holder opened in the node's namespace."""
        return b"".join(os.pread(fd, _PROC_FILE_LEN, 0) for fd in self._counter_files)

    @property
    def kernel_queries_are_local(self) -> bool:
        """True: their files and sockets are open here."""
        return True

    @property
    def bindings(self) -> Mapping[str, str]:
        """The certificates, as Erlang terms, where the peer speaks TLS."""
        return self._credentials.bindings if self._credentials is not None else {}

    def secrets(self) -> list[str]:
        """Return new lines of the peer's TLS key log."""
        return self._peer.secrets()

    @property
    def shares_clock(self) -> bool:
        """True: there is only this machine's kernel."""
        return True

    def now_ns(self) -> int:
        """Return this machine's clock."""
        return time.time_ns()

    def connection_exists(self, one: Endpoint, other: Endpoint) -> bool | None:
        """Ask both namespaces' socket tables."""
        command, peer = self._node_first(one, other)
        return socket_table.holds(self._node_table, command, peer) or socket_table.holds(
            self._server_table, peer, command
        )

    def node_connection_exists(self, one: Endpoint, other: Endpoint) -> bool | None:
        """Ask the socket table of the node's namespace."""
        return socket_table.holds(self._node_table, *self._node_first(one, other))

    def _node_first(self, one: Endpoint, other: Endpoint) -> tuple[Endpoint, Endpoint]:
        return (one, other) if one.address == self._node_address else (other, one)

    def check(self) -> None:
        """Raise where the server, or another program than the node, has ended."""
        self._hear(0.0)
        self._complain(_LAST_WORDS_TIMEOUT_S if self._peer_has_ended else 0.0)
        if self._peer_has_ended:
            raise MachineError("the server ended in the middle of the run", "run it again")

    def node_status(self) -> int | None:
        """Wait for the holder's word of the node's end."""
        deadline = time.monotonic() + _LAST_WORDS_TIMEOUT_S
        while self._node_status is None and (remaining := deadline - time.monotonic()) > 0:
            if not self._complain(remaining):
                break
        return self._node_status

    def ports_waiting(self) -> int | None:
        """Read it from the node's /proc/net/sockstat."""
        return counters.waiting(os.pread(self._sockstat, _PROC_FILE_LEN, 0).decode())

    def start_peer(self) -> None:
        """Write the line to the server's standard input."""
        try:
            self._peer.connect()
        except ConnectionError:
            self._peer_has_ended = True
            self.check()

    def serve(self, server: Server) -> None:
        """Reconfigure the peer's program and wait until it confirms."""
        try:
            self._peer.become(server)
        except (ConnectionError, MachineError) as error:
            self._peer_has_ended = isinstance(error, ConnectionError)
            self.check()
            raise
        self._facts["server"] = {"kind": server.kind, "options": dict(server.options)}

    def peer_report(self, client: Endpoint, timeout_s: float) -> PeerReport | None:
        """Read the server's log until the report is there."""
        try:
            return self._peer.report(client, timeout_s)
        except ConnectionError:
            self._peer_has_ended = True
            return None

    def system_calls(self, local: Endpoint, remote: Endpoint) -> None:
        """Return None: `--strace` works only in containers."""

    def resets(self, local: Endpoint, remote: Endpoint) -> None:
        """Return None: this kernel's tracepoint is the whole machine's."""

    def facts(self) -> dict[str, object]:
        """Return a copy of the facts."""
        return dict(self._facts)

    def close(self) -> None:
        """End the holder and all that it holds."""
        self._undo.close()

    # Setting up: what the holder does meanwhile, in the order in which it is done

    def _set_up(self) -> dict[str, Any]:
        wired, fds = self._held.wait_for("wired", _SET_UP_TIMEOUT_S)
        tap, log, orders, node_table, server_table, *counter_files = fds[:_FDS]
        *self._counter_files, self._sockstat = counter_files
        for fd in counter_files:
            self._undo.callback(os.close, fd)
        self._peer = PeerProgram(self._undo.enter_context(_Pipes(log, orders)))
        if self._credentials is not None:
            self._peer.give(self._credentials.for_peer)
        self._tap, self._node_table, self._server_table = (
            self._undo.enter_context(socket.socket(fileno=fd)) for fd in (tap, node_table, server_table)
        )
        if fds[_FDS:]:
            self._wire = self._wire_of(*fds[_FDS:])
        if not self._hear(_SET_UP_TIMEOUT_S):
            self._held.complain(_LOST_NODE_TIMEOUT_S)
            raise not_listening(_SET_UP_TIMEOUT_S)
        _, (connection,) = self._held.wait_for("linked", _NODE_TIMEOUT_S)
        try:
            link = Link.over(
                socket.socket(fileno=connection), cookie=self._cookie, timeout_s=_SET_UP_TIMEOUT_S
            )
            self._link = self._undo.enter_context(link)
            link.wait_until_ready(_NODE_TIMEOUT_S)
        except LinkError:
            self._held.complain(_LOST_NODE_TIMEOUT_S)  # the node's own last words say more
            raise
        return dict(wired["facts"])

    def _wire_of(self, tap: int, log: int, orders: int) -> WireProgram:
        """Return the wire's program, as soon as it passes frames."""
        far = self._undo.enter_context(socket.socket(fileno=tap))
        lines = self._undo.enter_context(_Pipes(log, orders))

        def dropped() -> int:
            self._dropped_at_peer += capture.drops(far)
            return self._dropped_at_peer

        wire = WireProgram(lines, lambda: _frames(capture.drain(far)), dropped)
        wire.await_ready()
        return wire

    def _hear(self, timeout_s: float) -> bool:
        """Take in what the server has logged; return False when there is nothing in this time."""
        try:
            return self._peer.hear(timeout_s)
        except ConnectionError:
            self._peer_has_ended = True
            return False

    def _complain(self, timeout_s: float) -> bool:
        """Raise MachineError if a program other than the node is reported to have ended.

        A wire that is gone makes replays inconclusive, and is not this machine's fault.

        Returns whether the node's end was reported.
        """
        message = self._held.news(timeout_s)
        if message is None:
            return False
        if message["event"] == "ended" and message["who"] == "wire" and self._wire is not None:
            self._wire.gone = self._wire.gone or f"its program ended with status {message['status']}"
            return False
        if message["event"] != "ended" or message["who"] != "node":
            raise error_from(message)
        self._node_status = message["status"]
        return True


class _Pipes:
    """The two pipes to a program in the namespaces, as who drives it wants them."""

    def __init__(self, log: int, orders: int) -> None:
        self._log, self._orders = log, orders
        os.set_blocking(log, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._log)
        os.close(self._orders)

    def write(self, data: bytes, timeout_s: float) -> None:
        os.write(self._orders, data)  # a pipe holds many such lines, and the program reads them

    def read(self, timeout_s: float) -> bytes:
        if not _readable(self._log, timeout_s):
            return b""
        data = os.read(self._log, _READ_LEN)
        if not data:
            raise ConnectionResetError("its program has ended")
        return data


def _frames(captured: Sequence[tuple[int, bytes]]) -> list[Frame]:
    return [Frame(t_ns=t_ns, data=data) for t_ns, data in captured]


def probe() -> str:
    """Set up everything but the programs, and take it down; return "root" or "user", as which it worked.

    Raises MachineError with a hint where it cannot.
    """
    held = HolderProcess(_EMPTY)
    try:
        wired, fds = held.wait_for("wired", _SET_UP_TIMEOUT_S)
        for fd in fds:
            os.close(fd)
    finally:
        held.close()
    return str(wired["facts"]["namespaces"])


def addresses_for(family: int) -> peers.Addresses:
    """Return the addresses of every local testbed: in its own namespaces they are always free."""
    return peers.Addresses(own=_SERVER[family], spare=_SPARE[family], node=_CLIENT[family])


def config_for(
    runtime: erlang.Erlang,
    cookie: str,
    server: Server,
    addresses: peers.Addresses,
    backend: str,
    code: Sequence[str] = (),
) -> HolderConfig:
    """Make the holder's configuration for that server and a node on that Erlang; it may read `code`.

    Raises UsageError for a server whose program this machine lacks.
    """
    kind = peers.kind_of(server)
    if kind.image not in _RUNNABLE and not (kind.program and shutil.which(kind.program)):
        raise UsageError(f"the server {server.kind!r} runs in a container only", "use --runtime docker")
    prefix_len = 64 if ":" in addresses.own else 24
    return _EMPTY._replace(
        node_addresses=[f"{addresses.node}/{prefix_len}"],
        server_addresses=[f"{addresses.own}/{prefix_len}"],
        node=[
            runtime.program,
            *erlang_command.arguments(_NODE_PORT, "127.0.0.1", backend, code, runtime.libraries),
        ],
        node_folder=str(data_files.path("erlang")),
        node_files=[*runtime.files, str(data_files.path("erlang")), *code],
        node_cookie=cookie,
        node_environment={
            "HOME": confinement.SCRATCH,
            "LANG": "C.UTF-8",
            "ERL_CRASH_DUMP_SECONDS": "0",  # none
            **runtime.environment,
        },
        server=f"rst_or_fin.{kind.module}",
        server_arguments=peers.arguments(server, addresses),
    )


_EMPTY = HolderConfig(
    node_addresses=[],
    server_addresses=[],
    node=[],
    node_folder="/",
    node_environment={},
    node_files=[],
    node_cookie="",
    node_port=_NODE_PORT,
    server="",
    server_arguments=[],
    server_path=sys.path,
    node_sysctls=PINNED_SYSCTLS,
    server_sysctls=PINNED_SYSCTLS,
)


def _readable(fd: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))
