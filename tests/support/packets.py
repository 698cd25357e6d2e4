"""Packets with TCP in them, wrapped in every link layer and tunnel that is read, byte by byte.

What is wrapped is an IP packet; `WRAPPED` says what each link layer makes of it, `TUNNELLED` each tunnel.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec import structs
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.tcp.segment import Segment

from tests.support.segments import A6, B6, EXCHANGE, frame, segments

MACS = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02"
ENDING = EXCHANGE + "> R. 19:19(0) ack 486\n"
SENT = {4: segments(ENDING), 6: segments(ENDING, a=A6, b=B6)}
OUTER_4 = (b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02")
OUTER_6 = (b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01", b"\x20\x01\x0d\xb8" + bytes(11) + b"\x02")
Wrap = Callable[[bytes], bytes]


def packet(segment: Segment) -> bytes:
    """Write a segment as an IP packet, every checksum right."""
    return frame(segment).data[14:]


def version(of: bytes) -> int:
    return of[0] >> 4


def ethertype(of: bytes) -> bytes:
    return {4: b"\x08\x00", 6: b"\x86\xdd"}[version(of)]


def ppp_protocol(of: bytes) -> bytes:
    return {4: b"\x00\x21", 6: b"\x00\x57"}[version(of)]


def ethernet(of: bytes) -> bytes:
    return MACS + ethertype(of) + of


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def left_to_the_card(of: bytes, *, with_length: bool = True) -> bytes:
    """Leave the pseudo header's sum alone in the checksum, as Linux's tcp_v4_send_check does."""
    head_len, addresses = (20, of[12:20]) if version(of) == 4 else (40, of[8:40])
    length = len(of) - head_len if with_length else 0
    partial = ~checksum(addresses + struct.pack("!II", length, 6)) & 0xFFFF
    return of[: head_len + 16] + struct.pack("!H", partial) + of[head_len + 18 :]


def ipv4(protocol: int, payload: bytes, *, ident: int = 7, bits: int = 0, options: bytes = b"") -> bytes:
    """Write an outer IPv4 header; `bits` are the flags and the fragment offset."""
    length = 20 + len(options)
    head = struct.pack(
        "!BBHHHBBH", 0x40 | length // 4, 0, length + len(payload), ident, bits, 60, protocol, 0
    )
    head += b"".join(OUTER_4) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(following: int, payload: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 60) + b"".join(OUTER_6) + payload


def udp(port: int, payload: bytes) -> bytes:
    """Write a datagram without a checksum."""
    return struct.pack("!HHHH", 49152, port, 8 + len(payload), 0) + payload


# Link layers: name -> (link type, how)


class LinkLayer(NamedTuple):
    link_type: int
    wrap: Wrap


def llc_snap(of: bytes) -> bytes:
    content = b"\xaa\xaa\x03\0\0\0" + ethertype(of) + of
    return MACS + struct.pack("!H", len(content)) + content


def llc_ip(of: bytes) -> bytes:
    return MACS + struct.pack("!H", len(of) + 3) + b"\x06\x06\x03" + of


def pppoe(of: bytes) -> bytes:
    return b"\x11\x00\x00\x01" + struct.pack("!H", len(of) + 2) + ppp_protocol(of) + of


def cooked(of: bytes) -> bytes:
    return struct.pack("!HHH8s", 0, 1, 6, b"\x02" * 8) + ethertype(of) + of


def cooked_vlan(of: bytes) -> bytes:
    return struct.pack("!HHH8s", 0, 1, 6, b"\x02" * 8) + b"\x81\x00\x00\x07" + ethertype(of) + of


def cooked_v2(of: bytes) -> bytes:
    return ethertype(of) + struct.pack("!HIHBB8s", 0, 2, 1, 0, 6, b"\x02" * 8) + of


def cooked_v2_vlan(of: bytes) -> bytes:
    return (
        b"\x81\x00" + struct.pack("!HIHBB8s", 0, 2, 1, 0, 6, b"\x02" * 8) + b"\x00\x07" + ethertype(of) + of
    )


def loopback(order: str, ipv6_family: int) -> Wrap:
    return lambda of: struct.pack(order + "I", 2 if version(of) == 4 else ipv6_family) + of


def tags(*ethertypes: int) -> Wrap:
    tagged = b"".join(struct.pack("!HH", tag, 7) for tag in ethertypes)
    return lambda of: MACS + tagged + ethertype(of) + of


def labels(*numbers: int) -> bytes:
    """Write an MPLS label stack; the last one has the bottom-of-stack bit."""
    return b"".join(
        struct.pack("!I", number << 12 | (at == len(numbers) - 1) << 8 | 64)
        for at, number in enumerate(numbers)
    )


def packet_tap(of: bytes) -> bytes:
    head = struct.pack("<III", 108, 1, 1)
    return head + bytes(108 - len(head)) + ethernet(of)


def nflog(order: str) -> Wrap:
    def wrap(of: bytes) -> bytes:
        family = 2 if version(of) == 4 else 10
        attributes = struct.pack(order + "HH", 8, 1) + b"\x08\x00\x00\x00"  # the packet's header
        attributes += struct.pack(order + "HH", 5, 10) + b"\0\0\0\0"  # a prefix of nothing, padded
        return struct.pack("!BBH", family, 0, 0) + attributes + struct.pack(order + "HH", len(of) + 4, 9) + of

    return wrap


LINK_LAYERS: dict[str, LinkLayer] = {
    "Ethernet": LinkLayer(1, ethernet),
    "Ethernet, padded and with a frame check sequence": LinkLayer(1, lambda of: ethernet(of) + b"\x55" * 10),
    "VLAN": LinkLayer(1, tags(0x8100)),
    "QinQ, 802.1ad": LinkLayer(1, tags(0x88A8, 0x8100)),
    "QinQ, 0x9100": LinkLayer(1, tags(0x9100, 0x8100)),
    "three tags": LinkLayer(1, tags(0x8100, 0x8100, 0x8100)),
    "LLC and SNAP": LinkLayer(1, llc_snap),
    "VLAN, LLC and SNAP": LinkLayer(1, lambda of: MACS + b"\x81\0\0\x07" + llc_snap(of)[12:]),
    "MPLS": LinkLayer(1, lambda of: MACS + b"\x88\x47" + labels(16) + of),
    "MPLS, three labels": LinkLayer(1, lambda of: MACS + b"\x88\x47" + labels(16, 17, 18) + of),
    "MPLS pseudowire": LinkLayer(1, lambda of: MACS + b"\x88\x47" + labels(99) + bytes(4) + ethernet(of)),
    "PPPoE": LinkLayer(1, lambda of: MACS + b"\x88\x64" + pppoe(of)),
    "PPPoE in a VLAN": LinkLayer(1, lambda of: MACS + b"\x81\0\0\x07\x88\x64" + pppoe(of)),
    "802.1ah": LinkLayer(1, lambda of: MACS + b"\x88\xe7\0\0\0\x01" + ethernet(of)),
    "FabricPath": LinkLayer(1, lambda of: MACS + b"\x89\x03\0\x01" + ethernet(of)),
    "VN-Tag": LinkLayer(1, lambda of: MACS + b"\x89\x26\0\0\0\0" + ethertype(of) + of),
    "raw IP, 12": LinkLayer(12, bytes),
    "raw IP, 14": LinkLayer(14, bytes),
    "raw IP, 101": LinkLayer(101, bytes),
    "loopback, little-endian, Linux": LinkLayer(0, loopback("<", 10)),
    "loopback, little-endian, macOS": LinkLayer(0, loopback("<", 30)),
    "loopback, little-endian, FreeBSD": LinkLayer(0, loopback("<", 28)),
    "loopback, big-endian, NetBSD": LinkLayer(0, loopback(">", 24)),
    "loopback, network order": LinkLayer(108, loopback(">", 24)),
    "Linux cooked": LinkLayer(113, cooked),
    "Linux cooked, VLAN": LinkLayer(113, cooked_vlan),
    "Linux cooked v2": LinkLayer(276, cooked_v2),
    "Linux cooked v2, VLAN": LinkLayer(276, cooked_v2_vlan),
    "PPP": LinkLayer(9, lambda of: b"\xff\x03" + ppp_protocol(of) + of),
    "PPP, everything compressed": LinkLayer(9, lambda of: ppp_protocol(of)[1:] + of),
    "PPP in HDLC frames": LinkLayer(50, lambda of: b"\xff\x03" + ppp_protocol(of) + of),
    "Cisco HDLC": LinkLayer(104, lambda of: b"\x0f\x00" + ethertype(of) + of),
    "PPPoE without Ethernet": LinkLayer(51, pppoe),
    "PPP with direction": LinkLayer(204, lambda of: b"\x00\xff\x03" + ppp_protocol(of) + of),
    "PKTAP": LinkLayer(258, packet_tap),
    "NFLOG, little-endian": LinkLayer(239, nflog("<")),
    "NFLOG, big-endian": LinkLayer(239, nflog(">")),
    "FDDI": LinkLayer(10, lambda of: b"\x50" + MACS + b"\xaa\xaa\x03\0\0\0" + ethertype(of) + of),
    "ATM": LinkLayer(100, lambda of: b"\xaa\xaa\x03\0\0\0" + ethertype(of) + of),
    "MPLS without Ethernet": LinkLayer(219, lambda of: labels(16, 17) + of),
    "IP over InfiniBand": LinkLayer(242, lambda of: bytes(40) + ethertype(of) + bytes(2) + of),
}
ONLY_IPV4: dict[str, LinkLayer] = {
    "IP in LLC": LinkLayer(1, llc_ip),
    "loopback, big-endian": LinkLayer(0, loopback(">", 0)),
    "raw IPv4, 228": LinkLayer(228, bytes),
}
ONLY_IPV6: dict[str, LinkLayer] = {"raw IPv6, 229": LinkLayer(229, bytes)}


# Tunnels: name -> how; what comes out is an IP packet again


def gre(bits: int, protocol: bytes, more: bytes, payload: bytes) -> bytes:
    return struct.pack("!H", bits) + protocol + more + payload


def in_gre(of: bytes) -> bytes:
    return ipv4(47, gre(0, ethertype(of), b"", of))


def in_gre_with_all(of: bytes) -> bytes:
    inner = gre(0xB000, ethertype(of), bytes(4) + b"\0\0\0\x2a" + b"\0\0\0\x01", of)
    padded = inner + bytes(len(inner) % 2)
    return ipv4(47, inner[:4] + struct.pack("!H", checksum(padded)) + inner[6:])


def in_erspan_ii(of: bytes) -> bytes:
    head = struct.pack("!HHI", 0x1000 | 5, 0, 0)
    return ipv4(47, gre(0x1000, b"\x88\xbe", b"\0\0\0\x01", head + ethernet(of)))


def in_erspan_iii(of: bytes) -> bytes:
    head = struct.pack("!HHIHH", 0x2000 | 5, 0, 0, 0, 0)
    return ipv4(47, gre(0x1000, b"\x22\xeb", b"\0\0\0\x01", head + ethernet(of)))


def in_erspan_iii_with_more(of: bytes) -> bytes:
    head = struct.pack("!HHIHH", 0x2000 | 5, 0, 0, 0, 1) + bytes(8)
    return ipv4(47, gre(0x1000, b"\x22\xeb", b"\0\0\0\x01", head + ethernet(of)))


def in_geneve(of: bytes) -> bytes:
    options = b"\x01\x02\x03\x01" + b"\0\0\0\x2a"
    return ipv4(17, udp(6081, struct.pack("!BBHI", 2, 0, 0x6558, 7 << 8) + options + ethernet(of)))


def gtp(flags: int, more: bytes, of: bytes) -> bytes:
    return ipv4(17, udp(2152, struct.pack("!BBHI", 0x30 | flags, 255, len(more) + len(of), 9) + more + of))


def in_pptp(of: bytes) -> bytes:
    inner = b"\xff\x03" + ppp_protocol(of) + of
    return ipv4(47, struct.pack("!HHHHII", 0x3081, 0x880B, len(inner), 5, 1, 1) + inner)


def in_l2tp(of: bytes) -> bytes:
    inner = b"\xff\x03" + ppp_protocol(of) + of
    head = struct.pack("!HHHHHH", 0x4802, 12 + len(inner), 1, 2, 3, 4)
    return ipv4(17, udp(1701, head + inner))


def one_or_other(of: bytes, for_ipv4: int, for_ipv6: int) -> int:
    return for_ipv4 if version(of) == 4 else for_ipv6


def in_ip_over_ipv4(of: bytes) -> bytes:
    return ipv4(one_or_other(of, 4, 41), of)


def in_gpe(of: bytes) -> bytes:
    return ipv4(17, udp(4790, struct.pack("!BHBI", 0x0C, 0, one_or_other(of, 1, 2), 7 << 8) + of))


def in_nsh(of: bytes) -> bytes:
    head = struct.pack("!HBBI", 2 << 6 | 2, 2, one_or_other(of, 1, 2), 1 << 8 | 255)
    return ipv4(17, udp(4790, struct.pack("!BHBI", 0x0C, 0, 4, 7 << 8) + head + of))


TUNNELS: dict[str, Wrap] = {
    "GRE": in_gre,
    "GRE with checksum, key and sequence number": in_gre_with_all,
    "GRE over IPv6": lambda of: ipv6(47, gre(0, ethertype(of), b"", of)),
    "GRE, bridged": lambda of: ipv4(47, gre(0x2000, b"\x65\x58", bytes(4), ethernet(of))),
    "GRE, MPLS": lambda of: ipv4(47, gre(0, b"\x88\x47", b"", labels(16) + of)),
    "PPTP": in_pptp,
    "ERSPAN I": lambda of: ipv4(47, gre(0, b"\x88\xbe", b"", ethernet(of))),
    "ERSPAN II": in_erspan_ii,
    "ERSPAN III": in_erspan_iii,
    "ERSPAN III, platform's part": in_erspan_iii_with_more,
    "IP in IPv4": in_ip_over_ipv4,
    "IP in IPv6": lambda of: ipv6(one_or_other(of, 4, 41), of),
    "IP in IP in IP": lambda of: in_ip_over_ipv4(in_ip_over_ipv4(of)),
    "VXLAN": lambda of: ipv4(17, udp(4789, b"\x08\0\0\0\0\0\x07\0" + ethernet(of))),
    "VXLAN, Linux's old port": lambda of: ipv4(17, udp(8472, b"\x08\0\0\0\0\0\x07\0" + ethernet(of))),
    "VXLAN over IPv6, a VLAN inside": lambda of: ipv6(
        17, udp(4789, b"\x08\0\0\0\0\0\x07\0" + tags(0x8100)(of))
    ),
    "VXLAN-GPE": in_gpe,
    "NSH in VXLAN-GPE": in_nsh,
    "Geneve": in_geneve,
    "GTP-U": lambda of: gtp(0, b"", of),
    "GTP-U, sequence number": lambda of: gtp(2, b"\0\x01\0\0", of),
    "GTP-U, extension header": lambda of: gtp(4, b"\0\0\0\x85" + b"\x01\0\x09\0", of),
    "L2TP": in_l2tp,
    "EtherIP": lambda of: ipv4(97, b"\x30\0" + ethernet(of)),
    "MPLS in UDP": lambda of: ipv4(17, udp(6635, labels(16) + of)),
    "GRE in UDP": lambda of: ipv4(17, udp(4754, gre(0, ethertype(of), b"", of))),
    "an authentication header": lambda of: ipv4(51, authenticated(one_or_other(of, 4, 41), of)),
    "GRE in VXLAN": lambda of: ipv4(17, udp(4789, b"\x08\0\0\0\0\0\x07\0" + ethernet(in_gre(of)))),
}
ONLY_IPV6_TUNNELS: dict[str, Wrap] = {
    "Teredo": lambda of: ipv4(17, udp(3544, of)),
    "Teredo, origin": lambda of: ipv4(17, udp(3544, b"\0\0" + bytes(6) + of)),
}


def authenticated(following: int, payload: bytes) -> bytes:
    """Write an authentication header with 12 bytes of proof."""
    return struct.pack("!BBHII", following, 4, 0, 5, 1) + bytes(12) + payload


# IPv6 extension headers: name -> what stands between the header and TCP, given what follows

EXTENSIONS: dict[str, Callable[[int], tuple[int, bytes]]] = {
    "hop-by-hop options": lambda following: (0, bytes([following, 0, 1, 4, 0, 0, 0, 0])),
    "destination options": lambda following: (60, bytes([following, 1, 1, 12]) + bytes(12)),
    "a routing header that was followed": lambda following: (43, bytes([following, 2, 0, 0]) + bytes(20)),
    "an atomic fragment": lambda following: (44, bytes([following, 0, 0, 0]) + b"\0\0\0\x09"),
    "an authentication header": lambda following: (51, authenticated(following, b"")),
}


def extended(of: bytes, *names: str) -> bytes:
    """Put extension headers into an IPv6 packet, in that order."""
    following, between = of[6], b""
    for name in reversed(names):
        following, header = EXTENSIONS[name](following)
        between = header + between
    length = struct.pack("!H", len(of) - 40 + len(between))
    return of[:4] + length + bytes([following]) + of[7:40] + between + of[40:]


def fragments(of: bytes, size: int, *, ident: int = 99) -> list[bytes]:
    """Cut an IP packet into fragments of `size` bytes of payload, a multiple of 8."""
    head_len = 20 if version(of) == 4 else 40
    payload = of[head_len:]
    pieces = [(at, payload[at : at + size]) for at in range(0, len(payload), size)]
    return [
        fragment(of[:head_len], at, piece, more=at + size < len(payload), ident=ident) for at, piece in pieces
    ]


def fragment(head: bytes, at: int, piece: bytes, *, more: bool, ident: int = 99) -> bytes:
    """Write one fragment, `at` bytes from the start of the datagram that `head` is the header of."""
    if version(head) == 6:
        between = struct.pack("!BBHI", head[6], 0, at | more, ident)
        return head[:4] + struct.pack("!H", 8 + len(piece)) + b"\x2c" + head[7:] + between + piece
    bits = more << 13 | at // 8
    fixed = head[:2] + struct.pack("!HHH", 20 + len(piece), ident, bits) + head[8:10]
    return fixed + struct.pack("!H", checksum(fixed + bytes(2) + head[12:20])) + head[12:20] + piece


def at_once(packets: Sequence[bytes], t_ns: int = 1_700_000_000_000_000_000) -> list[Frame]:
    """Put packets into Ethernet frames, a microsecond apart."""
    return [Frame(t_ns=t_ns + 1000 * number, data=ethernet(of)) for number, of in enumerate(packets)]


def wrapped(wrap: Wrap, of: Sequence[Segment]) -> list[Frame]:
    """Put each segment's packet into a frame."""
    return [Frame(t_ns=segment.t_ns, data=wrap(packet(segment))) for segment in of]


def plain(found: Iterable[Segment]) -> list[Segment]:
    """Leave out what only a capture can say, so that segments compare with those that were sent."""
    return [structs.replace(segment, frame_no=0) for segment in found]
