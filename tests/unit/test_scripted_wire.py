"""A host that no kernel knows: what it answers, and the frames it makes, read by somebody else's parser."""

from __future__ import annotations

import ipaddress
import struct

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.agents.packets import Host, Packet
from rst_or_fin.agents.scripted import content
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.tcp.segment import Endpoint

from tests.support.decoding import segment_of

MAC = b"\x02\x00\x00\x00\x00\x09"
ADDRESSES = {4: ("198.18.0.5", "198.18.0.3"), 6: ("fd00::5", "fd00::3")}


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def syn(family: int, port: int = 80) -> bytes:
    """A SYN from the other end, made by dpkt alone."""
    ours, far = ADDRESSES[family]
    tcp = dpkt.tcp.TCP(sport=40000, dport=port, seq=7, flags=2, win=64240)
    if family == 4:
        data: dpkt.Packet = dpkt.ip.IP(src=packed(far), dst=packed(ours), p=6, len=20 + len(tcp), data=tcp)
    else:
        data = dpkt.ip6.IP6(src=packed(far), dst=packed(ours), nxt=6, plen=len(tcp), hlim=64, data=tcp)
    kind = dpkt.ethernet.ETH_TYPE_IP if family == 4 else dpkt.ethernet.ETH_TYPE_IP6
    return bytes(dpkt.ethernet.Ethernet(src=MAC, dst=b"\xff" * 6, type=kind, data=data))


def host(family: int) -> Host:
    """One that has heard the other end, and so knows where to send."""
    found = Host(ADDRESSES[family][0], 80)
    assert found.hear(syn(family)) is not None
    return found


def checksum_holds(frame: bytes, family: int) -> bool:
    """RFC 1071 over the pseudo-header and the segment, by hand."""
    ip = frame[14:]
    if family == 4:
        addresses, segment = ip[12:20], ip[20:]
    else:
        addresses, segment = ip[8:40], ip[40:]
    data = addresses + struct.pack("!HH", 6, len(segment)) + segment
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) // 2 * 2]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return bool(total == 0xFFFF)


@pytest.mark.parametrize("family", [4, 6])
def test_a_segment_is_heard(family: int) -> None:
    heard = Host(ADDRESSES[family][0], 80).hear(syn(family))
    assert heard == Packet(far=(ADDRESSES[family][1], 40000), flags="S", seq=7, ack=0, window=64240)


@pytest.mark.parametrize("family", [4, 6])
def test_another_port_is_not_heard(family: int) -> None:
    assert Host(ADDRESSES[family][0], 80).hear(syn(family, port=81)) is None


@pytest.mark.parametrize("family", [4, 6])
@given(
    flags=st.sampled_from(["S.", ".", "P.", "FP.", "R.", "R"]),
    seq=st.integers(0, 0xFFFFFFFF),
    ack=st.integers(0, 0xFFFFFFFF),
    window=st.integers(0, 65535),
    payload=st.binary(max_size=1460),
    mss=st.none() | st.integers(0, 65535),
)
def test_what_is_said_is_what_the_projects_own_reader_reads(
    family: int, flags: str, seq: int, ack: int, window: int, payload: bytes, mss: int | None
) -> None:
    ours, far = ADDRESSES[family]
    frame = host(family).say(Packet((far, 40000), flags, seq, ack, window, payload, mss))
    segment = segment_of(Frame(t_ns=0, data=frame))
    assert segment is not None
    assert (segment.src, segment.dst) == (Endpoint(ours, 80), Endpoint(far, 40000))
    assert (segment.seq, segment.ack, segment.window) == (seq, ack, window)
    assert (segment.payload, segment.options) == (
        payload,
        b"" if mss is None else struct.pack("!BBH", 2, 4, mss),
    )
    assert checksum_holds(frame, family)


def test_it_answers_arp_for_its_own_address() -> None:
    asked = dpkt.arp.ARP(sha=MAC, spa=packed("198.18.0.3"), tpa=packed("198.18.0.5"))
    ours = Host("198.18.0.5", 80)
    frame = ours.answer(bytes(dpkt.ethernet.Ethernet(src=MAC, dst=b"\xff" * 6, type=0x0806, data=asked)))
    assert frame is not None
    said = dpkt.ethernet.Ethernet(frame)
    assert (said.dst, said.data.op, said.data.spa, said.data.sha) == (
        MAC,
        2,
        packed("198.18.0.5"),
        ours.mac,
    )


def test_it_leaves_arp_for_others_alone() -> None:
    asked = dpkt.arp.ARP(sha=MAC, spa=packed("198.18.0.3"), tpa=packed("198.18.0.4"))
    frame = bytes(dpkt.ethernet.Ethernet(src=MAC, dst=b"\xff" * 6, type=0x0806, data=asked))
    assert Host("198.18.0.5", 80).answer(frame) is None


def solicitation(source: str, target: str) -> bytes:
    message = dpkt.icmp6.ICMP6(type=135, code=0, data=b"\0" * 4 + packed(target))
    packet = dpkt.ip6.IP6(
        src=packed(source), dst=packed("ff02::1:ff00:5"), nxt=58, plen=len(message), hlim=255, data=message
    )
    return bytes(dpkt.ethernet.Ethernet(src=MAC, dst=b"\x33\x33\xff\0\0\x05", type=0x86DD, data=packet))


def test_it_answers_a_neighbour_solicitation_for_its_own_address() -> None:
    ours = Host("fd00::5", 80)
    frame = ours.answer(solicitation("fd00::3", "fd00::5"))
    assert frame is not None
    # RFC 4861 section 4.4: the flags, the target, and the target's link-layer address as option 2
    assert frame[54] == 136
    assert frame[58:] == b"\x60\0\0\0" + packed("fd00::5") + b"\x02\x01" + ours.mac


@pytest.mark.parametrize(
    ("source", "target"), [("fd00::3", "fd00::4"), ("::", "fd00::5")], ids=["another's", "unspecified"]
)
def test_it_leaves_other_solicitations_alone(source: str, target: str) -> None:
    assert Host("fd00::5", 80).answer(solicitation(source, target)) is None


@given(st.binary(max_size=200))
def test_any_frame_is_answered_heard_or_passed_over(frame: bytes) -> None:
    ours = Host("198.18.0.5", 80)
    assert ours.answer(frame) is None or len(frame) >= 14
    assert ours.hear(frame) is None or len(frame) >= 54


@given(st.integers(0, 5000), st.integers(0, 1460), st.integers(0, 1460))
def test_the_same_number_always_carries_the_same_byte(first: int, offset: int, count: int) -> None:
    whole = content(first, first + offset + count)
    assert content(first + offset, first + offset + count) == whole[offset:]


@pytest.mark.parametrize("family", [4, 6])
def test_a_host_that_connects_asks_and_is_answered_by_its_like(family: int) -> None:
    ours, far = ADDRESSES[family]
    asking, asked = Host(ours, 80), Host(far, 80)
    answer = asked.answer(asking.question(far))
    assert answer is not None
    asking.learn(answer)
    assert (asking.knows(far), asking.knows(ours)) == (True, False)


@pytest.mark.parametrize("family", [4, 6])
def test_nobody_else_answers_who_is_asked_for(family: int) -> None:
    ours, far = ADDRESSES[family]
    other = str(ipaddress.ip_address(far) + 1)
    assert Host(other, 80).answer(Host(ours, 80).question(far)) is None
