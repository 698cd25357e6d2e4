"""A segment is what dpkt says it is, in every link layer."""

from __future__ import annotations

from typing import Any

import dpkt
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.capture_file.decoding import Decoder
from rst_or_fin.capture_file.records import Record
from rst_or_fin.tcp.segment import Segment

from tests.support.packets import LINK_LAYERS, version

ports = st.integers(0, 0xFFFF)
numbers = st.integers(0, 0xFFFF_FFFF)
options = st.integers(0, 10).flatmap(lambda words: st.binary(min_size=words * 4, max_size=words * 4))
addresses = st.sampled_from([4, 16]).flatmap(
    lambda size: st.tuples(st.binary(min_size=size, max_size=size), st.binary(min_size=size, max_size=size))
)


@st.composite
def ip_packets(draw: st.DrawFn) -> bytes:
    """A packet as dpkt writes it that carries TCP."""
    source, destination = draw(addresses)
    tcp = dpkt.tcp.TCP(
        sport=draw(ports),
        dport=draw(ports),
        seq=draw(numbers),
        ack=draw(numbers),
        flags=draw(st.integers(0, 0xFF)),
        win=draw(ports),
        opts=draw(options),
        data=draw(st.binary(max_size=60)),
    )
    tcp.off = 5 + len(tcp.opts) // 4
    if len(source) == 4:
        return bytes(dpkt.ip.IP(src=source, dst=destination, p=6, len=20 + len(tcp), data=tcp))
    return bytes(dpkt.ip6.IP6(src=source, dst=destination, nxt=6, plen=len(tcp), data=tcp))


def as_dpkt_reads(packet: bytes) -> dict[str, Any]:
    ip = dpkt.ip.IP(packet) if version(packet) == 4 else dpkt.ip6.IP6(packet)
    tcp = ip.data
    text = dpkt.utils.inet_to_str
    return {
        "src": (text(ip.src), tcp.sport),
        "dst": (text(ip.dst), tcp.dport),
        "seq": tcp.seq,
        "ack": tcp.ack,
        "flags": tcp.flags & 0xFF,
        "window": tcp.win,
        "payload": tcp.data,
        "options": tcp.opts,
        "payload_len": len(tcp.data),
        "checksum": "good",
    }


def as_read(segment: Segment | None) -> dict[str, Any]:
    assert segment is not None
    names = ("seq", "ack", "flags", "window", "payload", "options", "payload_len", "checksum")
    return {name: getattr(segment, name) for name in names} | {
        "src": tuple(segment.src),
        "dst": tuple(segment.dst),
    }


@given(packet=ip_packets(), name=st.sampled_from(sorted(LINK_LAYERS)))
def test_a_segment_is_what_dpkt_says_it_is(packet: bytes, name: str) -> None:
    link_type, wrap = LINK_LAYERS[name]
    data = wrap(packet)
    assert as_read(Decoder().segment(Record(0, link_type, data, len(data)))) == as_dpkt_reads(packet)


@given(packet=ip_packets(), padding=st.binary(max_size=20))
def test_padding_and_a_frame_check_sequence_are_no_payload(packet: bytes, padding: bytes) -> None:
    data = LINK_LAYERS["Ethernet"].wrap(packet) + padding
    assert as_read(Decoder().segment(Record(0, 1, data, len(data)))) == as_dpkt_reads(packet)
