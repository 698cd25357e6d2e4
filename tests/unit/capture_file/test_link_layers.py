"""Every link layer gives the segments that were put into it; all else is counted by what it is."""

from __future__ import annotations

import struct
from collections import Counter

import pytest
from rst_or_fin.capture_file.reading import read

from tests.support.capture_files import classic
from tests.support.packets import (
    LINK_LAYERS,
    MACS,
    ONLY_IPV4,
    ONLY_IPV6,
    SENT,
    LinkLayer,
    ethernet,
    packet,
    plain,
    wrapped,
)
from tests.support.segments import segments

(ONE,) = segments("> P. 1:19(18) ack 1")


def found_in(layer: LinkLayer, family: int) -> bool:
    """Tell whether what was sent is read again from frames of this link layer."""
    sent = SENT[family]
    file = classic(wrapped(layer.wrap, sent), magic=0xA1B23C4D, link_type=layer.link_type)
    return plain(read([file])) == sent


@pytest.mark.parametrize("name", LINK_LAYERS)
def test_a_segment_is_found_in_every_link_layer(name: str) -> None:
    assert [found_in(LINK_LAYERS[name], family) for family in (4, 6)] == [True, True]


@pytest.mark.parametrize("name", ONLY_IPV4)
def test_a_segment_is_found_where_only_ipv4_goes(name: str) -> None:
    assert found_in(ONLY_IPV4[name], 4)


@pytest.mark.parametrize("name", ONLY_IPV6)
def test_a_segment_is_found_where_only_ipv6_goes(name: str) -> None:
    assert found_in(ONLY_IPV6[name], 6)


@pytest.mark.parametrize(
    ("link_type", "data", "what"),
    [
        (1, MACS + b"\x08\x06" + bytes(28), "ARP"),
        (1, MACS + b"\x88\xcc" + bytes(28), "LLDP"),
        (1, MACS + b"\x12\x34" + bytes(28), "EtherType 0x1234"),
        (1, MACS + b"\x00\x26\x42\x42\x03" + bytes(35), "not IP"),
        (1, ethernet(packet(ONE))[:23] + b"\x01" + packet(ONE)[10:], "ICMP"),
        (1, ethernet(packet(ONE))[:23] + b"\x11" + packet(ONE)[10:], "UDP"),
        (1, ethernet(packet(ONE))[:23] + b"\xfd" + packet(ONE)[10:], "IP protocol 253"),
        (1, MACS + b"\x08\x00\x55" + packet(ONE)[1:], "malformed"),
        (1, MACS + b"\x08\x00\x44" + packet(ONE)[1:], "malformed"),
        (1, MACS + b"\x86\xdd" + packet(ONE) + bytes(20), "malformed"),
        (1, MACS + b"\x08\x00" + packet(ONE)[:32] + b"\x40" + packet(ONE)[33:], "malformed"),
        (1, MACS + b"\x08\x00" + packet(ONE)[:32] + b"\xf0" + packet(ONE)[33:], "malformed"),
        (1, MACS, "malformed"),
        (1, b"", "malformed"),
        (9, b"\xff\x03\xc0\x21" + bytes(10), "PPP protocol 0xc021"),
        (0, b"\x07\0\0\0" + bytes(30), "not IP"),
        (101, b"\x00" + bytes(30), "not IP"),
        (105, bytes(40), "802.11"),
        (127, bytes(40), "802.11"),
        (147, bytes(40), "link type 147"),
        (258, struct.pack("<III", 0, 1, 258) + bytes(100), "not IP"),
        (258, struct.pack("<III", 12, 1, 258) * 40, "nested too deeply"),
        (1, MACS + b"\x81\x00\x00\x07" * 60 + bytes(30), "nested too deeply"),
    ],
)
def test_what_holds_no_segment_is_counted_by_what_it_is(link_type: int, data: bytes, what: str) -> None:
    file = classic(wrapped(lambda of: data, [ONE] * 3), link_type=link_type)
    reading = read([file])
    assert (list(reading), reading.passed_over) == ([], Counter({what: 3}))


def test_a_header_that_the_snap_length_cut_is_counted_as_that() -> None:
    """From nothing at all up to the last byte before TCP's window ends."""
    readings = [read([classic(wrapped(ethernet, [ONE]), snap_len=length)]) for length in range(1, 50)]
    found = [(list(reading), reading.passed_over) for reading in readings]
    assert found == [([], Counter({"cut short by the snap length": 1}))] * 49


def test_from_the_window_on_a_cut_segment_still_says_where_it_belongs() -> None:
    found = [next(iter(read([classic(wrapped(ethernet, [ONE]), snap_len=n)]))) for n in range(50, 73)]
    assert [(s.seq, s.ack, s.window, s.payload_len, len(s.payload)) for s in found] == [
        (ONE.seq, ONE.ack, ONE.window, 18, max(length - 54, 0)) for length in range(50, 73)
    ]


def test_a_frame_check_sequence_counts_for_nothing_where_ip_does_not_say_how_long_it_is() -> None:
    """Two 16-bit words of it are announced in the link type's word."""
    unsized = packet(ONE)[:2] + bytes(2) + packet(ONE)[4:]
    file = classic(wrapped(lambda of: ethernet(unsized) + bytes(4), [ONE]), link_type=0x2400_0001)
    (found,) = read([file])
    assert found.payload_len == 18
