"""A packet as its layers are taken off one by one, and the numbers that say which layer comes next.

A layer is a function that moves `at` behind its own header and answers with the kind of what is there. The
kinds of all registries live in one number space, so that one table knows every layer: an EtherType is
itself, the others carry their registry in the upper bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

IP_PROTOCOL = 1 << 16  # | a protocol number (IANA): IPv4's protocol, IPv6's next header
LINK_TYPE = 2 << 16  # | a LINKTYPE_ number (tcpdump.org)
PPP_PROTOCOL = 3 << 16  # | a PPP protocol number (IANA)
UDP_PORT = 4 << 16  # | the port of a tunnel
_OWN = 5 << 16

IPV4 = 0x0800
IPV6 = 0x86DD
BRIDGED = 0x6558  # transparent Ethernet bridging (RFC 1701)
MPLS = 0x8847
NSH = 0x894F
ETHERNET = LINK_TYPE | 1
TCP = IP_PROTOCOL | 6
UDP = IP_PROTOCOL | 17

EITHER_IP = _OWN | 1  # IPv4 or IPv6, as its first four bits say
LLC = _OWN | 2
PPP = _OWN | 3
PSEUDOWIRE = _OWN | 4
FRAGMENT = _OWN | 5  # `Packet.fragment` says which

# Where it ends without a TCP segment
WAITS = _OWN | 6  # for the other fragments
NOT_IP = _OWN | 7
OTHER_UDP = _OWN | 8  # a datagram of a tunnel's port that holds no tunnel
MALFORMED = _OWN | 9
CUT_SHORT = _OWN | 10
CONTRADICTED = _OWN | 11  # a fragment that overlaps another one
TOO_DEEP = _OWN | 12


class Packet:
    """One frame on its way through the layers.

    `data[at:end]` is what the next layer has. `end` is where the layer around it says that it ends: behind
    the data, where the capture cut the frame short. The rest is of the innermost IP header: source and
    destination in packed form, TTL or hop limit, identification (None for IPv6), whether its checksum fits,
    and which fragment it is: (identification, protocol, offset in bytes, whether more follow).
    """

    __slots__ = ("addresses", "at", "data", "end", "fragment", "header_good", "ip_id", "t_ns", "ttl")

    data: bytes
    at: int
    end: int
    t_ns: int
    addresses: bytes
    ttl: int
    ip_id: int | None
    header_good: bool
    fragment: tuple[int, int, int, bool]

    def u16(self, offset: int) -> int:
        """Read 16 bits in network byte order, `offset` bytes on. Raises IndexError if there are none."""
        at = self.at + offset
        return self.data[at] << 8 | self.data[at + 1]


Layer: TypeAlias = Callable[[Packet], int]
