"""Reads ICMP errors that quote a TCP segment: a router, or the host itself, refused to deliver it.

RFC 792 and RFC 4443 section 3.1. What is quoted ends 8 bytes into the TCP header at the least: the two ports,
and the sequence number.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from rst_or_fin.capture_file.packet import IP_PROTOCOL, Packet
from rst_or_fin.capture_file.tcp_header import ends_of
from rst_or_fin.tcp.segment import Endpoint

ICMP, ICMP6 = IP_PROTOCOL | 1, IP_PROTOCOL | 58
ERRORS_MAX = 10_000  # kept of one capture
_TCP = 6
_UNREACHABLE, _UNREACHABLE6 = 3, 1
_WHAT = {
    ICMP: {
        0: "network unreachable",
        1: "host unreachable",
        2: "protocol unreachable",
        3: "port unreachable",
        4: "fragmentation needed",
        9: "network prohibited",
        10: "host prohibited",
        13: "administratively prohibited",
    },
    ICMP6: {
        0: "no route",
        1: "administratively prohibited",
        3: "address unreachable",
        4: "port unreachable",
        5: "source address refused",
        6: "route rejected",
    },
}


class IcmpError(NamedTuple):
    """One error: in which frame, who sent it, what it says, and the ends of the segment that it quotes."""

    frame_no: int
    reporter: str
    what: str
    src: Endpoint
    dst: Endpoint


def read(packet: Packet, kind: int, frame_no: int) -> IcmpError | None:
    """Read the ICMP message at hand; None if it is not such an error, or quotes too little."""
    data, at = packet.data, packet.at
    wanted = _UNREACHABLE if kind == ICMP else _UNREACHABLE6
    if len(data) < at + 8 or data[at] != wanted:
        return None
    try:
        quoted = _quoted4(data, at + 8) if kind == ICMP else _quoted6(data, at + 8)
    except struct.error:
        return None
    if quoted is None:
        return None
    src, dst = ends_of(*quoted)
    half = len(packet.addresses) // 2
    reporter, _ = ends_of(packet.addresses[:half] * 2, bytes(4))
    what = _WHAT[kind].get(data[at + 1], f"unreachable (code {data[at + 1]})")
    return IcmpError(frame_no, reporter.address, what, src, dst)


def _quoted4(data: bytes, at: int) -> tuple[bytes, bytes] | None:
    first, protocol, addresses = struct.unpack_from("!B8xB2x8s", data, at)
    length = (first & 15) * 4
    if first >> 4 != 4 or protocol != _TCP or length < 20:
        return None
    (ports,) = struct.unpack_from("!4s", data, at + length)
    return addresses, ports


def _quoted6(data: bytes, at: int) -> tuple[bytes, bytes] | None:
    first, following, addresses, ports = struct.unpack_from("!B5xBx32s4s", data, at)
    return (addresses, ports) if first >> 4 == 6 and following == _TCP else None
