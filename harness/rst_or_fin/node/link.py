"""A link to one Erlang node over the distribution protocol; `session` decides what is sent over it.

The node's process `rst_or_fin` is sent `{From, Ref, Command}` and answers with tuples that begin with Ref.
Source: erts' user's guide, "Distribution Protocol" (handshake of OTP 23 and later, REG_SEND and SEND).
"""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import time
from collections import deque
from types import TracebackType
from typing import Self

from erldistpy import (  # type: ignore[import-untyped]
    Atom,
    Channel,
    ChannelError,
    HandshakeError,
    Pid,
    handshake,
)
from erldistpy.channel import OP_REG_SEND, PASS_THROUGH  # type: ignore[import-untyped]
from erldistpy.etf import encode  # type: ignore[import-untyped]
from erldistpy.flags import DEFAULT_FLAGS  # type: ignore[import-untyped]

from rst_or_fin.errors import LinkError, LinkLostError, LinkRefusedError, LinkTimeoutError

__all__ = ["Atom", "Encoded", "Event", "Link", "Term", "encoded"]

_SERVER = Atom("rst_or_fin")
_OP_SEND = 2  # {2, Unused, ToPid}, then the message
_FIRST_PING_S = 0.02
_RECV_LEN = 65536

# A term as erldistpy decodes it: atoms are Atom, strings of the node are bytes.
Term = object
Event = tuple[Term, ...]


class Encoded(bytes):
    """A term in the external format, without its version byte: what is sent often is encoded once."""


def encoded(term: Term) -> Encoded:
    """Encode a term to be sent as, or within, a command."""
    return Encoded(encode(term)[1:])


class Link:
    """One controller's end of a distribution link, over a socket that its caller connected.

    Events of several refs may interleave: each is kept until its ref is asked for. A ref is open from `send`
    to `release`; what arrives for one that is not open is late, and dropped. Not for several threads.
    """

    def __init__(self, sock: socket.socket, *, name: str, creation: int) -> None:
        """Take over a socket on which the handshake is done; `Link.over` is the usual way in."""
        sock.setblocking(True)
        self._sock = sock
        self._inbox = _Inbox(sock)
        self._channel = Channel(self._inbox, recv_timeout=None)
        pid = Pid(node=Atom(name), id=1, serial=0, creation=creation)
        # What every message begins with: where it goes, then {From, Ref, Command} up to From.
        control = encode((OP_REG_SEND, pid, Atom(""), _SERVER))
        self._head = bytes([PASS_THROUGH]) + control + encode((pid, 0, 0))[:-4]  # each 0 takes two bytes
        self._numbers = itertools.count(1)
        self._events: dict[bytes, deque[Event]] = {}

    @classmethod
    def over(cls, sock: socket.socket, *, cookie: str, timeout_s: float) -> Self:
        """Do the handshake over a connected socket, which the link owns from then on (closed on failure).

        `timeout_s` bounds each of the handshake's three waits. Raises LinkRefusedError if the node
        refused, LinkTimeoutError if it did not answer.
        """
        name = f"rst-or-fin-{os.getpid()}-{secrets.token_hex(4)}@127.0.0.1"
        steps = _Steps(sock)
        try:
            done = handshake(steps, our_name=name, cookie=cookie, our_flags=DEFAULT_FLAGS, timeout=timeout_s)
        except TimeoutError as error:
            sock.close()
            raise LinkTimeoutError(
                f"the Erlang node did not answer the handshake within {timeout_s:g} s",
                "check that the node runs and that this is its distribution port",
            ) from error
        except (HandshakeError, OSError) as error:
            sock.close()
            raise _refusal(steps, str(error)) from error
        return cls(sock, name=name, creation=done.our_creation)

    def send(self, command: Term | Encoded) -> bytes:
        """Send one command and return the ref under which its events will come. Raises LinkLostError."""
        ref = b"%d" % next(self._numbers)
        self._events[ref] = deque()
        try:
            self._channel.send_raw(self._head + encoded(ref) + _as_encoded(command))
        except ChannelError as error:
            raise _lost(str(error)) from error
        return ref

    def next_event(self, ref: bytes, timeout_s: float) -> Event:
        """Return the next event of an open ref, without the ref: its name as str, then its terms.

        Raises LinkTimeoutError when none came within `timeout_s`, LinkLostError when the node is gone. What
        arrived before either stays to be read.
        """
        waiting = self._events[ref]
        deadline_s = time.monotonic() + timeout_s
        while not waiting:
            self._receive(deadline_s, timeout_s)
        return waiting.popleft()

    def release(self, ref: bytes) -> None:
        """End a ref: its later events are dropped."""
        self._events.pop(ref, None)

    def call(self, command: Term, timeout_s: float) -> Term:
        """Send a command that is answered once, and return the answer's value (None where it has none)."""
        ref = self.send(command)
        try:
            name, *values = self.next_event(ref, timeout_s)
        finally:
            self.release(ref)
        if name == "unknown_command":
            raise LinkError(
                f"the Erlang node does not know the command {command!r}",
                "rebuild the node's image: it runs another version of session_node.escript",
            )
        return values[0] if values else None

    def wait_until_ready(self, timeout_s: float) -> Term:
        """Ping until the node answers, and return what it says of itself.

        A message to a name that is not registered yet is lost silently (Erlang reference manual, Processes,
        "Delivery of Signals"), so one ping is not enough. Raises LinkTimeoutError, LinkLostError.
        """
        deadline_s = time.monotonic() + timeout_s
        patience_s = _FIRST_PING_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                return self.call(Atom("ping"), min(patience_s, left_s))
            except LinkTimeoutError:
                patience_s *= 2
        raise LinkTimeoutError(
            f"the Erlang node is linked, but {_SERVER.name} did not answer within {timeout_s:g} s",
            "see the node's own output for why session_node.escript did not start",
        )

    def is_lost(self) -> bool:
        """Return whether the node's end of the socket is closed by now, without waiting."""
        try:
            return not self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def fileno(self) -> int:
        """Return the socket's file descriptor."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the link; a node that has no other halts."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self, deadline_s: float, timeout_s: float) -> None:
        """Sort in the messages that have arrived; without any, wait for bytes until the deadline."""
        if self._inbox.next_frame():
            while self._inbox.next_frame():
                self._take_frame()
            return
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not self._inbox.fill(left_s):
            raise LinkTimeoutError(
                f"the Erlang node did not answer within {timeout_s:g} s",
                "if the machine is busy, try again with a longer timeout",
            )

    def _take_frame(self) -> None:
        try:
            message = self._channel.recv_message()
        except ChannelError:
            return  # a term that erldistpy does not read: not from session_node, which sends none
        if message is not None and message.op == _OP_SEND:
            self._sort_in(message.payload)

    def _sort_in(self, payload: Term) -> None:
        match payload:
            case (bytes(ref), Atom(name=name), *values) if ref in self._events:
                self._events[ref].append((name, *values))


def _as_encoded(command: Term | Encoded) -> Encoded:
    return command if isinstance(command, Encoded) else encoded(command)


class _Steps:
    """A socket that counts what was sent, which tells how far a handshake came."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.sent = 0

    def settimeout(self, timeout_s: float | None) -> None:
        self._sock.settimeout(timeout_s)

    def sendall(self, data: bytes) -> None:
        self._sock.sendall(data)
        self.sent += 1

    def recv(self, length: int) -> bytes:
        return self._sock.recv(length)


class _Inbox:
    """Bytes from the node, read as many at a time as there are, and handed out frame by frame.

    It stands in for a Channel's socket, so that a time-out in the middle of a frame loses nothing: the
    Channel is asked to read only when a whole frame is here.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._bytes = b""
        self._at = 0

    def next_frame(self) -> bool:
        """Return whether a whole frame is here; skip ticks, which are empty frames."""
        while len(self._bytes) - self._at >= 4:
            length = int.from_bytes(self._bytes[self._at : self._at + 4], "big")
            if length:
                return len(self._bytes) - self._at >= 4 + length
            self._at += 4
        return False

    def fill(self, timeout_s: float) -> bool:
        """Wait for bytes; return whether some came within `timeout_s`. Raises LinkLostError."""
        self._sock.settimeout(timeout_s)
        try:
            data = self._sock.recv(_RECV_LEN)
        except TimeoutError:
            return False
        except OSError as error:
            raise _lost(str(error)) from error
        finally:
            if self._sock.fileno() >= 0:
                self._sock.settimeout(None)
        if not data:
            raise _lost("it closed the connection")
        self._bytes = self._bytes[self._at :] + data
        self._at = 0
        return True

    def recv(self, length: int) -> bytes:
        start, self._at = self._at, self._at + length
        return self._bytes[start : self._at]

    def sendall(self, data: bytes) -> None:
        self._sock.sendall(data)

    def close(self) -> None:
        self._sock.close()


def _refusal(steps: _Steps, why: str) -> LinkRefusedError:
    """Make the error for a failed handshake: after the second message sent, the cookie was refused."""
    if "status=" in why:
        return LinkRefusedError(
            f"the Erlang node refused the link ({why})",
            "end the other link with this name, or allow links on the node",
        )
    if steps.sent == 2:
        return LinkRefusedError(
            "the Erlang node refused the cookie",
            "check that node and controller have the same cookie; the node may be of an earlier run",
        )
    return LinkRefusedError(
        f"the Erlang node ended the handshake ({why})",
        "check that this is the distribution port of OTP 23 or later, and that the node has started",
    )


def _lost(why: str) -> LinkLostError:
    return LinkLostError(
        f"the link to the Erlang node broke: {why}",
        "see the node's own output for why it ended",
    )
