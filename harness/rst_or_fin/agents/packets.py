"""Builds and reads the frames of a host without a kernel: an address with its own hardware address. No I/O.

Frames in, what they mean out; and frames for what is to be said. It answers who-has for its address itself,
in ARP (RFC 826) and in neighbour discovery (RFC 4861), so that the kernel of the machine it runs on never
sees a packet that it could answer: no firewall rule is needed to keep it quiet.

The packets are dpkt's: pure Python and a small import, which an image can be given by copying its files.
(scapy is better known and can do far more; it costs a second of import for every peer, and fills in fields by
itself, whereas a scripted peer has to send exactly what its script says.)
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

import dpkt.arp
import dpkt.ethernet
import dpkt.icmp6
import dpkt.ip
import dpkt.ip6
import dpkt.tcp

_HOP_LIMIT = 255  # what neighbour discovery demands (RFC 4861 section 7.1.1)
_TTL = 64
_NEIGHBOUR_SOLICITATION = 135
_NEIGHBOUR_ADVERTISEMENT = 136
_SOLICITED_AND_OVERRIDE = 0x6000_0000
_TARGET_LINK_LAYER_ADDRESS = b"\x02\x01"  # an option: its type, and its length in units of 8 bytes
_SOURCE_LINK_LAYER_ADDRESS = b"\x01\x01"
_SOLICITED_NODES = ipaddress.ip_address("ff02::1:ff00:0").packed[:13]  # the group's last three bytes follow
_FLAG_BITS = {"F": 0x01, "S": 0x02, "R": 0x04, "P": 0x08, ".": 0x10, "U": 0x20, "E": 0x40, "W": 0x80}


@dataclass(frozen=True)
class Packet:
    """One TCP segment with absolute numbers; `flags` in tcpdump's letters, the other end as `far`."""

    far: tuple[str, int]
    flags: str
    seq: int
    ack: int
    window: int
    payload: bytes = b""
    mss: int | None = None


class Host:
    """One address of an Ethernet, IPv4 or IPv6, and the port on which it speaks TCP."""

    def __init__(self, address: str, port: int) -> None:
        self._ip = ipaddress.ip_address(address)
        self.port = port
        # Locally administered (IEEE 802), and the same for the same address: nobody's cache goes stale.
        self.mac = b"\x02\x52\x46" + self._ip.packed[-3:]
        self._macs: dict[bytes, bytes] = {}  # of those that have spoken to us, by their packed address

    def knows(self, address: str) -> bool:
        """Return whether that host's hardware address is known."""
        return ipaddress.ip_address(address).packed in self._macs

    def question(self, address: str) -> bytes:
        """Make a frame that asks for that host's hardware address (RFC 826; RFC 4861 section 4.3)."""
        far = ipaddress.ip_address(address)
        if far.version == 4:
            asked = dpkt.arp.ARP(sha=self.mac, spa=self._ip.packed, tha=bytes(6), tpa=far.packed)
            return self._frame(b"\xff" * 6, dpkt.ethernet.ETH_TYPE_ARP, asked)
        body = bytes(4) + far.packed + _SOURCE_LINK_LAYER_ADDRESS + self.mac
        group = _SOLICITED_NODES + far.packed[-3:]
        packet = dpkt.ip6.IP6(
            nxt=dpkt.ip.IP_PROTO_ICMP6,
            hlim=_HOP_LIMIT,
            src=self._ip.packed,
            dst=group,
            plen=4 + len(body),
            data=dpkt.icmp6.ICMP6(type=_NEIGHBOUR_SOLICITATION, code=0, data=body),
        )
        return self._frame(b"\x33\x33" + group[-4:], dpkt.ethernet.ETH_TYPE_IP6, packet)

    def learn(self, frame: bytes) -> None:
        """Note the hardware address of the host that answers such a question, or asks one."""
        try:
            ethernet = dpkt.ethernet.Ethernet(frame)
        except dpkt.Error:
            return
        said = ethernet.data
        if isinstance(said, dpkt.arp.ARP):
            self._macs[said.spa] = said.sha
        elif isinstance(said, dpkt.ip6.IP6) and isinstance(said.data, dpkt.icmp6.ICMP6):
            self._macs[said.src] = ethernet.src

    def answer(self, frame: bytes) -> bytes | None:
        """Answer a question for our hardware address; None if the frame asks no such thing."""
        try:
            ethernet = dpkt.ethernet.Ethernet(frame)
        except dpkt.Error:
            return None
        if isinstance(ethernet.data, dpkt.arp.ARP):
            return self._arp_answer(ethernet.data)
        if isinstance(ethernet.data, dpkt.ip6.IP6):
            return self._neighbour_answer(ethernet)
        return None

    def _arp_answer(self, asked: dpkt.arp.ARP) -> bytes | None:
        if asked.op != dpkt.arp.ARP_OP_REQUEST or asked.tpa != self._ip.packed:
            return None
        said = dpkt.arp.ARP(
            op=dpkt.arp.ARP_OP_REPLY, sha=self.mac, spa=asked.tpa, tha=asked.sha, tpa=asked.spa
        )
        return self._frame(asked.sha, dpkt.ethernet.ETH_TYPE_ARP, said)

    def _neighbour_answer(self, ethernet: dpkt.ethernet.Ethernet) -> bytes | None:
        asked = ethernet.data
        if asked.nxt != dpkt.ip.IP_PROTO_ICMP6 or not isinstance(asked.data, dpkt.icmp6.ICMP6):
            return None
        body = bytes(asked.data)[4:]  # reserved, then the target
        if asked.data.type != _NEIGHBOUR_SOLICITATION or body[4:20] != self._ip.packed:
            return None
        if not any(asked.src):
            return None  # somebody checks whether the address is free; it is not theirs to have
        advertised = struct.pack("!I", _SOLICITED_AND_OVERRIDE) + self._ip.packed
        advertised += _TARGET_LINK_LAYER_ADDRESS + self.mac
        message = dpkt.icmp6.ICMP6(type=_NEIGHBOUR_ADVERTISEMENT, code=0, data=advertised)
        packet = dpkt.ip6.IP6(
            nxt=dpkt.ip.IP_PROTO_ICMP6,
            hlim=_HOP_LIMIT,
            src=self._ip.packed,
            dst=asked.src,
            plen=len(message),
            data=message,
        )
        return self._frame(ethernet.src, dpkt.ethernet.ETH_TYPE_IP6, packet)

    def hear(self, frame: bytes) -> Packet | None:
        """Return the TCP segment that a frame brings us; None if it brings none."""
        try:
            ethernet = dpkt.ethernet.Ethernet(frame)
        except dpkt.Error:
            return None
        packet = ethernet.data
        if not isinstance(packet, (dpkt.ip.IP, dpkt.ip6.IP6)) or packet.dst != self._ip.packed:
            return None
        tcp = packet.data
        if not isinstance(tcp, dpkt.tcp.TCP) or tcp.dport != self.port:
            return None
        self._macs[packet.src] = ethernet.src
        return Packet(
            far=(str(ipaddress.ip_address(packet.src)), tcp.sport),
            flags="".join(letter for letter, bit in _FLAG_BITS.items() if tcp.flags & bit),
            seq=tcp.seq,
            ack=tcp.ack,
            window=tcp.win,
            payload=bytes(tcp.data),
        )

    def say(self, packet: Packet) -> bytes:
        """Make the frame that carries a segment to an end that has spoken to us before."""
        far = ipaddress.ip_address(packet.far[0]).packed
        tcp = dpkt.tcp.TCP(
            sport=self.port,
            dport=packet.far[1],
            seq=packet.seq,
            ack=packet.ack,
            flags=sum(_FLAG_BITS[letter] for letter in packet.flags),
            win=packet.window,
            data=packet.payload,
        )
        if packet.mss is not None:
            tcp.opts = struct.pack("!BBH", dpkt.tcp.TCP_OPT_MSS, 4, packet.mss)
            tcp.off = (20 + len(tcp.opts)) // 4
        if self._ip.version == 4:
            # Without options a header is 20 bytes; dpkt fills in both checksums where they are 0.
            ip4 = dpkt.ip.IP(
                src=self._ip.packed, dst=far, p=dpkt.ip.IP_PROTO_TCP, ttl=_TTL, len=20 + len(tcp), data=tcp
            )
            return self._frame(self._macs[far], dpkt.ethernet.ETH_TYPE_IP, ip4)
        ip6 = dpkt.ip6.IP6(
            src=self._ip.packed, dst=far, nxt=dpkt.ip.IP_PROTO_TCP, hlim=_TTL, plen=len(tcp), data=tcp
        )
        return self._frame(self._macs[far], dpkt.ethernet.ETH_TYPE_IP6, ip6)

    def _frame(self, to: bytes, ethertype: int, packet: dpkt.Packet) -> bytes:
        return bytes(dpkt.ethernet.Ethernet(dst=to, src=self.mac, type=ethertype, data=packet))
