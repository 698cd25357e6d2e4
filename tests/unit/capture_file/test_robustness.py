"""Whatever the bytes are, they are read up to where they make no sense, or refused: nothing else happens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.capture_file import ip, link_layers, tunnels
from rst_or_fin.capture_file.damage import CaptureError
from rst_or_fin.capture_file.decoding import Decoder
from rst_or_fin.capture_file.packet import IP_PROTOCOL, LINK_TYPE, UDP_PORT
from rst_or_fin.capture_file.reading import CaptureReading, read
from rst_or_fin.capture_file.records import Record
from rst_or_fin.tcp.segment import Segment

from tests.fuzz import campaign
from tests.support.capture_files import COMPRESSIONS, FORMATS, in_chunks
from tests.support.corpus import COMPRESSED, UNCOMPRESSED
from tests.support.packets import MACS, SENT, ethernet, ipv4, ipv6, packet, udp, wrapped

ALL = UNCOMPRESSED | COMPRESSED
LINK_TYPES = sorted(kind & 0xFFFF for kind in link_layers.LAYERS if kind & ~0xFFFF == LINK_TYPE)
files = st.sampled_from(sorted(ALL)).map(ALL.__getitem__)
OVER_IP: list[Callable[[int, bytes], bytes]] = [ipv4, ipv6]
TELLING = (0, 1, 2, 3, 4, 7, 8, 11, 16, 0x83, 0x89, 0xC9, 0xFF)
BEGINNINGS = st.sampled_from([write([])[:24] for write in FORMATS.values()] + [b"\x1f\x8b\x08", b"BZh9"])


def telling(length: int) -> st.SearchStrategy[bytes]:
    """Bytes that options, routes and their lengths are likely to be made of."""
    return st.lists(st.sampled_from(TELLING), min_size=length, max_size=length).map(bytes)


def read_until_it_ends(file: bytes, chunk: int = 262_144) -> tuple[list[Segment], CaptureReading]:
    reading = read(in_chunks(file, chunk))
    return list(reading), reading


def outcome(file: bytes, chunk: int = 262_144) -> str:
    try:
        found, reading = read_until_it_ends(file, chunk)
    except CaptureError as error:
        return "refused" if error.hint else "refused, and no hint"
    return "read" if len(found) <= reading.frames else "more segments than frames"


@given(data=st.binary(max_size=400), beginning=st.just(b"") | BEGINNINGS)
def test_any_bytes_are_a_capture_or_a_capture_error(data: bytes, beginning: bytes) -> None:
    assert outcome(beginning + data) in ("read", "refused")


@given(file=files, data=st.data())
def test_any_bytes_changed_do_no_harm(file: bytes, data: st.DataObject) -> None:
    changed = bytearray(file)
    for at in data.draw(st.lists(st.integers(0, len(file) - 1), min_size=1, max_size=8)):
        changed[at] = data.draw(st.integers(0, 255))
    chunk = data.draw(st.sampled_from([3, 50, 262_144]))
    assert outcome(bytes(changed), chunk) in ("read", "refused")


@pytest.mark.parametrize("name", FORMATS)
@given(cut=st.integers(0, 10_000))
def test_a_cut_capture_yields_a_beginning_of_the_segments(name: str, cut: int) -> None:
    whole = FORMATS[name](wrapped(ethernet, SENT[4]))
    every, _ = read_until_it_ends(whole)
    try:
        found, reading = read_until_it_ends(whole[: cut % len(whole)])
    except CaptureError:
        return
    assert (found, len(reading.doubts) <= 1) == (every[: len(found)], True)


@pytest.mark.parametrize("name", COMPRESSIONS)
@given(cut=st.integers(1, 10_000))
def test_a_cut_compressed_capture_yields_a_beginning_of_the_segments(name: str, cut: int) -> None:
    whole = COMPRESSIONS[name](FORMATS["pcap, little-endian"](wrapped(ethernet, SENT[4])))
    every, _ = read_until_it_ends(whole)
    try:
        found, reading = read_until_it_ends(whole[: cut % len(whole)])
    except CaptureError:
        return
    assert (found, len(reading.doubts)) == (every[: len(found)], 1)


def test_a_short_campaign_does_no_harm() -> None:
    """The long one is `make fuzz`."""
    tally = campaign.Tally()
    for number in range(2_000):
        campaign.play(campaign.KINDS["captures"], 1, number, tally)
    assert tally.failures == []


@given(kind=st.sampled_from(sorted(link_layers.LAYERS | ip.LAYERS | tunnels.LAYERS)), data=st.data())
def test_any_bytes_may_follow_where_a_layer_is_known(kind: int, data: st.DataObject) -> None:
    """In an Ethernet frame, in IPv4, in IPv6 and in UDP, where the layer's number can stand there."""
    number, payload = kind & 0xFFFF, data.draw(st.binary(max_size=120))
    over_ip = data.draw(st.sampled_from(OVER_IP))
    links: dict[int, Callable[[], bytes]] = {
        0: lambda: MACS + number.to_bytes(2, "big") + payload,
        IP_PROTOCOL: lambda: ethernet(over_ip(number, payload)),
        UDP_PORT: lambda: ethernet(ipv4(17, udp(number, payload))),
    }
    link_type = number if kind & ~0xFFFF == LINK_TYPE else 1
    frame = links.get(kind & ~0xFFFF, lambda: payload)()
    decoder = Decoder()
    found = decoder.segment(Record(0, link_type, frame, len(frame)))
    assert (found is None) == (sum(decoder.passed_over.values()) == 1)


@given(options=st.integers(0, 10).flatmap(lambda words: telling(4 * words)))
def test_any_ip_options_may_stand_before_a_segment(options: bytes) -> None:
    frame = ethernet(ipv4(6, packet(SENT[4][0])[20:], options=options))
    found = Decoder().segment(Record(0, 1, frame, len(frame)))
    assert (found.src.port, found.dst.port) == (40_000, 80) if found else False


@pytest.mark.parametrize("over_ip", OVER_IP)
@given(
    protocol=st.sampled_from([0, 43, 51, 60, 135, 139, 140]),
    words=st.integers(0, 5),
    data=st.data(),
)
def test_any_extension_header_may_stand_before_a_segment(
    over_ip: Callable[[int, bytes], bytes], protocol: int, words: int, data: st.DataObject
) -> None:
    """Also in IPv4, where nobody puts them."""
    length = 8 + (4 if protocol == 51 else 8) * words
    header = bytes([6, words]) + data.draw(telling(length - 2))
    frame = ethernet(over_ip(protocol, header + packet(SENT[4][0])[20:]))
    found = Decoder().segment(Record(0, 1, frame, len(frame)))
    assert (found.src.port, found.dst.port) == (40_000, 80) if found else False


@given(data=st.binary(max_size=200), more=st.integers(0, 100), link_type=st.sampled_from(LINK_TYPES))
def test_any_frame_is_a_segment_or_counted(data: bytes, more: int, link_type: int) -> None:
    decoder = Decoder()
    found = decoder.segment(Record(0, link_type, data, len(data) + more))
    assert (found is None) == (sum(decoder.passed_over.values()) == 1)
