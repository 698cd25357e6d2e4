"""Runs a real HTTP server in the foreground and turns its log into reports, one JSON line a connection.

What nginx and httpd have in common; `nginx` and `httpd` know how each is configured and what its lines mean.
The events are the origin's (see `origin`): "listening" once the server's log says so, then "ended" for every
connection of which the log has told both the requests (`received` and `sent` are the server's own counts, in
bytes on the connection) and the end: "end of file", an errno's name, or "closed" where the server closed
first because its answer said so. A connection that never carried a request is not in the access log, and so
is never heard of. Where it speaks TLS its secrets are told as well (see `tls`): mod_ssl writes them to the
file that SSLKEYLOGFILE names, and so does nginx with `key_log.so` preloaded (containers/nginx).
"""

from __future__ import annotations

import errno
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import tls
from .command_line import parse, parser
from .kinds import CLOSED, END_OF_FILE

_KEPT = ("keep-alive", "+")  # what nginx's and httpd's logs have for a connection that stays
_END_TIMEOUT_S = 5.0
_KEY_LOG = "/usr/local/lib/key_log.so"


@dataclass(frozen=True)
class Requested:
    """A request was answered on connection `number`; the counts are those of this request alone.

    `closes`: the server closes the connection after this answer.
    """

    number: str
    peer: tuple[str, int]
    received: int
    sent: int
    closes: bool = False


@dataclass(frozen=True)
class Ended:
    """Connection `number` has ended for the server."""

    number: str
    end: str


@dataclass(frozen=True)
class Listening:
    """The server accepts connections."""


def requested(line: str) -> Requested:
    """Parse a line of the access log, in the JSON that both servers are told to write."""
    said = json.loads(line)
    return Requested(
        said["connection"],
        (said["address"], int(said["port"])),
        int(said["received"]),
        int(said["sent"]),
        said["then"] not in _KEPT,
    )


def name_of(number: str | None) -> str:
    """Return an errno's name; None is no error."""
    return END_OF_FILE if number is None else errno.errorcode.get(int(number), f"errno {number}")


class Log:
    """What the log has told so far, connection by connection."""

    def __init__(self) -> None:
        self._requested: dict[str, Requested] = {}
        self._ended: dict[str, str] = {}

    def take(self, told: Requested | Ended) -> dict[str, object] | None:
        """Return the event of a connection whose requests and end are now known; else None."""
        if isinstance(told, Ended):
            self._ended.setdefault(told.number, told.end)
        else:
            before = self._requested.get(told.number)
            self._requested[told.number] = Requested(
                told.number,
                told.peer,
                told.received + (before.received if before else 0),
                told.sent + (before.sent if before else 0),
                told.closes,
            )
            if told.closes:
                self._ended[told.number] = CLOSED
        if told.number not in self._requested or told.number not in self._ended:
            return None
        whole = self._requested.pop(told.number)
        return {
            "event": "ended",
            "peer": whole.peer,
            "received": whole.received,
            "sent": whole.sent,
            "end": self._ended.pop(told.number),
            "t_ns": time.time_ns(),
        }


Read = Callable[[str], "Listening | Requested | Ended | None"]


def serve(
    command: Sequence[str], read: Read, address: str, port: int, secrets: tls.KeyLog | None = None
) -> int:
    """Run the server until stdin ends (0) or it ends by itself (1, with its last output on stderr).

    What it writes into the key log is told before what its own log says next.
    """
    log = Log()
    said: list[str] = []
    env = _telling(secrets) if secrets is not None else None
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env) as server:
        assert server.stderr is not None
        lines = server.stderr.fileno()
        rest = b""
        while True:
            ready, _, _ = select.select([sys.stdin.fileno(), lines], [], [])
            if lines in ready:
                data = os.read(lines, 65536)
                if not data:
                    print("\n".join(said[-10:]), file=sys.stderr)
                    return 1
                if secrets is not None:
                    secrets.tell()
                *whole, rest = (rest + data).split(b"\n")
                for line in (raw.decode("utf-8", "replace") for raw in whole):
                    said = [*said[-10:], line]
                    told = read(line)
                    if isinstance(told, Listening):
                        _say({"event": "listening", "address": address, "port": port})
                    elif told is not None:
                        event = log.take(told)
                        if event is not None:
                            _say(event)
            elif not os.read(sys.stdin.fileno(), 4096):
                server.terminate()
                try:
                    server.wait(_END_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    server.kill()
                return 0


def _telling(secrets: tls.KeyLog) -> dict[str, str]:
    """Return an environment that makes the server's OpenSSL write its TLS secrets to the key log."""
    preloaded = {"LD_PRELOAD": _KEY_LOG} if os.path.exists(_KEY_LOG) else {}
    return {**os.environ, "SSLKEYLOGFILE": secrets.path, **preloaded}


def _say(event: dict[str, object]) -> None:
    view = memoryview(json.dumps(event).encode() + b"\n")
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


def main(
    name: str,
    configuration: Callable[[str, int, str, str], str],
    command: Callable[[str], Sequence[str]],
    read: Read,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run the program; return its exit status.

    `configuration` takes address, port, a folder for all files, and the version of TLS.
    """
    options = parse(parser(name, f"{name}, which says how connections end.", 8080), name, arguments)
    if options.clean_offloads:
        from .interfaces import interface_of, switch_off_offloads

        switch_off_offloads(interface_of(options.clean_offloads))
    if options.drop_to_uid is not None:
        from .privileges import drop_to

        drop_to(options.drop_to_uid)
    version = getattr(options, "tls", None) or ""
    credentials = tls.read_credentials(sys.stdin.fileno()) if version else None
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        secrets = None
        if credentials is not None:
            tls.written(credentials, folder)
            secrets = tls.KeyLog(folder, _say)
        with open(os.path.join(folder, "index.html"), "wb") as page:
            page.write((b"0123456789abcdef" * (options.body_bytes // 16 + 1))[: options.body_bytes])
        path = os.path.join(folder, f"{name}.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(configuration(options.bind, options.port, folder, version))
        return serve(command(path), read, options.bind, options.port, secrets)
