"""ICMP errors beside a connection: who refused to deliver which segment."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from rst_or_fin.analysis.captured import JudgedCapture, Known
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.reading import read
from rst_or_fin.evidence import pcap
from rst_or_fin.tcp.segment import Segment

from tests.support.segments import A6, B6, frame, segments

SYNS = "> S 0:0(0)\n> S 0:0(0)"


def error(about: Segment, code: int, cut: int | None = None) -> Frame:
    """The error that the segment's destination sends back, `cut` bytes of the packet in it."""
    packet = frame(about).data[14:]
    v4 = packet[0] >> 4 == 4
    message = struct.pack("!BBHI", 3 if v4 else 1, code, 0, 0) + packet[:cut]
    src, dst = (ip_address(end.address).packed for end in (about.dst, about.src))
    if v4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), 0, 0, 64, 1, 0) + src + dst
    else:
        head = struct.pack("!IHBB", 6 << 28, len(message), 58, 64) + src + dst
    return Frame(t_ns=about.t_ns + 1, data=bytes(12) + (b"\x08\x00" if v4 else b"\x86\xdd") + head + message)


def remarks(seen: list[Segment], *errors: Frame) -> tuple[str, ...]:
    frames = [frame(seen[0]), *errors, frame(seen[1])]
    (case,) = JudgedCapture(read([pcap.header() + pcap.records(frames)]), Known())
    return case.verdict.remarks


def test_an_error_that_quotes_a_segment_is_told_beside_its_connection() -> None:
    seen = segments(SYNS)
    assert remarks(seen, error(seen[0], 13, 28)) == (
        "frame 2: 10.0.0.3 answers 10.0.0.2:40000 with ICMP administratively prohibited",
    )


def test_an_error_of_ipv6_is_told_too() -> None:
    seen = segments(SYNS, a=A6, b=B6)
    assert remarks(seen, error(seen[0], 4)) == (
        "frame 2: fd00::3 answers [fd00::2]:40000 with ICMP port unreachable",
    )


@pytest.mark.parametrize("cut", [0, 10, 20, 23])
def test_an_error_that_quotes_too_little_is_passed_over(cut: int) -> None:
    seen = segments(SYNS)
    assert remarks(seen, error(seen[0], 3, cut)) == ()


def test_an_error_about_another_connection_is_not_told() -> None:
    seen = segments(SYNS)
    (other, _) = segments(SYNS, a=A6._replace(address="10.0.0.7"))
    assert remarks(seen, error(other, 3)) == ()
