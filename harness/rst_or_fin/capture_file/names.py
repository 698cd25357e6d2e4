"""Names the kinds of packet in which no TCP segment was found."""

from __future__ import annotations

from rst_or_fin.capture_file.packet import (
    CONTRADICTED,
    CUT_SHORT,
    IP_PROTOCOL,
    LINK_TYPE,
    MALFORMED,
    NOT_IP,
    OTHER_UDP,
    PPP_PROTOCOL,
    TOO_DEEP,
)

_NAMES = {
    0x0806: "ARP",
    0x8035: "RARP",
    0x8863: "PPPoE discovery",
    0x888E: "802.1X",
    0x88CC: "LLDP",
    0x88E5: "MACsec",
    0x88F7: "PTP",
    **{LINK_TYPE | number: "802.11" for number in (105, 119, 127, 163, 192)},
    **{LINK_TYPE | number: "Bluetooth" for number in (187, 201, 251, 254, 255)},
    **{LINK_TYPE | number: "USB" for number in (186, 189, 220, 249, 266)},
    LINK_TYPE | 253: "netlink",
    IP_PROTOCOL | 1: "ICMP",
    IP_PROTOCOL | 2: "IGMP",
    IP_PROTOCOL | 17: "UDP",
    IP_PROTOCOL | 50: "ESP",
    IP_PROTOCOL | 58: "ICMPv6",
    IP_PROTOCOL | 89: "OSPF",
    IP_PROTOCOL | 132: "SCTP",
    CONTRADICTED: "fragment that overlaps another",
    CUT_SHORT: "cut short by the snap length",
    MALFORMED: "malformed",
    NOT_IP: "not IP",
    OTHER_UDP: "UDP",
    TOO_DEEP: "nested too deeply",
}
INCOMPLETE = "fragment incomplete"
_REGISTRIES = {IP_PROTOCOL: "IP protocol {}", LINK_TYPE: "link type {}", PPP_PROTOCOL: "PPP protocol {:#06x}"}


def name(kind: int) -> str:
    """Name a kind: "UDP", "ARP", "802.11", or its registry and number, such as "link type 147"."""
    registry = _REGISTRIES.get(kind & ~0xFFFF, "EtherType {:#06x}")
    return _NAMES.get(kind) or registry.format(kind & 0xFFFF)
