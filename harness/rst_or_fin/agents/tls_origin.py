"""The HTTPS server at the other end of the tested connection: as `origin`, over TLS.

It says the same lines, and the secrets of each handshake (see `tls`). `received` and `sent` count bytes of
the application, not those of the records around them. `end` is "close_notify", "end of file" where the TCP
below ended without one (RFC 8446 section 6.1 calls that a truncation), "closed" where this end closed first,
an errno's name, or the name of OpenSSL's error.
"""

from __future__ import annotations

import argparse
import json
import os
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
from .kinds import CLOSE_NOTIFY, CLOSED, END_OF_FILE
from .origin import listen
from .responses import REQUEST_END, plain

_PATIENCE_S = 30.0
_READ_LEN = 65536


@dataclass(frozen=True)
class TlsOptions:
    """How it answers, and who closes. `without_close_notify`: it closes the TCP connection without one."""

    response: bytes
    think_s: float = 0.0
    close_after_response: bool = False
    without_close_notify: bool = False


class Exchange:
    """One accepted connection from its handshake to its end."""

    def __init__(self, raw: socket.socket, peer: tuple[str, int], options: TlsOptions) -> None:
        self._raw = raw
        self._peer = peer
        self._options = options
        self._received = self._sent = 0

    def run(self, context: ssl.SSLContext, log: tls.KeyLog) -> dict[str, object]:
        """Do it all, and return the result as an event."""
        self._raw.settimeout(_PATIENCE_S)
        with self._raw:
            end = self._ended(tls.Stream(self._raw, context, server_side=True), log)
        return {
            "event": "ended",
            "peer": self._peer,
            "received": self._received,
            "sent": self._sent,
            "end": end,
            "t_ns": time.time_ns(),
        }

    def _ended(self, stream: tls.Stream, log: tls.KeyLog) -> str:
        try:
            try:
                stream.handshake()
            finally:
                log.tell()
            return self._served(stream)
        except tls.EndOfFileError:
            return END_OF_FILE
        except OSError as error:
            return tls.name_of(error)

    def _served(self, stream: tls.Stream) -> str:
        if not self._is_asked(stream):
            stream.say_close_notify()
            return CLOSE_NOTIFY
        time.sleep(self._options.think_s)
        view = memoryview(self._options.response)
        while self._sent < len(view):
            self._sent += stream.send(view[self._sent :])
        if not self._options.close_after_response:
            while data := stream.recv(_READ_LEN):
                self._received += len(data)
        if not self._options.without_close_notify:
            stream.say_close_notify()
        return CLOSED if self._options.close_after_response else CLOSE_NOTIFY

    def _is_asked(self, stream: tls.Stream) -> bool:
        """Read a request; return False if the other end sends close_notify before it is whole."""
        asked = b""
        while not asked.endswith(REQUEST_END):
            data = stream.recv(_READ_LEN)
            if not data:
                return False
            self._received += len(data)
            asked = (asked + data)[-len(REQUEST_END) :]
        return True


def say(event: dict[str, object]) -> None:
    """Print an event as one whole line: several connections may end at once."""
    os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")


def serve(listener: socket.socket, context: ssl.SSLContext, log: tls.KeyLog, options: TlsOptions) -> None:
    """Accept without end, a thread for each connection."""
    listener.setblocking(True)
    while True:
        raw, peer = listener.accept()
        exchange = Exchange(raw, peer[:2], options)
        threading.Thread(target=lambda e=exchange: say(e.run(context, log)), daemon=True).start()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server with these arguments (default: the command line's); return the exit status."""
    program = parser("tls-origin", "An HTTPS server that says how connections end.", 443)
    options = parse(program, "tls-origin", arguments)
    if options.clean_offloads:
        from .interfaces import interface_of, switch_off_offloads

        switch_off_offloads(interface_of(options.clean_offloads))
    credentials = tls.read_credentials(sys.stdin.fileno())
    with listen(options.bind, options.port) as listener:
        if options.drop_to_uid is not None:
            from .privileges import drop_to

            drop_to(options.drop_to_uid)
        with tempfile.TemporaryDirectory(prefix="tls-origin-") as folder:
            log = tls.KeyLog(folder, say)
            context = tls.context(ssl.Purpose.CLIENT_AUTH, options.tls, log)
            context.load_cert_chain(*tls.written(credentials, folder))
            context.num_tickets = options.tickets
            serving = (listener, context, log, _tls_options(options))
            threading.Thread(target=serve, args=serving, daemon=True).start()
            say({"event": "listening", "address": options.bind, "port": options.port})
            sys.stdin.buffer.read()  # until the driver is gone
    return 0


def _tls_options(options: argparse.Namespace) -> TlsOptions:
    return TlsOptions(
        response=b"".join(plain(options.body_bytes)),
        think_s=options.think_ms / 1000,
        close_after_response=options.close_after_response,
        without_close_notify=options.without_close_notify,
    )


if __name__ == "__main__":
    raise SystemExit(main())
