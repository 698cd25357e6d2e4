"""An HTTP server at the other end of the tested connection: answers, waits, reports how each one ended.

It writes one JSON line to stdout when it listens, and one for every connection when that has ended for the
application:
    {"event": "listening", "address": "10.0.0.3", "port": 80}
    {"event": "ended", "peer": ["10.0.0.2", 40000], "received": 18, "sent": 485, "end": "end of file",
     "t_ns": ...}
`end` is "end of file", "closed" (it closed first, see OriginOptions) or the errno's name, for example
"ECONNRESET".
A line on its stdin with other options, as JSON by their names in a scenario, changes what it does from then
on, and is answered with {"event": "serving"}. It leaves when its stdin reaches end of file: its driver is
gone.
"""

from __future__ import annotations

import argparse
import collections
import errno
import heapq
import json
import os
import select
import socket
import sys
import time
from collections.abc import Sequence

from .command_line import parse, parser, with_defaults
from .kinds import CLOSED, END_OF_FILE
from .responses import PUBLISHED, REQUEST_END, OriginOptions, exactly, plain

_BACKLOG = 4096
_READ_LEN = 65536


def listen(address: str, port: int) -> socket.socket:
    """Open a listening socket whose connections send at once (they inherit its TCP_NODELAY)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class _Connection:
    """One accepted connection: what has come, what is still to be sent, and how far its end has got."""

    __slots__ = ("at_end", "due", "peer", "received", "sent", "sock", "stuck", "tail", "unsent", "urged")

    def __init__(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        self.sock = sock
        self.peer = peer
        self.received = 0
        self.sent = 0
        self.tail = b""  # the last bytes that came: a request's end may be cut anywhere
        self.unsent: collections.deque[bytes] = collections.deque()
        self.due: float | None = None  # the next write waits for this monotonic time
        self.stuck = False  # the next write waits for room in the kernel's buffer
        self.at_end = False  # the peer's FIN has been read
        self.urged = False  # the urgent byte has been sent


class Origin:
    """One thread, one epoll, any number of connections."""

    def __init__(self, listener: socket.socket, options: OriginOptions, orders: int, log: int) -> None:
        self._listener = listener
        self._options = options
        self._orders = orders
        self._log = log
        self._epoll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._delayed: list[tuple[float, int, _Connection]] = []  # a heap
        self._left_open: set[int] = set()  # half-open, and reported
        self._order = b""  # the beginning of a line on `orders`

    def serve(self) -> None:
        """Serve until `orders` reaches end of file; close the connections that are open then."""
        try:
            self._serve()
        finally:
            self._epoll.close()
            for connection in self._connections.values():
                connection.sock.close()

    def _serve(self) -> None:
        self._epoll.register(self._orders, select.EPOLLIN)
        self._epoll.register(self._listener, select.EPOLLIN)
        address, port = self._listener.getsockname()[:2]
        self._say({"event": "listening", "address": address, "port": port})
        while True:
            for fd, _ in self._epoll.poll(self._patience_s()):
                if fd == self._orders:
                    if not self._obey(os.read(fd, 4096)):
                        return
                elif fd == self._listener.fileno():
                    self._accept()
                elif fd in self._connections:
                    self._attend(self._connections[fd])
            self._send_delayed()

    def _obey(self, orders: bytes) -> bool:
        """Change the options as a whole line says; False at end of file."""
        *lines, self._order = (self._order + orders).split(b"\n")
        for line in lines:
            self._options = _origin_options(with_defaults("origin", json.loads(line)))
            self._say({"event": "serving"})
        return bool(orders)

    def _patience_s(self) -> float | None:
        return max(0.0, self._delayed[0][0] - time.monotonic()) if self._delayed else None

    def _accept(self) -> None:
        while True:
            try:
                sock, peer = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:  # reset before it could be accepted
                continue
            sock.setblocking(False)
            self._connections[sock.fileno()] = connection = _Connection(sock, peer[:2])
            self._epoll.register(sock, select.EPOLLIN)
            self._attend(connection)  # the request often lies there already

    def _attend(self, connection: _Connection) -> None:
        try:
            if not connection.at_end:
                self._receive(connection)
            else:
                self._check(connection)
            self._send(connection)
        except BlockingIOError:
            return
        except OSError as error:
            self._ended(connection, _name(error.errno))

    def _receive(self, connection: _Connection) -> None:
        """Read what has come; add a response for every request that it completes."""
        try:
            data = connection.sock.recv(_READ_LEN)
        except BlockingIOError:
            return
        connection.received += len(data)
        connection.at_end = not data
        text = connection.tail + data
        connection.tail = text[-len(REQUEST_END) + 1 :]
        requests = text.count(REQUEST_END)
        connection.unsent.extend(self._options.writes * requests)
        if requests and self._options.think_s:
            self._postpone(connection, self._options.think_s)
        if connection.at_end:
            self._watch(connection)

    def _check(self, connection: _Connection) -> None:
        """Raise the socket's error, if any: after the peer's FIN a read no longer reports it."""
        error = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))

    def _flags(self, *, last: bool) -> int:
        """Return MSG_EOR, so that the kernel starts a new segment for the next write (tcp_sendmsg_locked).

        Nor does it join such a segment and the FIN when it sends both again, as it does for other servers
        (tcp_retrans_try_collapse, tcp_skb_can_collapse_to; Linux 6.12): what is written last goes without.
        """
        return 0 if last and self._options.close_after_response else socket.MSG_EOR

    def _send(self, connection: _Connection) -> None:
        """Send what is due; end the connection once everything is sent, if it is time to."""
        unsent = connection.unsent
        while unsent and connection.due is None:
            write = unsent.popleft()
            try:
                count = connection.sock.send(write, self._flags(last=not unsent))
            except BlockingIOError:
                count = 0
            connection.sent += count
            if count < len(write):
                unsent.appendleft(write[count:])
                break
            if unsent and self._options.delay_s:
                self._postpone(connection, self._options.delay_s)
        stuck = bool(unsent) and connection.due is None
        if stuck != connection.stuck:
            connection.stuck = stuck
            self._watch(connection)
        if unsent:
            return
        if connection.sent and self._options.urgent and not connection.urged:
            connection.sent += connection.sock.send(b"!", socket.MSG_OOB)
            connection.urged = True
        if connection.at_end:
            self._ended(connection, END_OF_FILE)
        elif connection.sent and self._options.close_after_response:
            self._ended(connection, CLOSED)

    def _watch(self, connection: _Connection) -> None:
        """Tell epoll what this connection waits for; an error or a reset is reported in any case."""
        wanted = (0 if connection.at_end else select.EPOLLIN) | (select.EPOLLOUT if connection.stuck else 0)
        self._epoll.modify(connection.sock, wanted)

    def _postpone(self, connection: _Connection, delay_s: float) -> None:
        connection.due = time.monotonic() + delay_s
        heapq.heappush(self._delayed, (connection.due, id(connection), connection))

    def _send_delayed(self) -> None:
        while self._delayed and self._delayed[0][0] <= time.monotonic():
            due, _, connection = heapq.heappop(self._delayed)
            if connection.due != due:
                continue  # postponed anew since
            connection.due = None
            if connection.sock.fileno() >= 0:
                try:
                    self._send(connection)
                except OSError as error:
                    self._ended(connection, _name(error.errno))

    def _ended(self, connection: _Connection, end: str) -> None:
        fd = connection.sock.fileno()
        if fd not in self._left_open:
            self._say(
                {
                    "event": "ended",
                    "peer": connection.peer,
                    "received": connection.received,
                    "sent": connection.sent,
                    "end": end,
                    "t_ns": time.time_ns(),
                }
            )
        if end == END_OF_FILE and self._options.half_open:
            self._left_open.add(fd)
            return
        self._left_open.discard(fd)
        del self._connections[fd]
        connection.sock.close()

    def _say(self, event: dict[str, object]) -> None:
        view = memoryview(json.dumps(event).encode() + b"\n")
        while view:
            view = view[os.write(self._log, view) :]


def _name(number: int | None) -> str:
    return errno.errorcode.get(number or 0, f"errno {number}")


def _origin_options(options: argparse.Namespace) -> OriginOptions:
    writes: tuple[bytes, ...] = PUBLISHED if options.body_bytes is None else plain(options.body_bytes)
    if options.response_bytes is not None:
        writes = exactly(options.response_bytes)
    if options.write_bytes:
        whole = b"".join(writes)
        writes = tuple(whole[i : i + options.write_bytes] for i in range(0, len(whole), options.write_bytes))
    return OriginOptions(
        writes=tuple(write for write in writes if write),
        delay_s=options.delay_ms / 1000,
        think_s=options.think_ms / 1000,
        urgent=options.urgent,
        close_after_response=options.close_after_response,
        half_open=options.half_open,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server with these arguments (default: the command line's); return the exit status."""
    program = parser("origin", "An HTTP server that says how connections end.", 80)
    options = parse(program, "origin", arguments)
    if options.clean_offloads:
        from .interfaces import interface_of, switch_off_offloads

        switch_off_offloads(interface_of(options.clean_offloads))
    with listen(options.bind, options.port) as listener:
        if options.drop_to_uid is not None:
            from .privileges import drop_to

            drop_to(options.drop_to_uid)
        Origin(listener, _origin_options(options), sys.stdin.fileno(), sys.stdout.fileno()).serve()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
