"""What the tracepoint tcp:tcp_send_reset wrote, line by line."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.evidence import tracepoint
from rst_or_fin.evidence.tracepoint import Reset
from rst_or_fin.tcp.segment import Endpoint

# As Linux 6.12.57 wrote them: of a close with unread data, and of a segment for a socket that is gone.
ABORT = (
    "    erts_sched_1-150     [000] .....    10.689350: tcp_send_reset: skbaddr=0000000000000000 "
    "skaddr=00000000767adfd1 src=198.18.0.3:42002 dest=198.18.0.4:80 state=TCP_CLOSE "
    "reason=TCP_ABORT_ON_CLOSE"
)
LATE = (
    "    erts_sched_1-152     [000] ..s1.     8.189136: tcp_send_reset: skbaddr=000000006b45f3ce "
    "skaddr=0000000000000000 src=198.18.0.3:42004 dest=198.18.0.4:80 state=UNKNOWN reason=NO_SOCKET"
)

ports = st.integers(0, 65535)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


def told(line: str) -> tuple[str, str, str] | None:
    reset = tracepoint.parse(line)
    return (str(reset.source), str(reset.destination), reset.reason) if reset else None


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (ABORT, ("198.18.0.3:42002", "198.18.0.4:80", "TCP_ABORT_ON_CLOSE")),
        (LATE, ("198.18.0.3:42004", "198.18.0.4:80", "NO_SOCKET")),
        (
            ABORT.replace("198.18.0.3:", "[fd00:0::3]:").replace("198.18.0.4:", "[fd00::4]:"),
            ("[fd00::3]:42002", "[fd00::4]:80", "TCP_ABORT_ON_CLOSE"),
        ),
    ],
)
def test_a_reset_is_read_with_its_ends_and_its_reason(line: str, found: tuple[str, str, str]) -> None:
    assert told(line) == found


@pytest.mark.parametrize(
    "line",
    [
        "",
        "            init-1       [000] .....    13.4: tracing_mark_write: 7",
        "CPU:0 [LOST 12 EVENTS]",
        ABORT.partition(" reason=")[0],  # before Linux 6.10
        ABORT.replace("198.18.0.3:42002", "198.18.0.300:42002"),
        ABORT.replace("198.18.0.3:42002", "198.18.0.3"),
    ],
)
def test_a_line_that_tells_of_no_reset_or_no_reason_is_none(line: str) -> None:
    assert tracepoint.parse(line) is None


@given(addresses, ports, addresses, ports, st.from_regex(r"[A-Z][A-Z0-9_]{0,30}", fullmatch=True))
def test_any_two_ends_come_back_as_they_were(
    one: IPv4Address | IPv6Address,
    port: int,
    other: IPv4Address | IPv6Address,
    other_port: int,
    reason: str,
) -> None:
    source, destination = Endpoint(str(one), port), Endpoint(str(other), other_port)
    where = f"src={source} dest={destination}"
    line = f"beam-1 [000] .: tcp_send_reset: skbaddr=0 skaddr=1 {where} state=X reason={reason}"
    assert tracepoint.parse(line) == Reset(source=source, destination=destination, reason=reason)


@given(st.text())
def test_no_line_whatever_breaks_it(line: str) -> None:
    tracepoint.parse(line)
