"""A link keeps what the node says, whatever happens to the connection, and says clearly what went wrong."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise

import pytest
from erldistpy import Atom, encode  # type: ignore[import-untyped]
from erldistpy.flags import DEFAULT_FLAGS  # type: ignore[import-untyped]
from erldistpy.handshake import cookie_digest  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.errors import LinkError, LinkLostError, LinkRefusedError, LinkTimeoutError
from rst_or_fin.node.link import Link

_COOKIE = "sesame"
_CHALLENGE = 0x01020304
_PASS_THROUGH = b"p"
_SEND_TO_US = (2, Atom(""), Atom("the controller"))
_TICK = b"\0\0\0\0"


def _message(payload: object) -> bytes:
    body: bytes = _PASS_THROUGH + encode(_SEND_TO_US) + encode(payload)
    return struct.pack(">I", len(body)) + body


def _answer(ref: bytes, *terms: object) -> bytes:
    return _message((ref, *terms))


def _read(sock: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        data += (more := sock.recv(length - len(data)))
        assert more, "the controller hung up"
    return data


def _read_message(sock: socket.socket) -> bytes:
    return _read(sock, int.from_bytes(_read(sock, 4), "big"))


def _read_step(sock: socket.socket) -> bytes:
    return _read(sock, int.from_bytes(_read(sock, 2), "big"))


def _write_step(sock: socket.socket, body: bytes) -> None:
    sock.sendall(struct.pack(">H", len(body)) + body)


def _shake_hands(sock: socket.socket) -> None:
    """The node's side of a handshake of OTP 23 and later, as a node with _COOKIE does it."""
    _read_step(sock)
    _write_step(sock, b"sok")
    name = b"node@127.0.0.1"
    _write_step(sock, struct.pack(">cQIIH", b"N", DEFAULT_FLAGS, _CHALLENGE, 1, len(name)) + name)
    reply = _read_step(sock)
    theirs = int.from_bytes(reply[1:5], "big")
    if reply[5:] == cookie_digest(_COOKIE, _CHALLENGE):
        _write_step(sock, b"a" + cookie_digest(_COOKIE, theirs))


@contextmanager
def _node(behave: Callable[[socket.socket], None]) -> Iterator[socket.socket]:
    """The controller's end of a connection to a node that behaves as told, and then hangs up."""
    ours, theirs = socket.socketpair()

    def play() -> None:
        with theirs:
            behave(theirs)

    node = threading.Thread(target=play)
    node.start()
    try:
        yield ours
    finally:
        ours.close()
        node.join(timeout=5)
        assert not node.is_alive()


@contextmanager
def _pair() -> Iterator[tuple[Link, socket.socket]]:
    """A link whose handshake is done, and the node's end of it."""
    ours, theirs = socket.socketpair()
    with theirs, Link(ours, name="us@127.0.0.1", creation=1) as link:
        yield link, theirs


def _reached(behave: Callable[[socket.socket], None], *, cookie: str = _COOKIE, timeout_s: float = 5) -> None:
    with _node(behave) as sock, Link.over(sock, cookie=cookie, timeout_s=timeout_s):
        pass


class TestHandshake:
    def test_is_done_with_the_right_cookie(self) -> None:
        def behave(sock: socket.socket) -> None:
            _shake_hands(sock)
            sock.sendall(_answer(b"1", Atom("pong"), 7))
            sock.recv(1000)

        with _node(behave) as sock, Link.over(sock, cookie=_COOKIE, timeout_s=5) as link:
            assert link.call(Atom("ping"), 5) == 7

    def test_names_the_cookie_where_the_node_refuses_it(self) -> None:
        with pytest.raises(LinkRefusedError, match="refused the cookie") as trouble:
            _reached(_shake_hands, cookie="abracadabra")
        assert "cookie" in trouble.value.hint

    def test_names_the_cookie_where_the_node_does_not_know_it(self) -> None:
        def impostor(sock: socket.socket) -> None:
            _read_step(sock)
            _write_step(sock, b"sok")
            _write_step(sock, struct.pack(">cQIIH", b"N", DEFAULT_FLAGS, _CHALLENGE, 1, 1) + b"n")
            _read_step(sock)
            _write_step(sock, b"a" + bytes(16))

        with pytest.raises(LinkRefusedError, match="cookie"):
            _reached(impostor)

    @pytest.mark.parametrize("status", ["nok", "not_allowed", "alive"])
    def test_says_the_status_by_which_the_node_refuses(self, status: str) -> None:
        def behave(sock: socket.socket) -> None:
            _read_step(sock)
            _write_step(sock, b"s" + status.encode())

        with pytest.raises(LinkRefusedError, match=f"status='{status}'"):
            _reached(behave)

    def test_tells_something_else_from_a_node(self) -> None:
        def web_server(sock: socket.socket) -> None:
            sock.recv(1000)
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(20000))

        with pytest.raises(LinkRefusedError, match="ended the handshake"):
            _reached(web_server)

    def test_tells_a_node_that_hangs_up_at_once(self) -> None:
        with pytest.raises(LinkRefusedError, match="ended the handshake"):
            _reached(lambda sock: None)

    def test_does_not_wait_for_a_silent_node_for_ever(self) -> None:
        def silent(sock: socket.socket) -> None:
            while sock.recv(1000):
                pass

        with pytest.raises(LinkTimeoutError, match=r"within 0\.05 s"):
            _reached(silent, timeout_s=0.05)

    def test_closes_the_socket_that_it_could_not_use(self) -> None:
        with _node(lambda sock: None) as sock:
            with pytest.raises(LinkRefusedError):
                Link.over(sock, cookie=_COOKIE, timeout_s=5)
            assert sock.fileno() == -1


class TestEvents:
    def test_wait_for_whoever_asks_for_their_ref(self) -> None:
        with _pair() as (link, node):
            first, second = link.send(Atom("one")), link.send(Atom("two"))
            node.sendall(_answer(second, Atom("b")) + _answer(first, Atom("a")))
            assert (link.next_event(first, 5), link.next_event(second, 5)) == (("a",), ("b",))

    def test_that_are_late_are_dropped(self) -> None:
        with _pair() as (link, node):
            with pytest.raises(LinkTimeoutError):
                link.call(Atom("slow"), 0.01)
            node.sendall(_answer(b"1", Atom("late"), 1) + _answer(b"2", Atom("answer"), 2))
            assert link.call(Atom("quick"), 5) == 2

    def test_of_a_time_out_can_still_be_had_while_their_ref_is_open(self) -> None:
        with _pair() as (link, node):
            ref = link.send(Atom("slow"))
            with pytest.raises(LinkTimeoutError, match=r"within 0\.01 s"):
                link.next_event(ref, 0.01)
            node.sendall(_answer(ref, Atom("late")))
            assert link.next_event(ref, 5) == ("late",)

    def test_survive_a_time_out_in_the_middle_of_their_message(self) -> None:
        with _pair() as (link, node):
            ref = link.send(Atom("x"))
            message = _answer(ref, Atom("whole"), b"text")
            node.sendall(message[:9])
            with pytest.raises(LinkTimeoutError):
                link.next_event(ref, 0.01)
            node.sendall(message[9:])
            assert link.next_event(ref, 5) == ("whole", b"text")

    def test_that_came_before_the_node_died_are_not_lost(self) -> None:
        with _pair() as (link, node):
            ref = link.send(Atom("x"))
            _read_message(node)  # unread data at the close would be a reset
            node.sendall(_answer(ref, Atom("last words")) + _answer(ref, Atom("cut"))[:-3])
            node.close()
            assert link.next_event(ref, 5) == ("last words",)
            with pytest.raises(LinkLostError, match="closed the connection"):
                link.next_event(ref, 5)

    def test_with_terms_that_cannot_be_read_are_passed_over(self) -> None:
        with _pair() as (link, node):
            ref = link.send(Atom("x"))
            body = _PASS_THROUGH + encode(_SEND_TO_US) + b"\x83\x66not a port"
            node.sendall(struct.pack(">I", len(body)) + body + _answer(ref, Atom("next")))
            assert link.next_event(ref, 5) == ("next",)

    @given(
        events=st.lists(st.tuples(st.sampled_from([b"1", b"2"]), st.binary(max_size=40)), max_size=12),
        ticks=st.sets(st.integers(0, 12)),
        cuts=st.sets(st.integers(1, 2000), max_size=20),
    )
    def test_come_in_order_however_the_stream_is_cut(
        self, events: list[tuple[bytes, bytes]], ticks: set[int], cuts: set[int]
    ) -> None:
        stream = b"".join(
            (_TICK if number in ticks else b"") + _answer(ref, Atom("e"), text)
            for number, (ref, text) in enumerate(events)
        )
        edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
        with _pair() as (link, node):
            assert [link.send(Atom("x")), link.send(Atom("y"))] == [b"1", b"2"]
            seen: dict[bytes, list[object]] = {b"1": [], b"2": []}
            for start, end in pairwise(edges):
                node.sendall(stream[start:end])
                with pytest.raises(LinkTimeoutError):
                    link.next_event(link.send(Atom("never answered")), 0)
            node.close()
            for ref in seen:
                with suppress(LinkLostError):
                    while True:
                        seen[ref].append(link.next_event(ref, 1)[1])
            assert seen == {ref: [text for to, text in events if to == ref] for ref in seen}


class TestCall:
    def test_without_a_value_answers_none(self) -> None:
        with _pair() as (link, node):
            node.sendall(_answer(b"1", Atom("rested")))
            assert link.call((Atom("rest"), b"0"), 5) is None

    def test_that_the_node_does_not_know_says_so(self) -> None:
        with _pair() as (link, node):
            node.sendall(_answer(b"1", Atom("unknown_command")))
            with pytest.raises(LinkError, match="does not know the command"):
                link.call(Atom("dance"), 5)

    def test_to_a_dead_node_says_that_the_link_broke(self) -> None:
        with _pair() as (link, node):
            node.close()
            with pytest.raises(LinkLostError, match="link to the Erlang node broke"):
                link.call(Atom("ping"), 5)


class TestReadiness:
    def test_is_asked_for_until_the_name_is_registered(self) -> None:
        def deaf_twice(sock: socket.socket) -> None:
            for _ in range(3):
                _read_message(sock)
            sock.sendall(_answer(b"3", Atom("pong"), {b"otp": b"28"}))

        with _node(deaf_twice) as sock, Link(sock, name="us@127.0.0.1", creation=1) as link:
            assert link.wait_until_ready(5) == {b"otp": b"28"}

    def test_that_never_comes_is_not_waited_for_for_ever(self) -> None:
        with _pair() as (link, _), pytest.raises(LinkTimeoutError, match="rst_or_fin did not answer"):
            link.wait_until_ready(0.1)

    def test_of_a_node_that_dies_is_a_lost_link(self) -> None:
        with _pair() as (link, node):
            node.close()
            with pytest.raises(LinkLostError):
                link.wait_until_ready(5)
