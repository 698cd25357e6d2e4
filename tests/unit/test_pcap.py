"""Captures are read and written as dpkt and the format's own text have it; bad bytes are one clear error."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import pcap
from harness.errors import UsageError
from harness.evidence import Frame
from harness.tcp import Endpoint, Segment
from tests.unit.segments import A6, B6, EXCHANGE, capture, frame, segments

ports = st.integers(0, 0xFFFF)
numbers = st.integers(0, 0xFFFF_FFFF)
addresses = st.one_of(
    st.tuples(st.just(4), st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just(6), st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16)),
)
options = st.integers(0, 10).flatmap(lambda words: st.binary(min_size=words * 4, max_size=words * 4))
times_ns = st.integers(0, (1 << 32) * 1_000_000_000 - 1)
frames = st.builds(lambda t_ns, data: Frame(t_ns=t_ns, data=data), times_ns, st.binary(max_size=200))
ETHERNET_HEADER = b"\x02" * 6 + b"\x04" * 6
ENDS: dict[int, dict[str, Any]] = {4: {}, 6: {"a": A6, "b": B6}}
ETHERTYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}


@st.composite
def ip_packets(draw: st.DrawFn) -> tuple[int, bytes]:
    """(IP version, a packet as dpkt writes it) that carries TCP."""
    version, source, destination = draw(addresses)
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
    if version == 4:
        return 4, bytes(dpkt.ip.IP(src=source, dst=destination, p=6, len=20 + len(tcp), data=tcp))
    return 6, bytes(dpkt.ip6.IP6(src=source, dst=destination, nxt=6, plen=len(tcp), data=tcp))


def link_layers(version: int, packet: bytes) -> dict[str, tuple[int, bytes]]:
    """The same packet on every link layer that is read: name -> (link type, frame)."""
    ethertype = ETHERTYPES[version]
    return {
        "Ethernet": (1, ETHERNET_HEADER + ethertype + packet),
        "one VLAN tag": (1, ETHERNET_HEADER + b"\x81\x00\x00\x07" + ethertype + packet),
        "two VLAN tags": (1, ETHERNET_HEADER + b"\x88\xa8\x00\x07\x81\x00\x00\x08" + ethertype + packet),
        "Linux cooked": (113, struct.pack("!HHH8s", 0, 1, 6, b"\x02" * 8) + ethertype + packet),
        "Linux cooked v2": (276, ethertype + struct.pack("!HIHBB8s", 0, 2, 1, 0, 6, b"\x02" * 8) + packet),
        "raw IP": (101, packet),
        "null loopback": (0, b"\x02\x00\x00\x00" + packet),
    }


def as_dpkt_reads(version: int, packet: bytes) -> dict[str, Any]:
    ip = dpkt.ip.IP(packet) if version == 4 else dpkt.ip6.IP6(packet)
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
    }


def as_read(segment: Segment | None) -> dict[str, Any]:
    assert segment is not None
    return {
        name: getattr(segment, name)
        for name in ("seq", "ack", "flags", "window", "payload", "options", "payload_len")
    } | {"src": tuple(segment.src), "dst": tuple(segment.dst)}


@given(packet=ip_packets(), link_layer=st.sampled_from(list(link_layers(4, b""))))
def test_a_segment_is_what_dpkt_says_it_is(packet: tuple[int, bytes], link_layer: str) -> None:
    link_type, data = link_layers(*packet)[link_layer]
    assert as_read(pcap.segment(Frame(t_ns=0, data=data), link_type)) == as_dpkt_reads(*packet)


@given(packet=ip_packets(), padding=st.binary(max_size=20))
def test_padding_and_a_frame_check_sequence_are_no_payload(packet: tuple[int, bytes], padding: bytes) -> None:
    _, data = link_layers(*packet)["Ethernet"]
    assert as_read(pcap.segment(Frame(t_ns=0, data=data + padding))) == as_dpkt_reads(*packet)


@given(st.lists(frames, max_size=8))
def test_frames_survive_the_file(written: list[Frame]) -> None:
    assert [read for _, read in pcap.frames(pcap.header() + pcap.records(written))] == written


@given(st.lists(frames, max_size=8))
def test_dpkt_reads_what_was_written(written: list[Frame]) -> None:
    reader = dpkt.pcap.Reader(io.BytesIO(pcap.header() + pcap.records(written)))
    assert [data for _, data in reader] == [frame.data for frame in written]


@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@given(written=st.lists(frames, max_size=5))
def test_both_byte_orders_and_both_resolutions_are_read(order: str, nano: bool, written: list[Frame]) -> None:
    unit_ns, magic = (1, 0xA1B23C4D) if nano else (1000, 0xA1B2C3D4)
    file = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1) + b"".join(
        struct.pack(
            order + "IIII",
            frame.t_ns // 10**9,
            frame.t_ns % 10**9 // unit_ns,
            len(frame.data),
            len(frame.data) + 1,
        )
        + frame.data
        for frame in written
    )
    assert [read.t_ns for _, read in pcap.frames(file)] == [f.t_ns // unit_ns * unit_ns for f in written]


def read_until_it_breaks(data: bytes) -> tuple[list[Frame], bool]:
    found = []
    try:
        for _, read in pcap.frames(data):
            found.append(read)
    except pcap.CaptureError:
        return found, True
    return found, False


@given(written=st.lists(frames, min_size=1, max_size=5), data=st.data())
def test_a_truncated_capture_yields_a_prefix_or_says_so(written: list[Frame], data: st.DataObject) -> None:
    whole = pcap.header() + pcap.records(written)
    ends = [24 + len(pcap.records(written[:n])) for n in range(len(written) + 1)]
    cut = data.draw(st.integers(0, len(whole)))
    found, broke = read_until_it_breaks(whole[:cut])
    assert (found, broke) == (written[: sum(end <= cut for end in ends[1:])], cut not in ends)


@given(
    st.one_of(
        st.binary(max_size=100),
        st.builds(lambda rest: pcap.header() + rest, st.binary(max_size=100)),
        st.builds(
            lambda at, byte, whole: whole[:at] + bytes([byte]) + whole[at + 1 :],
            st.integers(0, 300),
            st.integers(0, 255),
            st.just(capture(segments(EXCHANGE))),
        ),
    )
)
def test_bytes_are_a_whole_capture_or_a_capture_error(data: bytes) -> None:
    found, broke = read_until_it_breaks(data)
    assert broke or len(data) == 24 + sum(16 + len(frame.data) for frame in found)


@given(data=st.binary(max_size=120), link_type=st.sampled_from(pcap.KNOWN_LINK_TYPES))
def test_arbitrary_bytes_are_a_segment_or_none(data: bytes, link_type: int) -> None:
    assert isinstance(pcap.segment(Frame(t_ns=0, data=data), link_type), Segment | None)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("link_layer", list(link_layers(4, b"")))
def test_a_frame_cut_anywhere_is_no_segment_or_the_segment_itself(family: int, link_layer: str) -> None:
    """The last that is read of a TCP header is its window: the checksum and what follows may be cut off."""
    (sent,) = segments("> . 1:1(0) ack 1", **ENDS[family])
    link_type, whole = link_layers(family, frame(sent).data[14:])[link_layer]
    found = [pcap.segment(Frame(t_ns=sent.t_ns, data=whole[:cut]), link_type) for cut in range(len(whole))]
    assert found == [None] * (len(whole) - 4) + [sent] * 4


def test_a_payload_that_the_snap_length_cut_short_keeps_its_announced_length() -> None:
    whole = frame(segments("> P. 1:101(100) ack 1")[0])
    read = pcap.segment(Frame(t_ns=0, data=whole.data[:-90]))
    assert read is not None
    assert (read.payload_len, len(read.payload)) == (100, 10)


def test_tcp_is_found_behind_ipv6_extension_headers() -> None:
    (sent,) = segments("> P. 1:19(18) ack 1", a=A6, b=B6)
    whole = frame(sent).data
    hop_by_hop = b"\x2b" + b"\0" * 7  # next: routing header
    routing = b"\x06\x01" + b"\0" * 14  # next: TCP; 16 bytes long
    length = struct.pack("!H", len(whole) - 54 + 24)
    extended = whole[:18] + length + b"\x00" + whole[21:54] + hop_by_hop + routing + whole[54:]
    read = pcap.segment(Frame(t_ns=sent.t_ns, data=extended))
    assert read == sent


@pytest.mark.parametrize(
    ("what", "offset", "value"),
    [
        ("a UDP datagram", 23, b"\x11"),
        ("a later fragment", 20, b"\x00\x10"),
        ("an ARP request", 12, b"\x08\x06"),
        ("an impossible IP version", 14, b"\x55"),
        ("an IP header shorter than 20 bytes", 14, b"\x44"),
        ("a TCP header shorter than 20 bytes", 46, b"\x40"),
        ("a TCP header longer than the packet", 46, b"\xf0"),
    ],
)
def test_what_is_no_segment_is_passed_over(what: str, offset: int, value: bytes) -> None:
    whole = frame(segments("> . 1:1(0) ack 1")[0]).data
    changed = whole[:offset] + value + whole[offset + len(value) :]
    assert pcap.segment(Frame(t_ns=0, data=changed)) is None, what


@pytest.mark.parametrize("family", [4, 6])
def test_the_builder_of_these_tests_and_the_reader_agree(family: int) -> None:
    sent = segments(EXCHANGE, **ENDS[family])
    assert list(pcap.segments(capture(sent))) == sent


def test_a_frame_check_length_in_the_link_type_is_no_other_link_type() -> None:
    whole = capture(segments(EXCHANGE))
    flagged = whole[:20] + struct.pack("<I", 1 | 0x5000_0000) + whole[24:]
    assert list(pcap.segments(flagged)) == list(pcap.segments(whole))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "begins with nothing"),
        (b"\x0a\x0d\x0d\x0a" + b"\0" * 40, "pcapng"),
        (b"PK\x03\x04", "50 4b 03 04"),
        (pcap.header()[:23], "23 of 24"),
        (pcap.header()[:20] + struct.pack("<I", 147), "link type 147"),
        (pcap.header() + struct.pack("<IIII", 0, 0, 1 << 30, 1 << 30), "damaged at byte 24"),
        (pcap.header() + struct.pack("<IIII", 0, 0, 9, 8) + b"\0" * 9, "9 bytes for a frame of 8"),
        (capture(segments(EXCHANGE))[:-1], "cut off"),
    ],
)
def test_a_foreign_or_damaged_capture_is_one_clear_usage_error(data: bytes, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        list(pcap.frames(data))
    assert caught.value.remedy


def test_every_kind_of_frame_may_lie_between_the_segments() -> None:
    sent = segments(EXCHANGE)
    arp = Frame(t_ns=sent[0].t_ns, data=ETHERNET_HEADER + b"\x08\x06" + b"\0" * 28)
    mixed: Sequence[Frame] = list(chain.from_iterable((arp, frame(segment)) for segment in sent))
    assert list(pcap.segments(pcap.header() + pcap.records(mixed))) == sent


def test_an_endpoint_is_an_address_in_its_shortest_text() -> None:
    (sent,) = segments("> S 0:0(0)", a=Endpoint("fd00::2", 1), b=Endpoint("fd00::3", 2))
    read = pcap.segment(frame(sent))
    assert read is not None
    assert str(read.src) == "[fd00::2]:1"


def test_an_ip_length_of_0_means_as_long_as_the_frame() -> None:
    """What a network card is to cut up (TSO) is captured with it; tcpdump and tshark read it so."""
    (sent,) = segments("> P. 1:19(18) ack 1")
    whole = frame(sent).data
    assert pcap.segment(Frame(t_ns=sent.t_ns, data=whole[:16] + b"\0\0" + whole[18:])) == sent
