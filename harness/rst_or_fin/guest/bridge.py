"""The wires between this container's network and the guest's: each interface is bridged to a TAP.

The interface keeps its IP addresses, so that a capture finds it by those; but as a port of a bridge
that has none and answers no ARP it hands every frame on. Its hardware address goes to the guest: no ARP cache
may lead to the container's own kernel, which takes frames for its address from any interface.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import secrets
import socket
import struct
from dataclasses import dataclass

# linux/sockios.h, linux/if.h and linux/if_tun.h, Linux 6.12
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCGIFADDR = 0x8915
_SIOCGIFNETMASK = 0x891B
_SIOCSIFHWADDR = 0x8924
_SIOCGIFHWADDR = 0x8927
_SIOCBRADDBR = 0x89A0
_SIOCBRADDIF = 0x89A2
_TUNSETIFF = 0x400454CA
_IFF_UP = 0x1
_IFF_NOARP = 0x80
_IFF_TAP = 0x2
_IFF_NO_PI = 0x1000
_ARPHRD_ETHER = 1
_IPV6_LINK_SCOPE = 0x20


@dataclass(frozen=True)
class Interface:
    """One interface of this container: its addresses with their prefix lengths, and its default gateway."""

    name: str
    mac: str
    addresses: tuple[str, ...]
    gateway: str = ""


def interfaces() -> list[Interface]:
    """List this container's interfaces by name, except loopback and those without an address."""
    with open("/proc/net/route", encoding="ascii") as routes:
        gateways = default_gateways(routes.read())
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as table:
            six = ipv6_addresses(table.read())
    except FileNotFoundError:  # a kernel without IPv6
        six = {}
    names = sorted(name for _, name in socket.if_nameindex() if name != "lo")
    found = [
        Interface(name, _mac(name), (*_ipv4_address(name), *six.get(name, ())), gateways.get(name, ""))
        for name in names
    ]
    return [interface for interface in found if interface.addresses]


def default_gateways(routes: str) -> dict[str, str]:
    """Map each interface to its default gateway, from the text of /proc/net/route (proc_pid_net(5))."""
    rows = [line.split() for line in routes.splitlines()[1:]]
    return {
        row[0]: socket.inet_ntoa(struct.pack("=I", int(row[2], 16)))
        for row in rows
        if row[1] == row[7] == "00000000" and row[2] != "00000000"
    }


def ipv6_addresses(table: str) -> dict[str, list[str]]:
    """Map each interface to its IPv6 addresses, link-local ones left out, from /proc/net/if_inet6."""
    found: dict[str, list[str]] = {}
    for line in table.splitlines():
        address, _, prefix_len, scope, _, name = line.split()
        if int(scope, 16) != _IPV6_LINK_SCOPE:
            text = f"{ipaddress.IPv6Address(bytes.fromhex(address))}/{int(prefix_len, 16)}"
            found.setdefault(name, []).append(text)
    return found


def open_tap(number: int) -> int:
    """Create a TAP and return its file descriptor; it is bridged to nothing yet. Needs CAP_NET_ADMIN."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", f"tap{number}".encode(), _IFF_TAP | _IFF_NO_PI))
    return tap


def connect(interface: str, number: int) -> None:
    """Bridge an interface to the TAP: from now on the guest answers instead of this container's kernel."""
    bridge, tap = f"bridge{number}", f"tap{number}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCBRADDBR, bridge.encode() + b"\0")
        for name in (tap, bridge):
            flags = struct.unpack_from("H", fcntl.ioctl(control, _SIOCGIFFLAGS, _request(name)), 16)[0]
            wanted = struct.pack("16sH22x", name.encode(), flags | _IFF_UP | _IFF_NOARP)
            fcntl.ioctl(control, _SIOCSIFFLAGS, wanted)
        # A locally administered address in exchange for the one that the guest has now.
        mac = struct.pack("16sHB5s16x", interface.encode(), _ARPHRD_ETHER, 0x02, secrets.token_bytes(5))
        fcntl.ioctl(control, _SIOCSIFHWADDR, mac)
        for port in (tap, interface):
            index = struct.pack("16si20x", bridge.encode(), socket.if_nametoindex(port))
            fcntl.ioctl(control, _SIOCBRADDIF, index)


def _mac(interface: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        return fcntl.ioctl(control, _SIOCGIFHWADDR, _request(interface))[18:24].hex(":")


def _ipv4_address(interface: str) -> tuple[str, ...]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            address, mask = (
                socket.inet_ntoa(fcntl.ioctl(control, query, _request(interface))[20:24])
                for query in (_SIOCGIFADDR, _SIOCGIFNETMASK)
            )
        except OSError:  # EADDRNOTAVAIL: it has none
            return ()
    return (f"{address}/{ipaddress.IPv4Network(f'0.0.0.0/{mask}').prefixlen}",)


def _request(interface: str) -> bytes:
    return struct.pack("16s24x", interface.encode())
