"""What a wire shows beside a RST: what it rules out, what it points to, what it says in words."""

from __future__ import annotations

import msgspec
import pytest
from rst_or_fin.tcp import connection as trace
from rst_or_fin.tcp.segment import Segment
from rst_or_fin.verdict.signs import signs

from tests.support.segments import EXCHANGE, HANDSHAKE, segments

ABORT = EXCHANGE + "> R. 19:19(0) ack 486"


def told(found: list[Segment]) -> list[str]:
    return signs(trace.connection(found))


def last(text: str, **changes: object) -> list[Segment]:
    """The segments of a text, the last of them changed."""
    *found, end = segments(text)
    return [*found, msgspec.structs.replace(end, **changes)]


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        (
            HANDSHAKE + "> R. 1:1(0) ack 1",
            "the client had received no data before its RST: it was not unread data",
        ),
        (
            HANDSHAKE + "> . 0:0(0) ack 1\n> . 0:0(0) ack 1\n> R. 1:1(0) ack 1",
            "2 keepalive probes of the client went unanswered before its RST",
        ),
        (
            EXCHANGE + "> . 19:19(0) ack 486 win 0\n> R. 19:19(0) ack 486",
            "the client had advertised a zero window 0.001 s before: its receive buffer was full",
        ),
        (
            EXCHANGE + "< . 486:486(0) ack 19 win 0\n> R. 19:19(0) ack 486",
            "the server had advertised a zero window 0.001 s before: its peer had stopped reading",
        ),
        (
            EXCHANGE + "< P. 486:496(10) ack 19\n> R 19:19(0)",
            "the client answers P. 486:496(10) ack 19 with a bare RST: it no longer knew the connection",
        ),
    ],
)
def test_a_sign_is_told(text: str, sign: str) -> None:
    assert sign in told(segments(text))


def test_an_abort_after_data_has_no_sign() -> None:
    assert told(segments(ABORT)) == []


def test_how_long_a_forgotten_connection_was_idle_is_said() -> None:
    *before, data, reset = segments(EXCHANGE + "< P. 486:496(10) ack 19\n> R 19:19(0)")
    late_ns = data.t_ns + 600_000_000_000
    found = [msgspec.structs.replace(s, t_ns=late_ns) for s in (data, reset)]
    assert "after 600 s without a segment" in told([*before, *found])[0]


def test_text_inside_a_rst_is_shown() -> None:
    found = told(last(ABORT, payload=b"No tcp, reset\r\n", payload_len=15))
    assert found == ["the RST of the client carries 15 bytes: No tcp, reset"]


@pytest.mark.parametrize(
    ("options", "sign"),
    [
        (b"\x1e\x04\x80\x03", "the RST of the client ends an MPTCP subflow: administratively prohibited"),
        (b"\x1e\x04\x80\x63", "the RST of the client ends an MPTCP subflow: reason 99"),
        (b"\x1e\x0c\x70" + bytes(9), "the RST of the client is MPTCP's fast close"),
    ],
)
def test_an_mptcp_reason_is_read(options: bytes, sign: str) -> None:
    assert told(last(ABORT, options=options))[0].startswith(sign)


@pytest.mark.parametrize(
    ("record", "sign"),
    [
        (
            b"\x15\x03\x03\x00\x02\x02\x30",
            "the last data that the client sent is a TLS alert: unknown_ca (fatal)",
        ),
        (
            b"\x15\x03\x03\x00\x02\x01\x00",
            "the last data that the client sent is a TLS alert: close_notify (warning)",
        ),
        (b"\x15\x03\x03\x00\x1a" + bytes(26), "the last data that the client sent is an encrypted TLS alert"),
        (b"\x17\x03\x03\x00\x1a" + bytes(26), ""),
        (b"\x15\x03", ""),
    ],
)
def test_a_tls_alert_is_read(record: bytes, sign: str) -> None:
    found = segments(ABORT)
    asked = next(i for i, s in enumerate(found) if s.payload_len)
    found[asked] = msgspec.structs.replace(found[asked], payload=record)
    said = "".join(told(found))
    assert (bool(said), said.startswith(sign)) == (bool(sign), True)


def test_an_abort_without_the_time_stamps_of_its_end_is_odd() -> None:
    stamps = b"\x01\x01\x08\x0a" + bytes(8)
    found = [msgspec.structs.replace(s, options=stamps) if not s.rst else s for s in segments(ABORT)]
    assert told(found) == [
        "the RST of the client lacks the timestamps of its other segments: look for a middlebox"
    ]
