"""Holds two network namespaces and the programs in them, for as long as its driver lives.

Where a wire is ordered there is a third one between the two, and the wire's program in it.

Two processes. The outer one makes the namespaces and waits; the inner one is PID 1 of a new PID namespace, so
that with its death, however it comes, the kernel ends every program in there (pid_namespaces(7)). It leaves
when its driver is gone: at the end of file on the channel, which is its standard input.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from rst_or_fin.agents.netlink import Netlink

from . import confinement, namespaces
from .messages import HolderConfig, receive_config, send
from .programs import Program

_INTERFACE = "wire"
_TO_NODE, _TO_PEER = "node", "peer"  # the wire's own two interfaces
_CONNECT_EVERY_MS = 2
_LOG_PIPE_LEN = 1 << 20  # what a plain user may have (fs.pipe-max-size): the log of some 7000 connections
_NOBODY = 65534
_F_SETPIPE_SZ = 1031


def main() -> int:
    """Hold what the driver configures until the driver is gone; return the exit status."""
    channel = socket.socket(fileno=0)
    config = receive_config(channel)
    if config is None:
        return 0
    driver = _watch_of(os.getppid())
    try:
        with _step("namespaces"):
            kind = _make_namespaces()
    except _SetUpError as error:
        send(channel, error.message)
        return 1
    inner = os.fork()
    if inner:
        # The outer process keeps the channel open until the inner one's PID namespace is empty: that is what
        # the end of file tells the driver.
        return os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
    try:
        namespaces.die_with_parent()
        _Inner(config, channel, driver, kind).hold()
    except _SetUpError as error:
        send(channel, error.message)
    except ConnectionError:
        pass  # the driver is gone: there is nobody to tell
    return 0


class _SetUpError(Exception):
    """A step of the set-up failed; `message` tells the driver."""

    def __init__(self, step: str, error: OSError) -> None:
        super().__init__(f"{step}: {error}")
        self.message = {"event": "failed", "step": step, "errno": error.errno or 0, "error": str(error)}


@contextmanager
def _step(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _SetUpError(name, error) from error


def _watch_of(driver: int) -> int | None:
    """Return a file descriptor that becomes readable when the driver dies, where Python offers one.

    The channel's end of file is late when a process that the driver forked holds a copy of the driver's end.
    """
    try:
        return os.pidfd_open(driver) if hasattr(os, "pidfd_open") else None
    except OSError:  # Linux before 5.3, or a driver that is gone, which the channel will tell
        return None


def _make_namespaces() -> str:
    """Make a network and a PID namespace; return "user" if a user namespace was needed, or "root"."""
    wanted = namespaces.CLONE_NEWNET | namespaces.CLONE_NEWPID
    try:
        namespaces.unshare(wanted)
    except PermissionError:
        namespaces.unshare_as_user(wanted)
        return "user"
    return "root"


class _Inner:
    """PID 1 of the namespaces: it wires the two hosts, starts their programs, and waits for an end."""

    def __init__(self, config: HolderConfig, channel: socket.socket, driver: int | None, kind: str) -> None:
        self._config = config
        self._channel = channel
        self._driver = driver
        self._kind = kind
        # Who the programs become; None: they stay the plain user who started this.
        self._nobody = _NOBODY if kind == "root" and namespaces.may_become(_NOBODY) else None
        self._programs: list[Program] = []
        self._kept_open: list[int] = []  # what ends with its last descriptor

    def hold(self) -> None:
        """Set everything up and stay until the driver is gone. Raises _SetUpError if a step fails."""
        children, wakeup = os.pipe()
        os.set_blocking(children, False)
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        with _step("the node's host"), Netlink() as link:
            link.up("lo")
            _pin(self._config.node_sysctls)
            node_host = _own_network()
        if self._config.node:
            with _step("starting the node"):  # before all else: everybody waits for it
                self._start_node()
        with _step("the server's host"):
            namespaces.unshare(namespaces.CLONE_NEWNET)
            self._server_host = _own_network()  # or it goes, and the wire with it, when the server does
            wire_ends = self._start_wire(node_host) if self._config.wire else []
            with Netlink() as link:
                if not self._config.wire:
                    link.make_veth(_INTERFACE, _INTERFACE, node_host)
                link.up("lo")
                server_facts = self._join(link, self._config.server_addresses, self._config.server_sysctls)
            server_table = _socket_table()
            server_tap = [_tap()] if self._config.wire else []
            log, orders = self._start_server()
        with _step("the wire"):
            namespaces.enter_network(node_host)
            with Netlink() as link:
                node_facts = self._join(link, self._config.node_addresses, self._config.node_sysctls)
        with _step("the capture"):
            tap = _tap()
            node_table = _socket_table()
        # An open file of /proc/net belongs to the namespace that it was opened in, whoever reads it.
        counters = [_open_counters(file) for file in ("netstat", "snmp", "snmp6", "sockstat")]
        facts = {"namespaces": self._kind, "node_host": node_facts, "server_host": server_facts}
        handed_out = [tap, log, orders, node_table, server_table, *counters, *server_tap, *wire_ends]
        send(self._channel, {"event": "wired", "facts": facts}, handed_out)
        for fd in handed_out:
            os.close(fd)
        self._wait(children)

    def _join(self, link: Netlink, addresses: Sequence[str], sysctls: dict[str, str]) -> dict[str, object]:
        """Set up this host's end of the wire; return its facts."""
        from rst_or_fin.agents.interfaces import switch_off_offloads

        unpinned = _pin(sysctls)
        # The wire is to carry the tested connection and little else: no IPv6 where it is not asked for, and
        # no link-local address, for which the kernel would seek a router for a while.
        six = any(":" in address for address in addresses)
        quiet = {"disable_ipv6": "0", "addr_gen_mode": "1"} if six else {"disable_ipv6": "1"}
        _pin({f"net.ipv6.conf.{_INTERFACE}.{name}": value for name, value in quiet.items()})
        for address in addresses:
            link.add_address(_INTERFACE, address)
        still_on = switch_off_offloads(_INTERFACE)
        link.up(_INTERFACE)
        return {"offloads": still_on, "sysctls_not_pinned": unpinned}

    def _start_node(self) -> None:
        config = self._config

        def body() -> NoReturn:
            """Be process 1 in the node's own PID namespace, since no signal from in there would end that."""
            try:
                confinement.confine(self._nobody, config.node_files)
            except OSError as error:
                print(f"{confinement.REFUSED}: {error}", file=sys.stderr)
                raise SystemExit(1) from error
            confinement.leave_cookie(config.node_cookie)
            node = os.fork()
            if node == 0:
                os.chdir(config.node_folder)
                os.execve(config.node[0], config.node, config.node_environment)
            raise SystemExit(confinement.reap_until_exit(node))

        inputs, lifeline = os.pipe()
        self._kept_open.append(lifeline)
        with namespaces.children_in_own_processes():
            self._programs.append(Program("node", body, inputs))
        os.close(inputs)

    def _start_wire(self, node_host: int) -> list[int]:
        """Put a network between the hosts and start its program; return the ends of its log and input."""
        namespaces.unshare(namespaces.CLONE_NEWNET)
        self._kept_open.append(_own_network())  # with it both hosts' interfaces would go
        with Netlink() as link:
            for name, host in ((_TO_NODE, node_host), (_TO_PEER, self._server_host)):
                link.make_veth(name, _INTERFACE, host)
                _pin({f"net.ipv6.conf.{name}.disable_ipv6": "1"})
                link.up(name)
        ends = self._start("wire", self._config.wire, ["--node", _TO_NODE, "--peer", _TO_PEER])
        namespaces.enter_network(self._server_host)
        return [*ends]

    def _start_server(self) -> tuple[int, int]:
        """Start the server, if any; return the ends of its log and of its standard input."""
        return self._start("server", self._config.server, self._config.server_arguments)

    def _start(self, name: str, module: str, said: Sequence[str]) -> tuple[int, int]:
        """Start a module's program in this process's network, unless `module` is empty."""
        config = self._config
        arguments = list(said)
        if self._nobody is not None:
            arguments += ["--drop-to-uid", str(self._nobody)]

        def body() -> NoReturn:
            from importlib import import_module

            sys.path[:] = config.server_path
            raise SystemExit(import_module(module).main(arguments))

        log, output = os.pipe()
        inputs, orders = os.pipe()
        if module:
            fcntl.fcntl(output, _F_SETPIPE_SZ, _LOG_PIPE_LEN)
            self._programs.append(Program(name, body, inputs, output))
        os.close(inputs)
        os.close(output)
        return log, orders

    def _wait(self, children: int) -> None:
        """Until the driver is gone, try to connect to the node, read the programs' stderr and reap them."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(children, select.POLLIN)
        if self._driver is not None:
            poll.register(self._driver, select.POLLIN)
        speaking = {program.errors: program for program in self._programs}
        for fd in speaking:
            poll.register(fd, select.POLLIN)
        connecting = bool(self._config.node)
        while True:
            for fd, _ in poll.poll(_CONNECT_EVERY_MS if connecting else None):
                if fd in (self._channel.fileno(), self._driver):
                    return  # the driver sends nothing after its configuration: this is its end
                if fd == children:
                    os.read(children, 4096)
                    self._reap()
                elif not speaking[fd].read_errors():
                    poll.unregister(fd)
            connecting = connecting and not self._try_connect()

    def _try_connect(self) -> bool:
        """Hand out a connection to the node's distribution port, if it listens already."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
            try:
                connection.connect(("127.0.0.1", self._config.node_port))
            except ConnectionRefusedError:
                return False
            send(self._channel, {"event": "linked"}, [connection.fileno()])
        return True

    def _reap(self) -> None:
        """Reap every process that has ended, orphans too, and report the programs among them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for program in self._programs:
                if program.pid == pid:
                    send(self._channel, program.exit_message(status))


def _open_counters(file: str) -> int:
    """Open a file of the kernel's counters; an empty one in place of what a kernel without IPv6 lacks."""
    try:
        return os.open(f"/proc/self/net/{file}", os.O_RDONLY)
    except FileNotFoundError:
        return os.open(os.devnull, os.O_RDONLY)


def _tap() -> int:
    """Open a capture of this host's end of the wire; return its file descriptor."""
    from rst_or_fin.agents.capture import open_tap

    return open_tap(_INTERFACE).detach()


def _socket_table() -> int:
    """Open this namespace's table of TCP sockets; return its file descriptor."""
    from rst_or_fin.agents.socket_table import open_table

    return open_table().detach()


def _own_network() -> int:
    """Return a file descriptor that keeps this process's network namespace."""
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _pin(sysctls: dict[str, str]) -> list[str]:
    """Set sysctls of this network namespace; return the names of those that it did not take."""
    unpinned = []
    for name, value in sysctls.items():
        try:
            with open("/proc/sys/" + name.replace(".", "/"), "wb", buffering=0) as file:
                file.write(value.encode())
        except OSError:
            unpinned.append(name)
    return unpinned
