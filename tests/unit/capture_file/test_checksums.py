"""A checksum is good, bad, left to the network card, or not to be told."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.capture_file.reading import read
from rst_or_fin.tcp.segment import Checksum, Segment

from tests.support.capture_files import classic
from tests.support.packets import at_once, checksum, left_to_the_card, packet
from tests.support.segments import A6, B6, segments

(ONE,) = segments("> P. 1:102(101) ack 1")
(ONE_6,) = segments("> P. 1:102(101) ack 1", a=A6, b=B6)
PACKETS = {4: packet(ONE), 6: packet(ONE_6)}
HEAD_LEN = {4: 20, 6: 40}
of_both = pytest.mark.parametrize("family", [4, 6])


def read_one(of: bytes, snap_len: int = 262_144) -> Segment:
    (found,) = read([classic(at_once([of]), snap_len=snap_len)])
    return found


def with_field(family: int, value: int) -> bytes:
    """Put something else into the checksum's field."""
    at = HEAD_LEN[family] + 16
    return PACKETS[family][:at] + struct.pack("!H", value) + PACKETS[family][at + 2 :]


@of_both
def test_a_checksum_that_fits_is_good(family: int) -> None:
    assert read_one(PACKETS[family]).checksum is Checksum.GOOD


@of_both
def test_the_pseudo_headers_sum_alone_is_partial(family: int) -> None:
    assert read_one(left_to_the_card(PACKETS[family])).checksum is Checksum.PARTIAL


@of_both
def test_the_pseudo_headers_sum_without_the_length_is_partial_too(family: int) -> None:
    """What Windows leaves to a card that is to cut the segment up."""
    without = left_to_the_card(PACKETS[family], with_length=False)
    assert read_one(without).checksum is Checksum.PARTIAL


@of_both
def test_a_field_of_0_that_does_not_fit_says_nothing(family: int) -> None:
    assert read_one(with_field(family, 0)).checksum is Checksum.UNVERIFIED


@of_both
def test_what_the_snap_length_cut_cannot_be_verified(family: int) -> None:
    assert read_one(PACKETS[family], snap_len=100).checksum is Checksum.UNVERIFIED


@of_both
@given(data=st.data())
def test_any_one_byte_changed_is_noticed(family: int, data: st.DataObject) -> None:
    whole = PACKETS[family]
    at = data.draw(st.integers(HEAD_LEN[family] + 20, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    assert read_one(whole[:at] + bytes([byte]) + whole[at + 1 :]).checksum is Checksum.BAD


@given(payload=st.binary(max_size=9))
def test_every_length_and_every_sum_is_good(payload: bytes) -> None:
    """Sums of all ones among them, which ones' complement writes in two ways."""
    (sent,) = segments(f"> P. 1:{1 + len(payload)}({len(payload)}) ack 1")
    head = packet(sent)[: 40 + len(payload)]
    pseudo = head[12:20] + struct.pack("!II", 20 + len(payload), 6)
    tcp = head[20:36] + bytes(4) + payload
    fitting = checksum(pseudo + tcp + bytes(len(tcp) % 2))
    assert read_one(head[:36] + struct.pack("!HH", fitting, 0) + payload).checksum is Checksum.GOOD


@pytest.mark.parametrize("field", [b"\0\0", b"\xff\xff"])
def test_a_sum_of_0_is_written_in_two_ways(field: bytes) -> None:
    """Ones' complement has two zeros; the first payload word is what makes the sum one."""
    whole = PACKETS[4]
    head, tcp, payload = whole[:20], whole[20:36], whole[42:]
    rest = tcp + bytes(6) + payload
    word = checksum(head[12:20] + struct.pack("!II", len(rest), 6) + rest + bytes(len(rest) % 2))
    assert (
        read_one(head + tcp + field + bytes(2) + struct.pack("!H", word) + payload).checksum is Checksum.GOOD
    )


def test_a_wrong_ip_header_checksum_is_bad_whatever_tcp_says() -> None:
    whole = PACKETS[4]
    assert read_one(whole[:10] + b"\x12\x34" + whole[12:]).checksum is Checksum.BAD


def test_an_ip_header_checksum_of_0_was_left_to_the_network_card() -> None:
    whole = PACKETS[4]
    assert read_one(whole[:10] + b"\0\0" + whole[12:]).checksum is Checksum.GOOD
