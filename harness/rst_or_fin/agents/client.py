"""The HTTP client at the other end, where the session is the server: asks when told, and says what it got.

At every line on stdin it does its steps (see `client_steps`); without any it makes one connection, sends a
request, reads the answer to its end, and closes. It writes one JSON line to stdout at the start, and one for
every connection when that has ended for it:
    {"event": "listening", "address": "10.0.0.3", "port": 8080}
    {"event": "ended", "peer": ["10.0.0.3", 40000], "received": 0, "sent": 145408, "end": "ECONNRESET",
     "trouble": "", "t_ns": ...}
The first says that it listens to its stdin, and where it will connect. `peer` is the end that connected, as
in every server's report: here, its own. `received` and `sent` count what the application read and what its
writes took. `end` is how the first thing that failed failed, an errno's name; "end of file" where nothing did
and it read to the end; "closed" where it closed before that. Over TLS the counts are of the application, and
`end` may be "close_notify" or the name of an error of OpenSSL; the secrets of each handshake are told as well
(see `tls`). It leaves when its stdin reaches end of file: its driver is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence

from . import client_steps, tls
from .client_connection import PATIENCE_S, ClientOptions, Connection
from .client_steps import Action, AwaitEnd, Fin, Read, Request, Rst, SendBytes, SendCount, Step
from .command_line import parse, parser
from .script import ScriptError, Wait

Say = Callable[["dict[str, object]"], None]


def request(body_len: int) -> bytes:
    """Return a GET, or a POST with a body of that many bytes; every byte of it is the same on every host."""
    if not body_len:
        return b"GET / HTTP/1.1\r\nHost: erlang\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: erlang\r\nContent-Length: %d\r\n\r\n" % body_len
    return head + _content(body_len)


def _content(count: int) -> bytes:
    return (b"0123456789abcdef" * (count // 16 + 1))[:count]


def plain_steps(body_len: int, idle_s: float) -> tuple[Step, ...]:
    """Return the default steps: send a request, idle for `idle_s` seconds, read to the end."""
    actions: tuple[Action, ...] = (
        Request(body_len),
        *([AwaitEnd(idle_s, may_fail=True)] if idle_s else []),
        Read(to_end=True, within_s=PATIENCE_S),
    )
    return tuple(Step(0, 1, action) for action in actions)


def play(steps: Sequence[Step], bind: str, target: tuple[str, int], how: ClientOptions, say: Say) -> None:
    """Do the steps, one after another, and say what became of each connection once its last is done."""
    last = {step.connection: index for index, step in enumerate(steps)}
    open_: dict[int, Connection] = {}
    for index, step in enumerate(steps):
        connection = open_.get(step.connection)
        if connection is None:
            connection = open_[step.connection] = Connection(bind, target, how)
        _do(step, connection)
        if index == last[step.connection]:
            connection.close()
            say(connection.told())


def _do(step: Step, connection: Connection) -> None:
    action, before = step.action, connection.is_in_trouble
    if isinstance(action, Wait):
        time.sleep(action.duration_s)
    elif isinstance(action, AwaitEnd) and connection.writes:
        if not connection.await_end(action.within_s) and not action.may_fail:
            connection.give_up(f"the other end did not end within {action.within_s:g} s")
    elif isinstance(action, Read):
        _read(action, connection)
    elif isinstance(action, (SendBytes, SendCount, Request)):
        _send(action, connection)
    elif isinstance(action, Fin) and connection.writes:
        connection.shut_down()
    elif isinstance(action, Rst) and not connection.over:
        connection.reset()
    if step.line and connection.is_in_trouble and not before:
        connection.happened_at(step.line)


def _read(action: Read, connection: Connection) -> None:
    if action.to_end:
        connection.read_all(action.within_s)
    elif action.count is None:
        connection.read_answer(action.within_s)
    else:
        connection.read_count(action.count, action.within_s)


def _send(action: SendBytes | SendCount | Request, connection: Connection) -> None:
    if isinstance(action, SendBytes):
        connection.write(action.data)
    elif isinstance(action, SendCount):
        connection.write(_content(action.count))
    elif action.continue_s is None:
        connection.write(request(action.body_len))
    else:
        header, end, body = request(action.body_len).partition(b"\r\n\r\n")
        connection.write(header + b"\r\nExpect: 100-continue" + end)
        if connection.is_told_to_go_on(action.continue_s):
            connection.write(body)


def say(event: dict[str, object]) -> None:
    """Print an event as one whole line: several connections may end at once."""
    os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")


def serve(steps: Sequence[Step], bind: str, target: tuple[str, int], how: ClientOptions) -> None:
    """Do the steps for every line on stdin, until its end."""
    say({"event": "listening", "address": target[0], "port": target[1]})
    for _ in sys.stdin:
        threading.Thread(target=play, args=(steps, bind, target, how, say), daemon=True).start()


def main(arguments: Sequence[str] | None = None) -> int:
    """Connect when a line on stdin says so, do the steps, and tell what came of each connection."""
    program = parser("client", "An HTTP client that asks when it is told.", 8080)
    program.add_argument("--target", required=True, metavar="ADDRESS", help="where the server is")
    options = parse(program, "client", arguments)
    steps = plain_steps(options.body_bytes, options.idle_ms / 1000)
    if options.steps is not None:
        try:
            steps = client_steps.parse(options.steps)
        except ScriptError as error:
            program.error(str(error))
    if options.clean_offloads:
        from .interfaces import interface_of, switch_off_offloads

        switch_off_offloads(interface_of(options.clean_offloads))
    if options.drop_to_uid is not None:
        from .privileges import drop_to

        drop_to(options.drop_to_uid)
    with tempfile.TemporaryDirectory(prefix="client-") as folder:
        serve(steps, options.bind, (options.target, options.port), _client_options(options, folder))
    return 0


def _client_options(options: argparse.Namespace, folder: str) -> ClientOptions:
    log = context = None
    if options.tls:
        tls.read_credentials(sys.stdin.fileno())  # told to every peer that speaks TLS; a client needs none
        log = tls.KeyLog(folder, say)
        context = tls.context(ssl.Purpose.SERVER_AUTH, options.tls, log)
    return ClientOptions(
        tls=context,
        log=log,
        reads_after_error=options.reads_after_error,
        receive_buffer_len=options.receive_buffer_bytes,
    )


if __name__ == "__main__":
    raise SystemExit(main())
