"""Reads a TCP header as a segment (RFC 9293, section 3.1)."""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import ip_address

from rst_or_fin.capture_file import checksums
from rst_or_fin.capture_file.packet import Packet
from rst_or_fin.tcp.segment import Checksum, Endpoint, Segment

_HEADER = struct.Struct("!4sIIHH")  # up to the window: what follows may be cut off
_PROTOCOL = 6
_SHORTEST = 20
_RST = 0x04
_TLS_ALERT = b"\x15"  # a record's content type (RFC 8446 section 5.1)
_TOLD_LEN = 64  # bytes: kept of what tells why a connection ends, text in a RST and a TLS alert
_ENDPOINTS_KEPT = 65_536
_ADDRESSES_KEPT = 4_096


def segment(packet: Packet, frame_no: int, payload_kept: int) -> Segment | None:
    """Read the segment at hand, and keep that many bytes of its payload; None for impossible lengths.

    Raises struct.error where it is cut off.
    """
    data, at, end = packet.data, packet.at, packet.end
    ports, seq, ack, bits, window = _HEADER.unpack_from(data, at)
    payload_at = at + (bits >> 12) * 4
    if payload_at < at + _SHORTEST or end < payload_at:
        return None
    src, dst, addresses_sum = _ends(packet.addresses, ports)
    if payload_kept < _TOLD_LEN and (bits & _RST or data[payload_at : payload_at + 1] == _TLS_ALERT):
        payload_kept = _TOLD_LEN
    good = packet.header_good
    return Segment(
        t_ns=packet.t_ns,
        src=src,
        dst=dst,
        seq=seq,
        ack=ack,
        flags=bits & 0xFF,
        window=window,
        payload_len=end - payload_at,
        payload=data[payload_at : min(end, payload_at + payload_kept)],
        options=data[at + _SHORTEST : payload_at],
        ttl=packet.ttl,
        ip_id=packet.ip_id,
        checksum=checksums.of_tcp(data, at, end, addresses_sum) if good else Checksum.BAD,
        frame_no=frame_no,
    )


def ends_of(addresses: bytes, ports: bytes) -> tuple[Endpoint, Endpoint]:
    """Return both ends, from their addresses and ports as they stand in headers."""
    src, dst, _ = _ends(addresses, ports)
    return src, dst


@lru_cache(maxsize=_ENDPOINTS_KEPT)
def _ends(addresses: bytes, ports: bytes) -> tuple[Endpoint, Endpoint, int]:
    """Return both ends, and the sum of what the pseudo header says besides the length."""
    half = len(addresses) // 2
    src = Endpoint(_text(addresses[:half]), int.from_bytes(ports[:2], "big"))
    dst = Endpoint(_text(addresses[half:]), int.from_bytes(ports[2:], "big"))
    return src, dst, int.from_bytes(addresses, "big") % 65_535 + _PROTOCOL


@lru_cache(maxsize=_ADDRESSES_KEPT)
def _text(packed: bytes) -> str:
    return str(ip_address(packed))
