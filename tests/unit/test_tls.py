"""TLS on the way: certificates that fit, secrets that are told, records that have names."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import struct
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from rst_or_fin.agents import tls
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.report import pcapng, tls_records
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.model import Server
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.segment import Endpoint, Flags, Segment
from rst_or_fin.testbed import credentials
from rst_or_fin.testbed.peer_log import PeerLog
from rst_or_fin.verdict.delivery import delivery

from tests.support.cases import replay
from tests.support.segments import EXCHANGE, A, B, connection

MADE = credentials.make("198.18.0.4", "198.18.0.3")
PEER = json.loads(MADE.for_peer)


def test_the_certificate_is_of_the_peers_address() -> None:
    certificate = x509.load_pem_x509_certificate(PEER["certificate"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert [str(name.value) for name in names.value] == ["198.18.0.4"]


def test_the_alternative_names_are_not_critical_which_otp_25_would_refuse() -> None:
    certificate = x509.load_pem_x509_certificate(PEER["certificate"].encode())
    assert not certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_the_session_gets_terms_without_a_file() -> None:
    assert {name: term[:3] for name, term in MADE.bindings.items()} == {
        "CaCerts": "[<<",
        "Cert": "<<4",
        "Key": "{'E",
    }


def test_only_the_first_line_is_taken_from_stdin() -> None:
    read, write = os.pipe()
    os.write(write, MADE.for_peer + b"connect\n")
    os.close(write)
    tls.read_credentials(read)
    with os.fdopen(read, "rb") as rest:
        assert rest.read() == b"connect\n"


def test_a_server_that_is_gone_before_its_certificate_came_says_so() -> None:
    read, write = os.pipe()
    os.close(write)
    with pytest.raises(EOFError, match="no certificate"):
        tls.read_credentials(read)


@pytest.mark.parametrize(
    ("server", "version"),
    [
        (Server(kind="origin"), ""),
        (Server(kind="tls-origin"), "1.3"),
        (Server(kind="tls-origin", options={"tls": "1.2"}), "1.2"),
        (Server(kind="client"), ""),
    ],
)
def test_whether_a_peer_speaks_tls_is_told_by_its_options(server: Server, version: str) -> None:
    assert peers.tls_version(server) == version


@pytest.mark.parametrize("kind", ["client", "nginx", "httpd"])
def test_tls_is_on_a_port_that_wireshark_does_not_take_for_plain_http(kind: str) -> None:
    place = peers.Addresses(own="192.0.2.1", spare="192.0.2.2", node="192.0.2.3")
    servers = (Server(kind=kind), Server(kind=kind, options={"tls": "1.3"}))
    assert [peers.endpoint(server, place).port for server in servers] == [8080, 8443]


class _Talk:
    """A handshake, two bytes each way, and a close_notify, over a pair of sockets; what was on the wire."""

    def __init__(self, folder: Path, version: str) -> None:
        self.said: list[dict[str, object]] = []
        self.segments: list[Segment] = []
        log = tls.KeyLog(str(folder), self.said.append)
        context = tls.context(ssl.Purpose.CLIENT_AUTH, version, log)
        context.load_cert_chain(*tls.written(PEER, str(folder)))
        client, near = socket.socketpair()
        far, server = socket.socketpair()
        relays = [self._relay(near, far, A, B), self._relay(far, near, B, A)]
        serving = threading.Thread(target=self._serve, args=(tls.Stream(server, context, server_side=True),))
        serving.start()
        mine = tls.context(ssl.Purpose.SERVER_AUTH, version, log)
        stream = tls.Stream(client, mine, server_side=False)
        stream.handshake()
        stream.send(b"ab")
        self.answer = stream.recv(10)
        self.ended = stream.recv(10)
        client.close()
        serving.join()
        server.close()
        for relay in relays:
            relay.join()
        for end in (near, far):
            end.close()
        log.tell()

    def _serve(self, stream: tls.Stream) -> None:
        stream.handshake()
        stream.send(stream.recv(10))
        stream.say_close_notify()

    def _relay(
        self, near: socket.socket, far: socket.socket, src: Endpoint, dst: Endpoint
    ) -> threading.Thread:
        def relay(seq: int = 1000) -> None:
            with contextlib.suppress(OSError):
                while data := near.recv(65536):
                    self.segments.append(_segment(src, dst, seq, data))
                    seq += len(data)
                    far.sendall(data)
                far.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=relay)
        thread.start()
        return thread

    @property
    def key_log(self) -> bytes:
        lines: list[Any] = [line for event in self.said for line in event["lines"]]  # type: ignore[attr-defined]
        return "\n".join(lines).encode()


def _segment(src: Endpoint, dst: Endpoint, seq: int, data: bytes) -> Segment:
    return Segment(
        frame_no=1,
        t_ns=0,
        src=src,
        dst=dst,
        seq=seq,
        ack=1,
        flags=Flags.ACK,
        window=100,
        payload_len=len(data),
        payload=data,
    )


@pytest.fixture(scope="module", params=["1.2", "1.3"])
def talk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> _Talk:
    return _Talk(tmp_path_factory.mktemp("tls"), request.param)


def test_bytes_go_both_ways_and_a_close_notify_is_no_bytes(talk: _Talk) -> None:
    assert (talk.answer, talk.ended) == (b"ab", b"")


def test_the_secrets_of_the_handshake_are_told(talk: _Talk) -> None:
    assert {line.split()[0] for line in talk.key_log.decode().splitlines()} >= {"CLIENT_RANDOM"} or (
        b"CLIENT_TRAFFIC_SECRET_0" in talk.key_log
    )


def test_half_a_line_of_secrets_is_told_when_it_is_whole(tmp_path: Path) -> None:
    said: list[dict[str, object]] = []
    log = tls.KeyLog(str(tmp_path), said.append)
    for written in ("CLIENT_RANDOM 00", " 11\nCLIENT", "_RANDOM 22 33\n"):
        with open(log.path, "a", encoding="ascii") as file:
            file.write(written)
        log.tell()
    assert [event["lines"] for event in said] == [["CLIENT_RANDOM 00 11"], ["CLIENT_RANDOM 22 33"]]


def named(talk: _Talk, key_log: bytes) -> list[str]:
    found = tls_records.names(talk.segments, tls_records.secrets_of(key_log))
    return [name for index in sorted(found) for name in found[index]]


def test_the_records_have_names(talk: _Talk) -> None:
    names = named(talk, talk.key_log)
    assert (names[0], "ServerHello" in names) == ("ClientHello", True)
    assert any(name.startswith("application data (") for name in names)


def test_with_its_secrets_the_end_of_tls_1_3_is_a_close_notify(tmp_path: Path) -> None:
    talk = _Talk(tmp_path, "1.3")
    names = named(talk, talk.key_log)
    assert ("Finished" in names, "session ticket" in names, names[-1]) == (True, True, "close_notify")


def test_without_secrets_a_record_is_called_encrypted(tmp_path: Path) -> None:
    assert named(_Talk(tmp_path, "1.3"), b"")[-1] == "encrypted record (19 bytes)"


def test_what_is_no_tls_has_no_names() -> None:
    assert tls_records.names([_segment(A, B, 1, b"GET / HTTP/1.1\r\n\r\n")], {}) == {}


def test_a_cut_or_damaged_record_takes_nothing_down(tmp_path: Path) -> None:
    whole = b"".join(s.payload for s in _Talk(tmp_path, "1.3").segments)
    for cut in range(0, len(whole), 37):
        tls_records.names([_segment(A, B, 1, whole[:cut] + bytes(5) + whole[cut:])], {})


def test_a_key_log_of_nonsense_has_no_secrets() -> None:
    assert tls_records.secrets_of(b"# x\nA B\nA zz 00\n\xff\xfe") == {}


def test_secrets_are_a_block_of_their_own() -> None:
    block = pcapng.secrets_block(b"CLIENT_RANDOM 00 11\n")
    kind, length, what, count = struct.unpack("<IIII", block[:16])
    assert (kind, length, what, count) == (10, len(block), 0x544C534B, 20)


def test_the_peers_log_keeps_secrets_until_they_are_asked_for() -> None:
    log = PeerLog()
    log.feed(b'{"event": "secrets", "lines": ["CLIENT_RANDOM 00 11"]}\n')
    assert (log.secrets(), log.secrets()) == (["CLIENT_RANDOM 00 11"], [])


def test_what_is_encrypted_is_not_held_against_the_wire() -> None:
    heard = PeerReport(peer=A, received=5, sent=0, end="close_notify")
    found = delivery(connection(EXCHANGE), Role.CLIENT, replay(), heard, encrypted=True)
    assert (found.sent, found.lost) == (None, None)


def test_a_request_that_was_not_counted_is_not_called_lost() -> None:
    heard = PeerReport(peer=A, received=5, sent=0, end="end of file")
    assert delivery(connection(EXCHANGE), Role.CLIENT, replay(), heard, is_exact=False).lost is None
