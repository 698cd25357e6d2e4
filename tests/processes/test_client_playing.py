"""The client's steps against a server on loopback: what it does, and what it says of each connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rst_or_fin.agents import client
from rst_or_fin.agents.client_connection import ClientOptions
from rst_or_fin.agents.client_steps import parse

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
GET = len(client.request(0))
Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def server(*serves: Serve) -> Iterator[tuple[str, int]]:
    """Serve one connection after another, in a thread; the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            for serve in serves:
                accepted, _ = listener.accept()
                with accepted:
                    accepted.settimeout(20)
                    serve(accepted)

        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()
        thread.join()


def played(steps: str, *serves: Serve, options: ClientOptions | None = None) -> list[dict[str, Any]]:
    """What the client said of each of its connections, in the order of their ends."""
    said: list[dict[str, Any]] = []
    with server(*serves) as address:
        client.play(parse(steps), "127.0.0.1", address, options or ClientOptions(), said.append)
    return said


def ends(said: list[dict[str, Any]]) -> list[tuple[int, int, str]]:
    return [(each["received"], each["sent"], each["end"]) for each in said]


def take(sock: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length and (data := sock.recv(length - len(found))):
        found += data
    return found


def answer_each(*answers: bytes) -> Serve:
    """Answer one GET after another, then wait for the client's end."""

    def serve(sock: socket.socket) -> None:
        for answer in answers:
            take(sock, GET)
            sock.sendall(answer)
        with contextlib.suppress(ConnectionResetError):  # a client that leaves something unread
            while sock.recv(65536):
                pass

    return serve


def reset(sock: socket.socket) -> None:
    take(sock, GET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("answer", [OK, CHUNKED, b"HTTP/1.1 100 Continue\r\n\r\n" + OK])
def test_an_answer_is_read_to_its_end_and_no_further(answer: bytes) -> None:
    said = played("request\nread answer", answer_each(answer + b"more"))
    assert ends(said) == [(len(answer), GET, "closed")]


def test_a_second_request_goes_out_on_the_same_connection() -> None:
    said = played("request\nread answer\nrequest\nread answer", answer_each(OK, OK))
    assert ends(said) == [(2 * len(OK), 2 * GET, "closed")]


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    def serve(sock: socket.socket) -> None:
        take(sock, GET)
        sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")

    assert ends(played("request\nread answer", serve)) == [(24, GET, "end of file")]


def test_so_many_bytes_are_read_and_no_more() -> None:
    assert ends(played("request\nread 10", answer_each(OK))) == [(10, GET, "closed")]


def test_the_end_is_heard_without_reading() -> None:
    assert ends(played("request\nexpect end", reset)) == [(0, GET, "ECONNRESET")]


def test_a_half_closed_client_reads_on() -> None:
    def serve(sock: socket.socket) -> None:
        while sock.recv(65536):
            pass
        sock.sendall(OK)

    assert ends(played("request\nFIN\nread all", serve)) == [(len(OK), GET, "end of file")]


def test_a_reset_arrives_as_one() -> None:
    seen = []

    def serve(sock: socket.socket) -> None:
        take(sock, GET)
        try:
            sock.recv(1)
        except ConnectionResetError:
            seen.append("reset")

    played("request\nRST", serve)
    assert seen == ["reset"]


def test_connections_are_open_at_the_same_time_and_told_apart() -> None:
    said: list[dict[str, Any]] = []

    def run() -> None:
        with listener.accept()[0] as first, listener.accept()[0] as second:
            answer_each(OK)(second)
            answer_each(OK)(first)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        steps = parse("request\n2: request\n2: read answer\nread 10")
        client.play(steps, "127.0.0.1", listener.getsockname(), ClientOptions(), said.append)
        thread.join()
    assert ends(said) == [(len(OK), GET, "closed"), (10, GET, "closed")]


def test_the_body_follows_the_interim_answer() -> None:
    bodies = []

    def serve(sock: socket.socket) -> None:
        header = b""
        while not header.endswith(b"\r\n\r\n"):
            header += sock.recv(1)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        bodies.append((b"Expect: 100-continue" in header, take(sock, 5)))
        sock.sendall(OK)

    played("request body 5 continue within 5s\nread answer", serve)
    assert bodies == [(True, b"01234")]


def test_a_final_answer_keeps_the_body_back_and_can_be_read() -> None:
    def serve(sock: socket.socket) -> None:
        header = b""
        while not header.endswith(b"\r\n\r\n"):
            header += sock.recv(1)
        sock.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")

    [(received, sent, end)] = ends(played("request body 500 continue within 5s\nread all", serve))
    assert (received, sent < 500, end) == (53, True, "end of file")


def test_the_body_follows_when_nobody_answers() -> None:
    def serve(sock: socket.socket) -> None:
        while b"01234" not in sock.recv(65536):
            pass
        sock.sendall(OK)

    assert played("request body 5 continue within 1ms\nread answer", serve)[0]["received"] == len(OK)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("read 99 within 20ms", "line 2 of its steps: nothing came within 0.02 s"),
        ("expect end within 20ms", "line 2 of its steps: the other end did not end within 0.02 s"),
    ],
)
def test_what_does_not_come_in_time_is_trouble_with_its_line(step: str, why: str) -> None:
    assert [each["trouble"] for each in played(f"request\n{step}", answer_each(OK))] == [why]


def test_what_is_no_answer_is_trouble() -> None:
    [said] = played("request\nread answer", answer_each(b"hello\r\n"))
    assert said["trouble"].startswith("line 2 of its steps: that was no HTTP answer (BadStatusLine(")


@pytest.mark.parametrize(("reads_on", "received"), [(False, 0), (True, len(OK))])
def test_reads_follow_a_failed_write_only_where_they_are_told_to(reads_on: bool, received: int) -> None:
    def serve(sock: socket.socket) -> None:
        take(sock, GET)
        sock.sendall(OK)

    steps = "request\nexpect end\nsend 10 bytes\nwait 100ms\nsend 10 bytes\nread all"
    [said] = played(steps, serve, options=ClientOptions(reads_after_error=reads_on))
    assert (said["received"], said["end"]) == (received, "EPIPE")


def test_a_connection_that_is_refused_is_told_with_the_errno() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    said: list[dict[str, Any]] = []
    client.play(parse("request\nread all"), "127.0.0.1", address, ClientOptions(), said.append)
    assert ends(said) == [(0, 0, "ECONNREFUSED")]


def test_the_program_refuses_steps_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        client.main(["--bind=127.0.0.1", "--target=127.0.0.1", "--steps=sned"])
    assert (exited.value.code, "line 1: 'sned' is not a step" in capsys.readouterr().err) == (2, True)
