"""One connection of the HTTP client: what it can do, and what it has to say of it in the end.

What fails is noted, not raised: it is what the client is there to see. See `client` for what is told of it.
"""

from __future__ import annotations

import errno
import http.client
import io
import select
import socket
import ssl
import struct
import time
from dataclasses import dataclass

from . import tls
from .kinds import CLOSE_NOTIFY, CLOSED, END_OF_FILE
from .tls import KeyLog

PATIENCE_S = 8.0  # for each connect and write: less than a session's line may take
_READ_LEN = 65536
_TCP_CLOSED = select.POLLERR | select.POLLHUP | select.POLLRDHUP
_ABORT = struct.pack("ii", 1, 0)  # struct linger: on, 0 s
_MOST_HEADER_LEN = 65536
_INTERIM = (b"HTTP/1.1 1", b"HTTP/1.0 1")


@dataclass(frozen=True)
class ClientOptions:
    """How the client behaves. `reads_after_error`: a write that fails does not keep it from reading.

    `receive_buffer_len` in bytes as setsockopt takes them (socket(7): the kernel doubles it); None: its own.
    """

    reads_after_error: bool = False
    receive_buffer_len: int | None = None
    tls: ssl.SSLContext | None = None
    log: KeyLog | None = None


class Connection:
    """One TCP connection of the client; `over` is true once its socket is closed."""

    def __init__(self, bind: str, target: tuple[str, int], options: ClientOptions) -> None:
        self._options = options
        self._own = (bind, 0)
        self._received = self._sent = 0
        self._at_end = False  # the other end's FIN, or its close_notify, was read
        self._end = self._trouble = ""
        self._end_in_order = END_OF_FILE
        self._kept = b""  # of an answer, read before it was asked for
        self.over = False
        self._sock = socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET, socket.SOCK_STREAM)
        self._stream: socket.socket | tls.Stream = self._sock
        self._sock.settimeout(PATIENCE_S)
        if options.receive_buffer_len is not None:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.receive_buffer_len)
        try:
            self._sock.bind((bind, 0))
            self._sock.connect(target)
            self._own = self._sock.getsockname()[:2]
            self._shake_hands()
        except socket.timeout:  # noqa: UP041 (an alias of TimeoutError from Python 3.10 on)
            self.give_up(f"connecting timed out after {PATIENCE_S:g} s")
        except tls.EndOfFileError:
            self._note(END_OF_FILE)
        except OSError as error:
            self._note(tls.name_of(error))

    def _shake_hands(self) -> None:
        if self._options.tls is None:
            return
        stream = tls.Stream(self._sock, self._options.tls, server_side=False)
        try:
            stream.handshake()
            self._stream, self._end_in_order = stream, CLOSE_NOTIFY
        finally:
            if self._options.log is not None:
                self._options.log.tell()

    @property
    def writes(self) -> bool:
        """Whether a write may still succeed: no call has failed and the socket is open."""
        return not (self._end or self._trouble or self.over)

    @property
    def reads(self) -> bool:
        """Whether to go on reading: no call has failed, or the client reads after errors."""
        return not (self._trouble or self.over) and (not self._end or self._options.reads_after_error)

    def write(self, data: bytes) -> None:
        """Write all of it, or as much as can be."""
        view = memoryview(data)
        self._sock.settimeout(PATIENCE_S)
        try:
            while view and self.writes:
                count = self._stream.send(view)
                self._sent += count
                view = view[count:]
        except socket.timeout:  # noqa: UP041
            self.give_up(f"a write timed out after {PATIENCE_S:g} s")
        except OSError as error:
            self._note(tls.name_of(error))

    def read(self, length: int, within_s: float) -> bytes:
        """Read at most `length` bytes, b"" at the end of file; give up after a silence of `within_s`."""
        try:
            return self._read(length, within_s)
        except socket.timeout:  # noqa: UP041
            self.give_up(f"nothing came within {within_s:g} s")
            return b""

    def _read(self, length: int, within_s: float) -> bytes:
        if self._kept:
            data, self._kept = self._kept[:length], self._kept[length:]
            return data
        if self._at_end or not self.reads:
            return b""
        self._sock.settimeout(within_s)
        try:
            data = self._stream.recv(length)
        except socket.timeout:  # noqa: UP041
            raise
        except tls.EndOfFileError:
            data, self._end_in_order = b"", END_OF_FILE
        except OSError as error:
            self._note(tls.name_of(error))
            return b""
        self._at_end = not data
        self._received += len(data)
        return data

    def read_count(self, count: int, within_s: float) -> bytes:
        """Read that many bytes, or all that there are."""
        found = b""
        while len(found) < count:
            data = self.read(count - len(found), within_s)
            if not data:
                break
            found += data
        return found

    def read_all(self, within_s: float) -> None:
        """Read to the end."""
        while self.read(_READ_LEN, within_s):
            pass

    def read_answer(self, within_s: float) -> None:
        """Read one answer to its end, the interim ones before it too, and not a byte more."""
        answer = http.client.HTTPResponse(_Opened(_Bytes(self, within_s)))  # type: ignore[arg-type]
        try:
            answer.begin()
            answer.read()
        except (http.client.IncompleteRead, http.client.RemoteDisconnected):
            pass  # its end came before it was whole: that is noted
        except (http.client.HTTPException, ValueError) as error:
            if self.reads and not self._at_end:
                self.give_up(f"that was no HTTP answer ({error!r})")

    def is_told_to_go_on(self, within_s: float) -> bool:
        """Wait for an interim answer: False where a final one came, which is kept for whoever reads it."""
        try:
            header = self._read(1, within_s)
        except socket.timeout:  # noqa: UP041
            return True
        while header and not header.endswith(b"\r\n\r\n") and len(header) < _MOST_HEADER_LEN:
            byte = self.read(1, PATIENCE_S)
            if not byte:
                break
            header += byte
        if header.startswith(_INTERIM):
            return True
        self._kept = header
        return False

    def await_end(self, within_s: float) -> bool:
        """Wait for the other end's FIN or RST without reading; return whether it came within `within_s`."""
        poll = select.poll()
        poll.register(self._sock, _TCP_CLOSED)
        return bool(poll.poll(within_s * 1000))

    def shut_down(self) -> None:
        """Send a FIN, and before it a close_notify where it is TLS."""
        self._say_close_notify()
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._note(tls.name_of(error))

    def reset(self) -> None:
        """Close with a RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self._close()

    def close(self) -> None:
        """Close, after a close_notify where it is TLS."""
        if not self.over:
            self._say_close_notify()
            self._close()

    def _say_close_notify(self) -> None:
        if isinstance(self._stream, tls.Stream) and not self._end:
            self._sock.settimeout(PATIENCE_S)
            self._stream.say_close_notify()

    def _close(self) -> None:
        if not (self._end or self._at_end):
            failed = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:  # what no read or write was there to be told
                self._note(errno.errorcode.get(failed, f"errno {failed}"))
        self._sock.close()
        self.over = True

    def _note(self, end: str) -> None:
        self._end = self._end or end

    def give_up(self, why: str) -> None:
        """Stop using the connection, because a step of the client failed."""
        self._trouble = self._trouble or why

    def happened_at(self, line: int) -> None:
        """Name the line of the steps that it gave up at."""
        self._trouble = f"line {line} of its steps: {self._trouble}"

    @property
    def is_in_trouble(self) -> bool:
        """Whether a step of it could not be done."""
        return bool(self._trouble)

    def told(self) -> dict[str, object]:
        """Return the "ended" event of this closed connection."""
        in_order = self._end_in_order if self._at_end else CLOSED
        return {
            "event": "ended",
            "peer": self._own,
            "received": self._received,
            "sent": self._sent,
            "end": self._end or in_order,
            "trouble": self._trouble,
            "t_ns": time.time_ns(),
        }


class _Bytes(io.RawIOBase):
    """A connection's bytes as http.client reads them: one by one where it looks for a line's end."""

    def __init__(self, connection: Connection, within_s: float) -> None:
        self._connection = connection
        self._within_s = within_s

    def readable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        if count < 0:
            return b"".join(iter(lambda: self._connection.read(_READ_LEN, self._within_s), b""))
        return self._connection.read_count(count, self._within_s)


class _Opened:
    """What http.client takes for a socket."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file

    def makefile(self, mode: str) -> io.RawIOBase:
        return self._file
