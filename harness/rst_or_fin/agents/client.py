"""The HTTP client at the other end, where the session is the server: asks when told, and says what it got.

Every line on stdin makes one connection: it sends a request, reads the answer to its end, and closes. It
writes one JSON line to stdout at the start, and one for every connection when that has ended for it:
    {"event": "listening", "address": "10.0.0.3", "port": 8080}
    {"event": "ended", "peer": ["10.0.0.3", 40000], "received": 0, "sent": 145408, "end": "ECONNRESET",
     "trouble": "", "t_ns": ...}
The first says that it listens to its stdin, and where it will connect. `peer` is the end that connected, as
in every server's report: here, its own. `received` and `sent` count what the application read and what its
writes took. `end` is how the first thing that failed failed, an errno's name, or "end of file" where nothing
did. Over TLS the counts are of the application, and `end` may be "close_notify" or the name of an error of
OpenSSL; the secrets of each handshake are told as well (see `tls`). It leaves when its stdin reaches end of
file: its driver is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from . import tls
from .command_line import parse, parser
from .kinds import CLOSE_NOTIFY, END_OF_FILE
from .tls import KeyLog

_PATIENCE_S = 8.0  # for each connect, write and read: less than a session's line may take
_READ_LEN = 65536
_TCP_CLOSED = select.POLLERR | select.POLLHUP | select.POLLRDHUP


@dataclass(frozen=True)
class Manner:
    """How the client behaves. `reads_after_error`: a write that fails does not keep it from reading.

    `idle_s`: it reads nothing before the connection has ended or that many seconds have passed.
    `receive_buffer_len` in bytes as setsockopt takes them (socket(7): the kernel doubles it); None: its own.
    """

    body_len: int = 0
    reads_after_error: bool = False
    idle_s: float = 0.0
    receive_buffer_len: int | None = None
    tls: ssl.SSLContext | None = None
    log: KeyLog | None = None


def request(body_len: int) -> bytes:
    """Make a GET, or a POST with a body of `body_len` bytes, the same on every host."""
    if not body_len:
        return b"GET / HTTP/1.1\r\nHost: erlang\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: erlang\r\nContent-Length: %d\r\n\r\n" % body_len
    return head + (b"0123456789abcdef" * (body_len // 16 + 1))[:body_len]


class Exchange:
    """One connection from its beginning to its end."""

    def __init__(self, bind: str, target: tuple[str, int], manner: Manner) -> None:
        self._bind = bind
        self._target = target
        self._manner = manner
        self._own = (bind, 0)
        self._received = 0
        self._sent = 0
        self._end = ""
        self._end_in_order = END_OF_FILE
        self._trouble = ""

    def run(self) -> dict[str, object]:
        """Do it all, and return the result as an event."""
        family = socket.AF_INET6 if ":" in self._bind else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(_PATIENCE_S)
            if self._manner.receive_buffer_len is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._manner.receive_buffer_len)
            try:
                self._exchange(sock)
            except socket.timeout:  # noqa: UP041 (an alias of TimeoutError from Python 3.10 on)
                self._trouble = f"the client waited {_PATIENCE_S:g} s for nothing"
            except OSError as error:
                self._note(error)
        return {
            "event": "ended",
            "peer": self._own,
            "received": self._received,
            "sent": self._sent,
            "end": self._end or self._end_in_order,
            "trouble": self._trouble,
            "t_ns": time.time_ns(),
        }

    def _exchange(self, sock: socket.socket) -> None:
        sock.bind((self._bind, 0))
        sock.connect(self._target)
        self._own = sock.getsockname()[:2]
        if self._manner.tls is None:
            self._asks(sock)
            return
        stream = tls.Stream(sock, self._manner.tls, server_side=False)
        try:
            stream.handshake()
            self._end_in_order = CLOSE_NOTIFY
            self._asks(stream)
        except tls.EndOfFileError:
            self._end = self._end or END_OF_FILE
        finally:
            if self._manner.log is not None:
                self._manner.log.tell()
        stream.say_close_notify()

    def _asks(self, sock: socket.socket | tls.Stream) -> None:
        if self._write(sock, request(self._manner.body_len)) or self._manner.reads_after_error:
            self._idle(sock)
            self._read(sock)

    def _write(self, sock: socket.socket | tls.Stream, data: bytes) -> bool:
        """Write the data; return whether all of it could be written."""
        view = memoryview(data)
        try:
            while view:
                count = sock.send(view)
                self._sent += count
                view = view[count:]
        except (ConnectionError, ssl.SSLError) as error:
            self._note(error)
            return False
        return True

    def _idle(self, sock: socket.socket | tls.Stream) -> None:
        if self._manner.idle_s:
            poll = select.poll()
            poll.register(sock, _TCP_CLOSED)
            poll.poll(self._manner.idle_s * 1000)

    def _read(self, sock: socket.socket | tls.Stream) -> None:
        while True:
            data = sock.recv(_READ_LEN)
            if not data:
                return
            self._received += len(data)

    def _note(self, error: OSError) -> None:
        self._end = self._end or tls.name_of(error)


def say(event: dict[str, object]) -> None:
    """Print an event as one whole line: several connections may end at once."""
    os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")


def serve(bind: str, target: tuple[str, int], manner: Manner) -> None:
    """Make one connection for every line on stdin, until its end."""
    say({"event": "listening", "address": target[0], "port": target[1]})
    for _ in sys.stdin:
        threading.Thread(target=lambda: say(Exchange(bind, target, manner).run()), daemon=True).start()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the client with these arguments (default: the command line's); return the exit status."""
    program = parser("client", "An HTTP client that asks when it is told.", 8080)
    program.add_argument("--target", required=True, metavar="ADDRESS", help="where the server is")
    options = parse(program, "client", arguments)
    if options.clean_offloads:
        from .interfaces import interface_of, switch_off_offloads

        switch_off_offloads(interface_of(options.clean_offloads))
    if options.drop_to_uid is not None:
        from .privileges import drop_to

        drop_to(options.drop_to_uid)
    with tempfile.TemporaryDirectory(prefix="client-") as folder:
        serve(options.bind, (options.target, options.port), _manner(options, folder))
    return 0


def _manner(options: argparse.Namespace, folder: str) -> Manner:
    log = context = None
    if options.tls:
        tls.read_credentials(sys.stdin.fileno())  # told to every peer that speaks TLS; a client needs none
        log = tls.KeyLog(folder, say)
        context = tls.context(ssl.Purpose.SERVER_AUTH, options.tls, log)
    return Manner(
        tls=context,
        log=log,
        body_len=options.body_bytes,
        reads_after_error=options.reads_after_error,
        idle_s=options.idle_ms / 1000,
        receive_buffer_len=options.receive_buffer_bytes,
    )


if __name__ == "__main__":
    raise SystemExit(main())
