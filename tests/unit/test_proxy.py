"""A client behind a proxy: what it makes of an answer, and how its report finds its connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from rst_or_fin.agents import proxy, proxy_configuration
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.tcp.ending import Ending, Role
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed.peer_log import PeerLog
from rst_or_fin.verdict import witnesses
from rst_or_fin.verdict.delivery import delivery

from tests.support.cases import replay
from tests.support.segments import EXCHANGE, A, connection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BEHIND = PeerReport(peer=Endpoint(A.address, 0), received=0, sent=10, end="502", log="recv() failed")


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(proxy, "OWN", server.getsockname())
        yield server


def answers(server: socket.socket, *answers: bytes) -> threading.Thread:
    """Answer each request on one connection with these bytes, and close."""

    def serve() -> None:
        accepted, _ = server.accept()
        with accepted:
            for answer in answers:
                accepted.recv(65536)
                accepted.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ("200", 2)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", ("200, cut short", 2)),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", ("502", 0)),
        (b"", ("no answer", 0)),
    ],
)
def test_what_the_client_got_is_told_in_words(
    listener: socket.socket, answer: bytes, got: tuple[str, int]
) -> None:
    serving = answers(listener, answer)
    assert proxy.ask([0]) == [got]
    serving.join()


def test_requests_follow_one_another_on_one_connection(listener: socket.socket) -> None:
    serving = answers(listener, OK, OK)
    assert proxy.ask([0, 5]) == [("200", 2), ("200", 2)]
    serving.join()


@pytest.mark.parametrize("first", ["502 Bad Gateway\r\nContent-Length: 2", "200 OK\r\nContent-Length: 9"])
def test_a_request_that_fails_is_the_last(listener: socket.socket, first: str) -> None:
    serving = answers(listener, f"HTTP/1.1 {first}\r\n\r\nok".encode())
    assert len(proxy.ask([0, 0, 0])) == 1
    serving.join()


def test_a_server_of_its_own_is_asked_for_each_port() -> None:
    text = proxy_configuration.nginx("/x", [("10.0.0.1", 8080), ("fd00::1", 8081)], 500, "always", 4)
    assert [" ".join(line.split()) for line in text.splitlines() if "10.0.0.1" in line or "fd00" in line] == [
        "server 10.0.0.1:8080 max_fails=0;",
        "server [fd00::1]:8081 max_fails=0;",
    ]


def test_a_connection_is_kept_where_nginx_is_told() -> None:
    told = [proxy_configuration.nginx("/x", [("10.0.0.1", 8080)], 500, "never", n) for n in (0, 4)]
    assert ["keepalive 4;" in text for text in told] == [False, True]


def test_haproxy_checks_once_an_hour() -> None:
    told = [proxy_configuration.haproxy([("10.0.0.1", 8080)], 500, "never", kind) for kind in ("", "http")]
    assert [("inter 1h" in text, "option httpchk" in text) for text in told] == [(False, False), (True, True)]


def test_a_report_without_a_port_is_of_any_connection_from_there() -> None:
    log = PeerLog()
    log.feed(b'{"event": "ended", "peer": ["10.0.0.2", 0], "received": 0, "sent": 0, "end": "502"}\n')
    assert (A in log, log.take(A), log.take(A)) == (
        True,
        PeerReport(peer=Endpoint("10.0.0.2", 0), received=0, sent=0, end="502"),
        None,
    )


def test_the_proxys_log_is_part_of_what_the_peer_says() -> None:
    assert witnesses.peer(BEHIND, Ending.RST, True).says.endswith("the proxy's log: recv() failed")


def test_what_a_client_behind_a_proxy_read_is_none_of_this_connections() -> None:
    assert delivery(connection(EXCHANGE), Role.CLIENT, replay(), BEHIND).read is None
