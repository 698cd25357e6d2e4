"""Steps over IPv4 and IPv6 headers, and what stands between them and TCP (RFC 791, RFC 8200)."""

from __future__ import annotations

import struct

from rst_or_fin.capture_file.checksums import fits
from rst_or_fin.capture_file.packet import (
    EITHER_IP,
    FRAGMENT,
    IP_PROTOCOL,
    IPV4,
    IPV6,
    LINK_TYPE,
    MALFORMED,
    NOT_IP,
    Layer,
    Packet,
)

_IPV4 = struct.Struct("!BxHHHBxH8s")
_IPV6 = struct.Struct("!IHxB32s")
_MORE_OR_OFFSET = 0x3FFF
_SOURCE_ROUTES = (131, 137)  # loose, strict (RFC 791, section 3.1)
_SEGMENT_ROUTING = 4  # its list is in reverse (RFC 8754, section 2); the first two are in order
_HOME_ADDRESS = b"\xc9\x10"  # an option's kind and length
_ROUTED = (0, 2, _SEGMENT_ROUTING)


def either(packet: Packet) -> int:
    """Tell IPv4 from IPv6 by the first four bits."""
    return {4: IPV4, 6: IPV6}.get(packet.data[packet.at] >> 4, NOT_IP)


def ipv4(packet: Packet) -> int:
    """Step over an IPv4 header and its options."""
    data, at = packet.data, packet.at
    first, total_len, packet.ip_id, fragment, packet.ttl, checksum, packet.addresses = _IPV4.unpack_from(
        data, at
    )
    protocol = data[at + 9]
    header_len = (first & 0x0F) * 4
    if first >> 4 != 4 or header_len < 20:
        return MALFORMED
    packet.at = at + header_len
    # A length of 0: what the network card is still to cut up (TSO) is as long as the frame
    packet.end = at + total_len if total_len else packet.end
    packet.header_good = not (checksum and total_len) or fits(data[at : packet.at])
    if header_len > 20:
        _readdress(packet, packet.addresses[:4] + _end_of_route(data[at + 20 : packet.at]))
    if fragment & _MORE_OR_OFFSET:
        packet.fragment = (packet.ip_id, protocol, (fragment & 0x1FFF) * 8, bool(fragment & 0x2000))
        return FRAGMENT
    return IP_PROTOCOL | protocol


def _end_of_route(options: bytes) -> bytes:
    """Find where a packet goes in the end, while its source route has addresses left to visit."""
    at = 0
    while at + 2 < len(options) and options[at]:
        length = options[at + 1] if options[at] > 1 else 1
        if options[at] in _SOURCE_ROUTES and length >= 7 and options[at + 2] <= length - 3:
            return options[at + length - 4 : at + length]
        at += length or len(options)
    return b""


def ipv6(packet: Packet) -> int:
    """Step over an IPv6 header without its extensions."""
    data, at = packet.data, packet.at
    first, payload_len, packet.ttl, packet.addresses = _IPV6.unpack_from(data, at)
    if first >> 28 != 6:
        return MALFORMED
    packet.at = at + 40
    packet.ip_id, packet.header_good = None, True
    if payload_len:  # 0: a jumbogram (RFC 2675) or what is still to be cut up is as long as the frame
        packet.end = packet.at + payload_len
    return IP_PROTOCOL | data[at + 6]


def extension(packet: Packet) -> int:
    """Step over hop-by-hop options, destination options and whatever else has their form (RFC 6564)."""
    data, at = packet.data, packet.at
    packet.at = at + 8 + 8 * data[at + 1]
    return IP_PROTOCOL | data[at]


def destination_options(packet: Packet) -> int:
    """Step over destination options; one of them may say at which address the sender is at home."""
    start = packet.at
    following = extension(packet)
    _readdress(packet, _home_address(packet.data[start + 2 : packet.at]) + packet.addresses[16:])
    return following


def _home_address(options: bytes) -> bytes:
    """Find the source address that TCP knows (RFC 6275, section 6.3)."""
    at = 0
    while at + 1 < len(options):
        if options[at : at + 2] == _HOME_ADDRESS:
            return options[at + 2 : at + 18]
        at += 2 + options[at + 1] if options[at] else 1
    return b""


def routing(packet: Packet) -> int:
    """Step over a routing header; while there are addresses left to visit, the last is the destination."""
    data, at = packet.data, packet.at
    length, kind, left = struct.unpack_from("xBBB", data, at)
    packet.at = at + 8 + 8 * length
    if left and length and kind in _ROUTED:
        start = at + 8 if kind == _SEGMENT_ROUTING else packet.at - 16
        _readdress(packet, packet.addresses[:16] + data[start : start + 16])
    return IP_PROTOCOL | data[at]


def _readdress(packet: Packet, addresses: bytes) -> None:
    """Replace a packet's addresses, if the new ones are two of the same kind."""
    if len(addresses) == len(packet.addresses):
        packet.addresses = addresses


def authentication(packet: Packet) -> int:
    """Step over an authentication header (RFC 4302, section 2)."""
    data, at = packet.data, packet.at
    packet.at = at + 8 + 4 * data[at + 1]
    return IP_PROTOCOL | data[at]


def ipv6_fragment(packet: Packet) -> int:
    """Step over a fragment header; an only fragment is not fragmented (RFC 6946)."""
    following = packet.data[packet.at]
    bits, ident = struct.unpack_from("!2xHI", packet.data, packet.at)
    packet.at += 8
    if not bits & 0xFFF9:
        return IP_PROTOCOL | following
    packet.fragment = (ident, following, bits & 0xFFF8, bool(bits & 1))
    return FRAGMENT


LAYERS: dict[int, Layer] = {
    **dict.fromkeys((EITHER_IP, *(LINK_TYPE | n for n in (12, 14, 101, 228, 229))), either),
    **dict.fromkeys((IPV4, IP_PROTOCOL | 4, IP_PROTOCOL | 94), ipv4),
    **dict.fromkeys((IPV6, IP_PROTOCOL | 41), ipv6),
    **dict.fromkeys((IP_PROTOCOL | n for n in (0, 135, 139, 140)), extension),
    IP_PROTOCOL | 60: destination_options,
    IP_PROTOCOL | 43: routing,
    IP_PROTOCOL | 44: ipv6_fragment,
    IP_PROTOCOL | 51: authentication,
}
