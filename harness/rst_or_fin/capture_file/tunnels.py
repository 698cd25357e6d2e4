"""Steps from one IP packet to the packet inside it: GRE and what it carries, and tunnels over UDP."""

from __future__ import annotations

from rst_or_fin.capture_file.link_layers import ethernet, mpls
from rst_or_fin.capture_file.packet import (
    EITHER_IP,
    ETHERNET,
    IP_PROTOCOL,
    IPV4,
    IPV6,
    MPLS,
    NOT_IP,
    NSH,
    OTHER_UDP,
    PPP,
    UDP,
    UDP_PORT,
    Layer,
    Packet,
)

_ERSPAN = 0x88BE
_ERSPAN_III = 0x22EB
_WCCP = 0x883E
_GTP_DATA = 255  # the message that carries a packet (3GPP TS 29.281, section 7.1)
_NEXT = {1: IPV4, 2: IPV6, 3: ETHERNET, 4: NSH, 5: MPLS}  # VXLAN-GPE's and NSH's next protocol


def gre(packet: Packet) -> int:
    """Step over GRE with any of checksum, key and sequence number (RFC 2784, 2890), and PPTP's (RFC 2637)."""
    flags, protocol = packet.u16(0), packet.u16(2)
    if flags & 0x4000:  # source routes, which nobody ever used
        return NOT_IP
    packet.at += 4 + 4 * (flags >> 15) + 4 * (flags >> 13 & 1) + 4 * (flags >> 12 & 1)
    if flags & 7 == 1:
        packet.at += 4 * (flags >> 7 & 1)  # PPTP's acknowledgement number
        return PPP if flags & 0x1000 else NOT_IP
    if protocol == _ERSPAN and not flags & 0x1000:  # type I has no header, and no sequence number
        return ETHERNET
    return protocol


def erspan(packet: Packet) -> int:
    """Step over ERSPAN type II."""
    packet.at += 8
    return ETHERNET


def erspan_iii(packet: Packet) -> int:
    """Step over ERSPAN type III, and over the platform's own part if there is one."""
    flags = packet.u16(10)
    packet.at += 20 if flags & 1 else 12
    return EITHER_IP if flags >> 10 & 0x1F == 2 else ETHERNET


def redirected(packet: Packet) -> int:
    """Step over WCCP's redirect header, which version 1 does not have."""
    if packet.data[packet.at] >> 4 != 4:
        packet.at += 4
    return IPV4


def nsh(packet: Packet) -> int:
    """Step over a network service header (RFC 8300)."""
    length, following = packet.u16(0) & 0x3F, packet.data[packet.at + 3]
    packet.at += 4 * length
    return _NEXT.get(following, NOT_IP) if length else NOT_IP


def ether_ip(packet: Packet) -> int:
    """Step over EtherIP's two bytes (RFC 3378)."""
    packet.at += 2
    return ETHERNET


def udp(packet: Packet) -> int:
    """Step over UDP if one of its ports is a tunnel's."""
    for port in (packet.u16(2), packet.u16(0)):
        if UDP_PORT | port in LAYERS:
            packet.at += 8
            return UDP_PORT | port
    return OTHER_UDP


def vxlan(packet: Packet) -> int:
    """Step over VXLAN (RFC 7348); without the flag for a valid network identifier it is something else."""
    flags = packet.data[packet.at]
    packet.at += 8
    return ETHERNET if flags & 0x08 else OTHER_UDP


def vxlan_gpe(packet: Packet) -> int:
    """Step over VXLAN with a next protocol (draft-ietf-nvo3-vxlan-gpe)."""
    flags, following = packet.data[packet.at], packet.data[packet.at + 3]
    packet.at += 8
    return _NEXT.get(following, NOT_IP) if flags & 0x04 else ETHERNET


def geneve(packet: Packet) -> int:
    """Step over Geneve and its options (RFC 8926)."""
    first, protocol = packet.data[packet.at], packet.u16(2)
    packet.at += 8 + 4 * (first & 0x3F)
    return protocol if first >> 6 == 0 else OTHER_UDP


def gtp_u(packet: Packet) -> int:
    """Step over GTP-U version 1 and its extension headers (3GPP TS 29.281, section 5)."""
    data, at = packet.data, packet.at
    flags = data[at]
    if flags >> 4 != 3 or data[at + 1] != _GTP_DATA:
        return OTHER_UDP
    at += 12 if flags & 7 else 8
    following = data[at - 1] if flags & 4 else 0
    while following:
        at += 4 * data[at] or len(data)  # a length of 0 would never end
        following = data[at - 1]
    packet.at = at
    return EITHER_IP


def teredo(packet: Packet) -> int:
    """Step over Teredo's authentication and origin, where present (RFC 4380, section 5.1.1)."""
    data = packet.data
    if packet.u16(0) == 1:
        packet.at += 13 + data[packet.at + 2] + data[packet.at + 3]
    if packet.u16(0) == 0:
        packet.at += 8
    return IPV6 if data[packet.at] >> 4 == 6 else OTHER_UDP


def l2tp(packet: Packet) -> int:
    """Step over L2TP version 2 (RFC 2661, section 3.1); its control messages carry nothing."""
    flags = packet.u16(0)
    if flags & 0x800F != 2:
        return OTHER_UDP
    packet.at += 6 + 2 * (flags >> 14 & 1) + 4 * (flags >> 11 & 1)
    if flags & 0x0200:
        packet.at += 2 + packet.u16(0)
    return PPP


LAYERS: dict[int, Layer] = {
    **dict.fromkeys((IP_PROTOCOL | 47, UDP_PORT | 4754), gre),
    **dict.fromkeys((IP_PROTOCOL | 137, UDP_PORT | 6635), mpls),
    IP_PROTOCOL | 97: ether_ip,
    IP_PROTOCOL | 143: ethernet,
    _ERSPAN: erspan,
    _ERSPAN_III: erspan_iii,
    _WCCP: redirected,
    NSH: nsh,
    UDP: udp,
    UDP_PORT | 1701: l2tp,
    UDP_PORT | 2152: gtp_u,
    UDP_PORT | 3544: teredo,
    **dict.fromkeys((UDP_PORT | 4789, UDP_PORT | 8472), vxlan),
    UDP_PORT | 4790: vxlan_gpe,
    UDP_PORT | 6081: geneve,
}
PORTS = [kind & 0xFFFF for kind in LAYERS if kind & ~0xFFFF == UDP_PORT]
