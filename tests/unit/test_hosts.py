"""The programs on the tested hosts: the published bytes, how the origin ends, and the capture's records."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.agents import counters, frames, interfaces, origin
from rst_or_fin.agents.responses import PUBLISHED, OriginOptions, plain

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
PATIENCE_S = 5.0
ZERO_LINGER = struct.pack("ii", 1, 0)


class Serving:
    """An origin on the loopback in a thread of this process, and what it has logged."""

    def __init__(self, options: OriginOptions, address: str) -> None:
        self._orders, self.lifeline = os.pipe()
        self._log, self._output = os.pipe()
        listener = origin.listen(address, 0)
        self.address = listener.getsockname()
        self._family = listener.family
        server = origin.Origin(listener, options, self._orders, self._output)
        self.thread = threading.Thread(target=self._serve, args=(server, listener))
        self.thread.start()
        self._lines = b""

    def _serve(self, server: origin.Origin, listener: socket.socket) -> None:
        with listener:
            server.serve()

    def connect(self) -> socket.socket:
        client = socket.socket(self._family, socket.SOCK_STREAM)
        client.settimeout(PATIENCE_S)
        client.connect(self.address)
        return client

    def says(self, event: str) -> dict[str, Any]:
        """The next line that is this event."""
        while True:
            line, newline, rest = self._lines.partition(b"\n")
            if newline:
                self._lines = rest
                said: dict[str, Any] = json.loads(line)
                if said["event"] == event:
                    return said
                continue
            assert select.select([self._log], [], [], PATIENCE_S)[0], f"the origin never said {event!r}"
            self._lines += os.read(self._log, 65536)

    def stop(self) -> None:
        os.close(self.lifeline)
        self.thread.join(PATIENCE_S)
        for fd in (self._orders, self._log, self._output):
            os.close(fd)


@contextmanager
def serving(options: OriginOptions | None = None, address: str = "127.0.0.1") -> Iterator[Serving]:
    server = Serving(options or OriginOptions(), address)
    try:
        yield server
    finally:
        server.stop()


def read(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := client.recv(count - len(data))):
        data += more
    return data


def test_the_published_response_is_178_bytes_of_header_and_307_of_body() -> None:
    assert [len(write) for write in PUBLISHED] == [178, 307]


def test_the_published_chunk_has_the_length_that_it_announces() -> None:
    size, _, rest = PUBLISHED[1].partition(b"\r\n")
    assert rest[int(size, 16) :] == b"\r\n0\r\n\r\n"


def test_only_the_page_inside_the_chunk_ends_its_lines_with_a_bare_newline() -> None:
    page = PUBLISHED[1].removeprefix(b"127\r\n").removesuffix(b"\r\n0\r\n\r\n")
    assert (page.count(b"\r"), PUBLISHED[0].count(b"\n") == PUBLISHED[0].count(b"\r\n")) == (0, True)


@given(st.integers(0, 5000))
def test_a_plain_response_announces_its_body(body_len: int) -> None:
    header, body = plain(body_len)
    assert (b"Content-Length: %d\r\n" % body_len in header, len(body)) == (True, body_len)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_reader_that_closes_is_reported_as_end_of_file(address: str) -> None:
    with serving(address=address) as server:
        with server.connect() as client:
            client.sendall(REQUEST)
            read(client, 485)
            own = list(client.getsockname()[:2])
        said = server.says("ended")
        assert (said["peer"], said["received"], said["sent"], said["end"]) == (own, 18, 485, "end of file")


def test_a_client_that_closes_with_the_response_unread_is_reported_as_a_reset() -> None:
    with serving() as server:
        with server.connect() as client:
            client.sendall(REQUEST)
            while len(client.recv(485, socket.MSG_PEEK)) < 485:
                pass
        assert server.says("ended")["end"] == "ECONNRESET"


@pytest.mark.parametrize("parts", [(b'{"body_bytes": 7}\n',), (b'{"body_by', b'tes": 7}\n')])
def test_an_origin_can_be_told_other_options_while_it_serves(parts: tuple[bytes, ...]) -> None:
    with serving() as server:
        for part in parts:
            os.write(server.lifeline, part)
        server.says("serving")
        with server.connect() as client:
            client.sendall(REQUEST)
            header, body = plain(7)
            assert read(client, len(header) + 7) == header + body


def test_every_connection_is_reported_once_and_by_its_own_address() -> None:
    with serving() as server:
        clients = [server.connect() for _ in range(20)]
        for client in clients:
            client.sendall(REQUEST)
        ports = [client.getsockname()[1] for client in clients]
        for client in clients:
            read(client, 485)
            client.close()
        assert sorted(server.says("ended")["peer"][1] for _ in clients) == sorted(ports)


def test_a_request_cut_anywhere_gets_one_response() -> None:
    with serving() as server, server.connect() as client:
        for byte in REQUEST:
            client.sendall(bytes([byte]))
        assert read(client, 485) == b"".join(PUBLISHED)


def test_keep_alive_answers_every_request() -> None:
    with serving() as server, server.connect() as client:
        client.sendall(REQUEST * 3)
        assert read(client, 3 * 485) == b"".join(PUBLISHED) * 3


def test_an_origin_that_closes_first_says_so() -> None:
    with serving(OriginOptions(close_after_response=True)) as server, server.connect() as client:
        client.sendall(REQUEST)
        assert read(client, 486) == b"".join(PUBLISHED)
        assert server.says("ended")["end"] == "closed"


def test_a_half_open_origin_reports_the_end_of_file_and_does_not_close() -> None:
    with serving(OriginOptions(half_open=True)) as server, server.connect() as client:
        client.sendall(REQUEST)
        read(client, 485)
        client.shutdown(socket.SHUT_WR)
        server.says("ended")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_a_body_that_is_late_meets_a_client_that_has_gone() -> None:
    with serving(OriginOptions(delay_s=0.05)) as server:
        with server.connect() as client:
            client.sendall(REQUEST)
            read(client, 178)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ZERO_LINGER)
        assert server.says("ended")["end"] == "ECONNRESET"


def test_a_response_is_finished_before_the_origin_closes() -> None:
    with serving(OriginOptions(delay_s=0.05)) as server, server.connect() as client:
        client.sendall(REQUEST)
        client.shutdown(socket.SHUT_WR)
        assert read(client, 486) == b"".join(PUBLISHED)


def test_a_response_larger_than_the_kernel_buffers_arrives_whole() -> None:
    writes = plain(8_000_000)
    with serving(OriginOptions(writes=writes)) as server, server.connect() as client:
        client.sendall(REQUEST)
        assert read(client, sum(map(len, writes))) == b"".join(writes)


def test_the_origin_leaves_when_its_driver_does() -> None:
    with serving() as server:
        server.says("listening")
        os.close(server.lifeline)
        server.lifeline = os.open(os.devnull, os.O_RDONLY)
        server.thread.join(PATIENCE_S)
        assert not server.thread.is_alive()


captured = st.tuples(st.integers(0, 2**63), st.binary(max_size=100))


@given(st.lists(captured), st.integers(0, 2**40), st.integers(1, 50))
def test_records_survive_any_cut(frames_in: list[tuple[int, bytes]], dropped: int, step: int) -> None:
    stream = frames.encode_ready({"interface": "eth0"}) + frames.encode_drained(frames_in, dropped, 5)
    decoder = frames.Decoder()
    records = [r for i in range(0, len(stream), step) for r in decoder.feed(stream[i : i + step])]
    assert records == [
        frames.Ready({"interface": "eth0"}),
        *(frames.Captured(t_ns, data) for t_ns, data in frames_in),
        frames.Drained(dropped, 5),
    ]


def test_an_unfinished_record_is_seen_as_such() -> None:
    decoder = frames.Decoder()
    decoder.feed(frames.encode_failed("no such interface")[:-1])
    assert decoder.pending > 0


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(ValueError, match="not a record of the capture"):
        frames.Decoder().feed(b"Traceback (most recent call last):")


def test_the_loopback_interface_is_found_by_its_address() -> None:
    assert interfaces.interface_of("127.0.0.1") == "lo"


def test_an_address_that_nobody_carries_is_named() -> None:
    with pytest.raises(LookupError, match=r"192\.0\.2\.77"):
        interfaces.interface_of("192.0.2.77")


def test_counters_are_named_by_group() -> None:
    table = b"TcpExt: SyncookiesSent TCPAbortOnClose\nTcpExt: 1 7\nIpExt: InOctets\nIpExt: 9\n"
    assert counters.parse(table) == {
        "TcpExt:SyncookiesSent": 1,
        "TcpExt:TCPAbortOnClose": 7,
        "IpExt:InOctets": 9,
    }


def test_only_the_counters_that_are_wanted_and_there_are_picked() -> None:
    table = b"TcpExt: SyncookiesSent TCPAbortOnClose\nTcpExt: 1 7\nIpExt: InOctets\nIpExt: 9\n"
    names = ("IpExt:InOctets", "TcpExt:TCPAbortOnClose", "Tcp:OutRsts")
    assert counters.pick(table, names) == {"TcpExt:TCPAbortOnClose": 7, "IpExt:InOctets": 9}


def test_what_changed_is_told_by_how_much_and_an_ipv6_counter_by_its_own_name() -> None:
    before = b"Tcp: CurrEstab OutRsts\nTcp: 3 4\nUdp: InDatagrams\nUdp: 1\nIp6InReceives   \t7\n"
    after = b"Tcp: CurrEstab OutRsts\nTcp: 2 4\nUdp: InDatagrams\nUdp: 1\nIp6InReceives   \t19\n"
    assert counters.changed(before, after) == {"Tcp:CurrEstab": -1, "Ip6InReceives": 12}


@pytest.mark.parametrize("before", [b"", b"IcmpMsg: OutType3\nIcmpMsg: 2\n"])
def test_a_counter_that_was_not_there_before_was_none(before: bytes) -> None:
    """The kernel names a type of ICMP message once it has counted one."""
    after = b"IcmpMsg: InType3 OutType3\nIcmpMsg: 1 2\n"
    assert counters.changed(before, after)["IcmpMsg:InType3"] == 1


def test_the_namespaces_counters_are_read_whole() -> None:
    names = counters.parse(counters.read())
    assert {"TcpExt:TCPAbortOnClose", "Tcp:OutRsts", "Ip6InReceives"} <= set(names)


def test_the_hosts_programs_import_nothing_of_the_harness() -> None:
    folder = Path(frames.__file__).parent
    sources = {path.name: path.read_text() for path in folder.glob("*.py")}
    assert [
        name for name, text in sources.items() if "from rst_or_fin" in text or "import rst_or_fin" in text
    ] == []
