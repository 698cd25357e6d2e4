"""What the peers that speak TLS share: certificate from stdin, context, and secrets for the evidence.

The certificate and its key come as the first line on stdin, one JSON object of two PEM texts, so that no
process list and no container's configuration shows them. The secrets of every handshake are told in NSS's
key log format, a line each, as an event on stdout:
    {"event": "secrets", "lines": ["CLIENT_HANDSHAKE_TRAFFIC_SECRET ...", ...]}
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TypeVar

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

_RECORD_LEN = 1 << 14  # bytes of plaintext (RFC 8446 section 5.1)
_Result = TypeVar("_Result")
Say = Callable[[dict[str, object]], None]


def read_credentials(stdin: int) -> dict[str, str]:
    """Read the first line on stdin, and nothing after it. Raises EOFError without one."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(stdin, 1)
        if not byte:
            raise EOFError("no certificate came on standard input")
        line += byte
    told: dict[str, str] = json.loads(line)
    return told


def written(credentials: dict[str, str], folder: str) -> tuple[str, str]:
    """Write the certificate and its key to files in a private folder; return their paths."""
    paths = (os.path.join(folder, "certificate.pem"), os.path.join(folder, "key.pem"))
    texts = (credentials["certificate"], credentials["key"])
    for path, text in zip(paths, texts):  # noqa: B905 (Python 3.9 has no `strict`)
        with open(
            path, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)
        ) as file:
            file.write(text)
    return paths


class KeyLog:
    """The file that OpenSSL writes the secrets to, told as it grows."""

    def __init__(self, folder: str, say: Say) -> None:
        self.path = os.path.join(folder, "key.log")
        self._say = say
        self._told = 0
        self._lock = threading.Lock()

    def tell(self) -> None:
        """Report the secrets that were added since the last time."""
        with self._lock:
            try:
                with open(self.path, "rb") as file:
                    file.seek(self._told)
                    added = file.read()
            except FileNotFoundError:
                return
            added = added[: added.rfind(b"\n") + 1]  # the rest of the last line is still to come
            self._told += len(added)
            lines = [line for line in added.decode("ascii").splitlines() if line and not line.startswith("#")]
            if lines:
                self._say({"event": "secrets", "lines": lines})


def context(purpose: ssl.Purpose, version: str, log: KeyLog) -> ssl.SSLContext:
    """Make a context that speaks only that version. A client with it accepts any certificate."""
    made = ssl.SSLContext(
        ssl.PROTOCOL_TLS_SERVER if purpose is ssl.Purpose.CLIENT_AUTH else ssl.PROTOCOL_TLS_CLIENT
    )
    made.minimum_version = made.maximum_version = VERSIONS[version]
    made.keylog_filename = log.path
    if purpose is ssl.Purpose.SERVER_AUTH:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


class EndOfFileError(Exception):
    """The TCP below ended in order, and no close_notify came before it."""


class Stream:
    """A TLS connection over a TCP socket that is read and written here, not in OpenSSL.

    So every error is the kernel's own: Python's ssl before 3.12.3 calls a reset an end of file.
    """

    def __init__(self, raw: socket.socket, made: ssl.SSLContext, *, server_side: bool) -> None:
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = made.wrap_bio(self._incoming, self._outgoing, server_side=server_side)

    def fileno(self) -> int:
        """Return the socket's file descriptor."""
        return self._raw.fileno()

    def handshake(self) -> None:
        """Agree on keys. Raises OSError (ssl.SSLError for an alert), EndOfFileError."""
        self._done(self._tls.do_handshake)

    def recv(self, length: int) -> bytes:
        """Receive as from a socket: empty at the other end's close_notify. Raises OSError, EndOfFileError."""
        try:
            return self._done(lambda: self._tls.read(length))
        except ssl.SSLZeroReturnError:
            return b""

    def send(self, data: bytes | memoryview) -> int:
        """Send at most one record; return how many bytes of the data it holds."""
        count = self._tls.write(data[:_RECORD_LEN])
        self._flush()
        return count

    def say_close_notify(self) -> None:
        """Send close_notify without waiting for an answer (RFC 8446 section 6.1)."""
        with contextlib.suppress(OSError):  # no answer yet, or the connection is gone: the next read tells
            try:
                self._tls.unwrap()
            finally:
                self._flush()

    def _done(self, call: Callable[[], _Result]) -> _Result:
        while True:
            try:
                result = call()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._raw.recv(65536)
                if not data:
                    raise EndOfFileError from None
                self._incoming.write(data)
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # the alert that says why
                raise
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._raw.sendall(self._outgoing.read())


def name_of(error: OSError) -> str:
    """Return the error's name in the kernel or in OpenSSL."""
    if isinstance(error, ssl.SSLError):
        return error.reason or "SSL error"
    return errno.errorcode.get(error.errno or 0, f"errno {error.errno}")
