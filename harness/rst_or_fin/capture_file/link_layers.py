"""Steps from a frame to its IP packet: link layers, and the tags, labels and sessions above them.

Link layers are as https://www.tcpdump.org/linktypes.html describes them.
"""

from __future__ import annotations

import struct

from rst_or_fin.capture_file.packet import (
    BRIDGED,
    EITHER_IP,
    ETHERNET,
    IPV4,
    IPV6,
    LINK_TYPE,
    LLC,
    MPLS,
    NOT_IP,
    PPP,
    PPP_PROTOCOL,
    PSEUDOWIRE,
    Layer,
    Packet,
)

_LARGEST_LENGTH = 1500  # what stands for an EtherType and is no larger is a length (IEEE 802.3, 3.2.6)
_IP_FAMILIES = (2, 10, 23, 24, 28, 30)  # AF_INET, and AF_INET6 of Linux, Windows and the BSDs
_SNAP = b"\xaa\xaa\x03"
_LLC_IP = b"\x06\x06\x03"
_SNAP_ETHERTYPES = (b"\0\0\0", b"\0\0\xf8")  # the OUIs of RFC 1042 and of 802.1H
_PPP_ALL_STATIONS = b"\xff\x03"
_PPP_KINDS = {0x21: IPV4, 0x57: IPV6, 0x281: MPLS, 0x283: MPLS}
_CISCO_HDLC = (0x0F, 0x8F)
_COOKED_LLC = 4  # the protocol field of Linux cooked frames for 802.2
_NFLOG_PAYLOAD = 9


def _ethertype(packet: Packet, header_len: int) -> int:
    """Step over a header whose last two bytes are an EtherType or, in 802.3, a length."""
    data, at = packet.data, packet.at + header_len
    kind = data[at - 2] << 8 | data[at - 1]
    packet.at = at
    if kind > _LARGEST_LENGTH:
        return kind
    packet.end = min(packet.end, at + kind)
    return LLC


def ethernet(packet: Packet) -> int:
    """Step over an Ethernet header."""
    return _ethertype(packet, 14)


def vlan(packet: Packet) -> int:
    """Step over a tag of 802.1Q or 802.1ad."""
    return _ethertype(packet, 4)


def vn_tag(packet: Packet) -> int:
    """Step over Cisco's VN-Tag."""
    return _ethertype(packet, 6)


def e_tag(packet: Packet) -> int:
    """Step over an E-TAG of 802.1BR."""
    return _ethertype(packet, 8)


def backbone(packet: Packet) -> int:
    """Step over the I-TAG of 802.1ah: a whole Ethernet frame follows."""
    packet.at += 4
    return ETHERNET


def fabric_path(packet: Packet) -> int:
    """Step over the tag of Cisco's FabricPath: a whole Ethernet frame follows."""
    packet.at += 2
    return ETHERNET


def llc(packet: Packet) -> int:
    """Step over 802.2's header and, if it is there, SNAP's (RFC 1042)."""
    head = packet.data[packet.at : packet.at + 6]
    if head[:3] == _SNAP and head[3:] in _SNAP_ETHERTYPES:
        packet.at += 8
        return packet.u16(-2)
    packet.at += 3
    return IPV4 if head[:3] == _LLC_IP else NOT_IP


def fddi(packet: Packet) -> int:
    """Step over an FDDI header."""
    packet.at += 13
    return LLC


def loopback(packet: Packet) -> int:
    """Step over an address family, in either byte order and by the numbers of any system that writes it."""
    (family,) = struct.unpack_from("<I", packet.data, packet.at)
    if family > 0xFFFF:
        (family,) = struct.unpack_from(">I", packet.data, packet.at)
    packet.at += 4
    return EITHER_IP if family in _IP_FAMILIES else NOT_IP


def encrypted(packet: Packet) -> int:
    """Step over the header of OpenBSD's enc interface: a family, an SPI, flags."""
    kind = loopback(packet)
    packet.at += 8
    return kind


def firewall_log(packet: Packet) -> int:
    """Step over the header of OpenBSD's pflog interface, whose length is its first byte, without padding."""
    length, family = packet.data[packet.at], packet.data[packet.at + 1]
    packet.at += length + -length % 4
    return EITHER_IP if family in _IP_FAMILIES else NOT_IP


def infiniband(packet: Packet) -> int:
    """Step over both hardware addresses and what RFC 4391, section 6, puts before a packet."""
    packet.at += 44
    return packet.u16(-4)


def linux_cooked(packet: Packet) -> int:
    """Step over the header of Linux's cooked captures (LINKTYPE_LINUX_SLL)."""
    packet.at += 16
    protocol = packet.u16(-2)
    return LLC if protocol == _COOKED_LLC else protocol


def linux_cooked_v2(packet: Packet) -> int:
    """Step over the second version of that header (LINKTYPE_LINUX_SLL2)."""
    protocol = packet.u16(0)
    packet.at += 20
    return LLC if protocol == _COOKED_LLC else protocol


def ppp(packet: Packet) -> int:
    """Step over PPP's address, control and protocol fields, compressed or not (RFC 1661, RFC 1662)."""
    data, at = packet.data, packet.at
    if data[at] in _CISCO_HDLC:
        return cisco_hdlc(packet)
    if data[at : at + 2] == _PPP_ALL_STATIONS:
        at += 2
    length = 1 if data[at] & 1 else 2  # a number's last byte is odd, and no other one
    packet.at = at + length
    protocol = int.from_bytes(data[at : packet.at], "big")
    return _PPP_KINDS.get(protocol, PPP_PROTOCOL | protocol)


def directed_ppp(packet: Packet) -> int:
    """Step over the byte that says which way a PPP frame went."""
    packet.at += 1
    return PPP


def cisco_hdlc(packet: Packet) -> int:
    """Step over Cisco's HDLC header."""
    packet.at += 4
    return packet.u16(-2)


def pppoe(packet: Packet) -> int:
    """Step over the header of a PPPoE session's frame (RFC 2516, section 4)."""
    length = packet.u16(4)
    packet.at += 6
    packet.end = min(packet.end, packet.at + length)
    return PPP


def mpls(packet: Packet) -> int:
    """Step over a stack of labels, and guess what it carries by the first four bits (RFC 3032; RFC 4928)."""
    data, at = packet.data, packet.at
    while not data[at + 2] & 1:
        at += 4
    packet.at = at + 4
    return {4: IPV4, 6: IPV6, 0: PSEUDOWIRE}.get(data[at + 4] >> 4, NOT_IP)


def pseudowire(packet: Packet) -> int:
    """Step over the control word of an Ethernet pseudowire (RFC 4448, section 4.6)."""
    packet.at += 4
    return ETHERNET


def packet_tap(packet: Packet) -> int:
    """Step over Apple's PKTAP header, which says how long it is and which link layer follows."""
    length, follows, link_type = struct.unpack_from("<III", packet.data, packet.at)
    packet.at += length
    return LINK_TYPE | link_type & 0xFFFF if follows == 1 and length >= 12 else NOT_IP


def netfilter_log(packet: Packet) -> int:
    """Step over NFLOG's attributes up to the packet, in the byte order of the machine that wrote them."""
    packet.at += 4
    order = "<" if packet.data[packet.at + 2] else ">"  # no attribute's number is above 255
    while True:
        length, kind = struct.unpack_from(order + "HH", packet.data, packet.at)
        if kind == _NFLOG_PAYLOAD:
            packet.end = packet.at + length
            packet.at += 4
            return EITHER_IP
        packet.at += max(length + -length % 4, 4)


LAYERS: dict[int, Layer] = {
    **dict.fromkeys((LINK_TYPE | 0, LINK_TYPE | 108), loopback),
    **dict.fromkeys((ETHERNET, BRIDGED), ethernet),
    **dict.fromkeys((PPP, 0x880B, LINK_TYPE | 9, LINK_TYPE | 50), ppp),
    LINK_TYPE | 10: fddi,
    **dict.fromkeys((LLC, LINK_TYPE | 100), llc),
    LINK_TYPE | 104: cisco_hdlc,
    LINK_TYPE | 109: encrypted,
    LINK_TYPE | 113: linux_cooked,
    LINK_TYPE | 117: firewall_log,
    **dict.fromkeys((LINK_TYPE | 149, LINK_TYPE | 258), packet_tap),
    **dict.fromkeys((LINK_TYPE | 166, LINK_TYPE | 204), directed_ppp),
    LINK_TYPE | 239: netfilter_log,
    LINK_TYPE | 242: infiniband,
    LINK_TYPE | 276: linux_cooked_v2,
    **dict.fromkeys((0x8100, 0x88A8, 0x9100, 0x9200), vlan),
    **dict.fromkeys((MPLS, 0x8848, LINK_TYPE | 219), mpls),
    PSEUDOWIRE: pseudowire,
    **dict.fromkeys((0x8864, LINK_TYPE | 51), pppoe),
    0x88E7: backbone,
    0x8903: fabric_path,
    0x8926: vn_tag,
    0x893F: e_tag,
}
