"""IP as receivers read it: lengths, extension headers, routes, fragments."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import pytest
from msgspec import structs
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.reading import CaptureReading, read
from rst_or_fin.tcp.segment import Checksum, Endpoint, Segment

from tests.support.capture_files import classic
from tests.support.packets import (
    EXTENSIONS,
    at_once,
    checksum,
    ethernet,
    extended,
    fragment,
    fragments,
    in_gre,
    ipv4,
    packet,
    plain,
)
from tests.support.segments import A6, B6, segments

(ONE,) = segments("> P. 1:101(100) ack 1")
(ONE_6,) = segments("> P. 1:101(100) ack 1", a=A6, b=B6)
OF_FAMILY = {4: ONE, 6: ONE_6}
of_both = pytest.mark.parametrize("family", [4, 6])


def reading_of(packets: Sequence[bytes]) -> CaptureReading:
    return read([classic(at_once(packets), magic=0xA1B23C4D)])


def same(found: Segment, sent: Segment) -> bool:
    """Tell whether two segments are one, whenever and in which IP packet they came."""
    kept = {"t_ns": 0, "ip_id": None, "frame_no": 0}
    return structs.replace(found, **kept) == structs.replace(sent, **kept)


# Lengths


@of_both
def test_a_length_of_0_means_as_long_as_the_frame(family: int) -> None:
    """What a network card is to cut up (TSO) is captured with it; tcpdump and tshark read it so."""
    whole = packet(OF_FAMILY[family])
    at = 2 if family == 4 else 4
    (found,) = reading_of([whole[:at] + bytes(2) + whole[at + 2 :]])
    assert same(found, OF_FAMILY[family])


@of_both
def test_the_ttl_or_hop_limit_is_the_innermost_ones(family: int) -> None:
    sent = structs.replace(OF_FAMILY[family], ttl=250)
    (found,) = reading_of([in_gre(packet(sent))])
    assert found.ttl == 250


def test_the_identification_is_ipv4s() -> None:
    found = reading_of([packet(structs.replace(ONE, ip_id=4711)), packet(ONE_6)])
    assert [segment.ip_id for segment in found] == [4711, None]


# Extension headers and routes


@pytest.mark.parametrize("name", EXTENSIONS)
def test_tcp_is_found_behind_every_extension_header(name: str) -> None:
    (found,) = reading_of([extended(packet(ONE_6), name)])
    assert same(found, ONE_6)


def test_tcp_is_found_behind_all_extension_headers_at_once() -> None:
    (found,) = reading_of([extended(packet(ONE_6), *EXTENSIONS)])
    assert same(found, ONE_6)


@pytest.mark.parametrize(("kind", "place"), [(0, 1), (2, 1), (4, 0)])
def test_while_a_route_is_not_at_its_end_the_destination_is_its_last_address(kind: int, place: int) -> None:
    """In order for a source route (RFC 2460, 4.4), the other way round for segment routing (RFC 8754, 2)."""
    whole = packet(ONE_6)
    final, hop = whole[24:40], b"\xfd" + bytes(14) + b"\x09"
    route = [final, hop] if place == 0 else [hop, final]
    header = struct.pack("!BBBBI", 6, 4, kind, 1, 0) + b"".join(route)
    length = struct.pack("!H", len(whole) - 40 + len(header))
    (found,) = reading_of([whole[:4] + length + b"\x2b" + whole[7:24] + hop + header + whole[40:]])
    assert (found.dst, found.checksum) == (B6, Checksum.GOOD)


def test_a_mobile_sender_is_known_by_its_home_address() -> None:
    whole = packet(ONE_6)
    header = b"\x06\x02\0\x01\0\0\xc9\x10" + whole[8:24]
    length = struct.pack("!H", len(whole) - 40 + len(header))
    care_of = b"\xfd" + bytes(14) + b"\x09"
    (found,) = reading_of(
        [whole[:4] + length + b"\x3c" + whole[7:8] + care_of + whole[24:40] + header + whole[40:]]
    )
    assert (found.src, found.checksum) == (A6, Checksum.GOOD)


def test_an_ipv4_source_route_ends_at_the_destination() -> None:
    whole = packet(ONE)
    final, hop = whole[16:20], b"\x0a\x00\x00\x09"
    options = b"\x01\x83\x07\x04" + final
    head = b"\x47" + whole[1:2] + struct.pack("!H", len(whole) + 8) + whole[4:10] + bytes(2) + whole[12:16]
    head += hop + options
    (found,) = reading_of([head[:10] + struct.pack("!H", checksum(head)) + head[12:] + whole[20:]])
    assert (found.dst, found.checksum) == (ONE.dst, Checksum.GOOD)


@pytest.mark.parametrize(
    ("protocol", "header"),
    [
        (43, b"\x06\x04\0\x01" + bytes(36)),
        (43, b"\x06\x02\x04\x01" + bytes(20)),
        (60, b"\x06\x02\0\x01\0\0\xc9\x10" + bytes(16)),
    ],
)
def test_an_ipv6_route_in_an_ipv4_packet_leads_nowhere(protocol: int, header: bytes) -> None:
    """Nobody sends that; the addresses stay as they are."""
    (found,) = reading_of([ipv4(protocol, header + packet(ONE)[20:])])
    assert (found.src.address, found.dst.address) == ("192.0.2.1", "192.0.2.2")


# Fragments


@of_both
@pytest.mark.parametrize("size", [8, 24, 64])
def test_a_segment_is_put_together_from_its_fragments(family: int, size: int) -> None:
    (found,) = reading_of(fragments(packet(OF_FAMILY[family]), size))
    assert same(found, OF_FAMILY[family])


@of_both
def test_fragments_come_in_any_order(family: int) -> None:
    orders = permutations(fragments(packet(OF_FAMILY[family]), 40))
    assert all(same(next(iter(reading_of(order))), OF_FAMILY[family]) for order in orders)


def test_a_segment_is_of_the_frame_that_completes_it() -> None:
    pieces = fragments(packet(ONE), 64)
    (found,) = reading_of([packet(ONE_6), *pieces, packet(ONE_6)][1:-1])
    assert found.frame_no == len(pieces)


def test_fragments_of_two_datagrams_are_told_apart() -> None:
    first, second = (fragments(packet(ONE), 64, ident=ident) for ident in (1, 2))
    found = reading_of([piece for pair in zip(first, second, strict=True) for piece in pair])
    assert [same(segment, ONE) for segment in found] == [True, True]


def test_a_copy_of_a_fragment_changes_nothing() -> None:
    first, second = fragments(packet(ONE), 64)
    (found,) = reading_of([first, first, second])
    assert same(found, ONE)


@of_both
def test_fragments_inside_a_tunnel_are_put_together(family: int) -> None:
    (found,) = reading_of([in_gre(piece) for piece in fragments(packet(OF_FAMILY[family]), 64)])
    assert same(found, OF_FAMILY[family])


def test_a_tunnel_is_put_together_from_its_fragments() -> None:
    (found,) = reading_of(fragments(in_gre(packet(ONE)), 64))
    assert same(found, ONE)


@of_both
def test_fragments_that_overlap_give_no_segment(family: int) -> None:
    """RFC 5722 for IPv6; Linux since 4.19 for IPv4 too: what would one of them say?"""
    whole = packet(OF_FAMILY[family])
    head_len = 20 if family == 4 else 40
    head, payload = whole[:head_len], whole[head_len:]
    packets = [
        fragment(head, 0, payload[:64], more=True),
        fragment(head, 32, payload[32:96], more=True),
        fragment(head, 96, payload[96:], more=False),
    ]
    reading = reading_of(packets)
    assert (list(reading), reading.passed_over) == (
        [],
        Counter({"fragment that overlaps another": 1, "fragment incomplete": 2}),
    )


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_datagram_that_lacks_a_fragment_is_counted_as_incomplete(missing: int) -> None:
    pieces = fragments(packet(ONE), 48)
    del pieces[missing]
    reading = reading_of(pieces)
    assert (list(reading), reading.passed_over) == ([], Counter({"fragment incomplete": 2}))


def test_a_fragment_is_waited_for_as_long_as_linux_waits() -> None:
    first, second = at_once(fragments(packet(ONE), 64))
    late = Frame(t_ns=first.t_ns + 31_000_000_000, data=second.data)
    reading = read([classic([first, late])])
    assert (list(reading), reading.passed_over) == ([], Counter({"fragment incomplete": 2}))


def test_a_fragment_that_the_snap_length_cut_is_counted_as_that() -> None:
    reading = read([classic(at_once(fragments(packet(ONE), 64)), snap_len=80)])
    assert (list(reading), reading.passed_over["cut short by the snap length"]) == ([], 2)


def test_ten_thousand_first_fragments_are_not_all_kept() -> None:
    head, piece = packet(ONE)[:20], packet(ONE)[20:84]
    firsts = [fragment(head, 0, piece, more=True, ident=number) for number in range(10_000)]
    reading = reading_of([*firsts, *fragments(packet(ONE), 64, ident=0)])
    found = [same(segment, ONE) for segment in reading]
    assert (found, reading.passed_over) == ([True], Counter({"fragment incomplete": 10_000}))


def test_a_fragment_beyond_the_largest_datagram_is_malformed() -> None:
    last = fragment(packet(ONE)[:20], 65_528, bytes(16), more=False)
    reading = reading_of([last])
    assert (list(reading), reading.passed_over) == ([], Counter({"malformed": 1}))


def test_an_endpoint_is_an_address_in_its_shortest_text() -> None:
    (sent,) = segments("> S 0:0(0)", a=Endpoint("fd00::2", 1), b=Endpoint("fd00::3", 2))
    (found,) = plain(read([classic([Frame(t_ns=0, data=ethernet(packet(sent)))])]))
    assert str(found.src) == "[fd00::2]:1"
